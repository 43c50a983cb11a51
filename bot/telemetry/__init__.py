"""Names of log events, log setup, alerts.

May import the pure layers. Used by the shell.
"""
