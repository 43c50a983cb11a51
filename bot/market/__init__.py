"""Events -> what we know: books, bars, funding, basis, freshness, costs.

May import domain and numpy. Used by strategy, portfolio, execution, risk, engine and the simulated exchange.
"""
