"""How an operator reaches the running daemon: the local control socket.

May import everything up to runtime. Used by app and cli.
"""
