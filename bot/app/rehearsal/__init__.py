"""Rehearsals of what must never happen: a killed process, a lost power, a kill switch that is needed.

Builds accounts of its own in a scratch folder and runs the daemon on them. Used by the verbs `rehearse` and `drill`.
"""
