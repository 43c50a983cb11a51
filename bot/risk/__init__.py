"""May shrink or refuse, never creates: order limits, modes, stops, margin keeper, kill switch.

May import everything up to portfolio. Used by engine.
"""
