"""The paper exchange and the embedded market: truth of their own.

May import telemetry and the pure layers. Used by runtime and app.
"""
