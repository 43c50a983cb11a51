"""One synchronous, deterministic object that folds events and decides: `Engine.step`.

May import every pure layer below. Used by all four drivers in runtime.
"""
