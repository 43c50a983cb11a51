"""Journal, snapshots, locks and recorded history.

May import telemetry and the pure layers. Used by runtime.
"""
