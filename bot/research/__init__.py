"""What a run earned: statistics and reports.

May import everything up to runtime. Used by app and cli.
"""
