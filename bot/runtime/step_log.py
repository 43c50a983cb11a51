"""One log line for each thing a step has to say."""

from __future__ import annotations

import structlog

from bot.domain.events import AnyEvent
from bot.engine.step import Step
from bot.telemetry.names import LogEvent


def log_step(log: structlog.typing.FilteringBoundLogger, event: AnyEvent, step: Step) -> None:
    """Notes under their own names, refusals as warnings, and one line per decision."""
    for note in step.notes:
        keys = {key: value for key, value in note.keys if key != "event"}
        keys["at_ns"] = str(event.at_ns)
        log.info(note.name, **keys)
    for refusal in step.refusals:
        if refusal.shrunk_to_lots:
            log.info(LogEvent.ORDER_SHRUNK, instrument=refusal.intent.instrument, limit=refusal.limit,
                     value=refusal.value, allowed=refusal.allowed, lots=refusal.intent.quantity_lots,
                     shrunk_to_lots=refusal.shrunk_to_lots, at_ns=event.at_ns)
            continue
        log.warning(LogEvent.ORDER_REFUSED, instrument=refusal.intent.instrument, limit=refusal.limit,
                    value=refusal.value, allowed=refusal.allowed, at_ns=event.at_ns)
    record = step.record
    if record is not None:
        log.info(LogEvent.REBALANCE_DONE, decision_id=record.decision_id, mode=record.mode, actions=record.actions,
                 candidates=len(record.candidates), binding=record.binding, equity_usd=record.equity_usd,
                 at_ns=event.at_ns)
