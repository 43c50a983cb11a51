"""One small file per verb group.

May import everything. Used by people.
"""
