"""Wants minus haves become orders: rounding, TWAP, pair execution, order states, reconciliation.

May import everything up to portfolio. Used by engine.
"""
