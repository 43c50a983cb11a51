"""The drivers: clock, schedule, backtest, live daemon, fault simulation, recovery.

May import everything up to venues and storage. Used by app and cli.
"""
