"""What we want: carry (the core), its funding forecast, allocation.

May import domain, quant and market. Used by engine.
"""
