"""What we have: ledger, attribution, pairs, margin pools and liquidation.

May import domain, quant and market. Used by execution, risk, engine and reports.
"""
