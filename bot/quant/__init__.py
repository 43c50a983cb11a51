"""Mathematics: arrays in, arrays out; knows nothing of trading.

May import domain, numpy and scipy.special. Used by strategy, risk, engine and research.
"""
