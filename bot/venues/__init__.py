"""Exchanges: simulated now, real ones later.

May import telemetry and the pure layers. Used by runtime.
"""
