"""What things are: values, instruments, events, commands, ports and errors.

May import nothing of ours. Used by every other folder.
"""
