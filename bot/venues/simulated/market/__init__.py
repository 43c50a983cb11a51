"""The embedded market: seeded prices, premium, funding and depth without internet; it never sees the bot's orders.

May import the domain and numpy. Used by the drivers (as a `MarketSource`) and by calibration tests (as arrays).
"""
