"""What a venue refuses again and again: permanent refusals block the symbol, passing ones let it cool down (F24)."""

from __future__ import annotations

from typing import Final

from bot.domain.events import OrderRejected, RejectReason
from bot.domain.values import NS_PER_MINUTE, NS_PER_S, InstrumentId, Nanos
from bot.engine import auth_desk
from bot.engine.turn import Turn

PERMANENT: Final = frozenset({
    RejectReason.NOTIONAL_MIN, RejectReason.QUANTITY_MIN, RejectReason.PRECISION, RejectReason.UNKNOWN_INSTRUMENT,
})
"""The same order would be refused for ever."""
_EXPECTED: Final = frozenset({
    RejectReason.WOULD_CROSS, RejectReason.RATE_LIMIT, RejectReason.BANNED, RejectReason.MAINTENANCE,
})
"""A maker's daily bread, and what holds for the whole venue (`rate_desk`)."""
_OF_MEANS: Final = frozenset({RejectReason.FUNDS, RejectReason.MARGIN, RejectReason.REDUCE_ONLY})
"""The venue counts otherwise than our books: it is read at once."""
WINDOW_NS: Final = 10 * NS_PER_MINUTE


def on_rejected(turn: Turn, instrument: InstrumentId, event: OrderRejected) -> None:
    """Count it; so many equal ones within ten minutes block opens of the instrument."""
    if event.reason is RejectReason.AUTH:
        auth_desk.on_rejected(turn, event)
        return
    rejects = turn.state.rejects.setdefault(instrument, [])
    rejects.append((turn.now_ns, event.reason.value))
    rejects[:] = [row for row in rejects if turn.now_ns - row[0] <= WINDOW_NS]
    same = sum(1 for _, reason in rejects if reason == event.reason.value)
    limits = turn.params.risk
    text = f"{same} x {event.reason.value} in 10 min"
    if event.reason in PERMANENT:
        if same >= limits.repeats_max:
            _block(turn, instrument, "rejects", text, "operator: resume")
    elif event.reason not in _EXPECTED and same >= limits.passing_repeats_max:
        _block(turn, instrument, "reject_cool_down", text, f"{limits.reject_cool_down_s:g} s")
    venue = turn.state.venues.get(event.venue)
    if event.reason in _OF_MEANS and venue is not None and not venue.read_id:
        turn.read_account(venue)


def _block(turn: Turn, instrument: InstrumentId, name: str, text: str, lifted_by: str) -> None:
    if turn.state.modes.block_instrument(instrument, turn.reason(name, text, lifted_by)):
        turn.alert("symbol_blocked", f"{instrument}: {text}; no new orders until {lifted_by}")


def run_due(turn: Turn) -> None:
    """Symbols that have cooled down are open again."""
    cool_ns = int(turn.params.risk.reject_cool_down_s * NS_PER_S)
    for instrument, reasons in turn.state.modes.instruments.items():
        reason = reasons.get("reject_cool_down")
        if reason is not None and turn.now_ns - reason.since_ns >= cool_ns:
            del reasons["reject_cool_down"]
            turn.state.rejects.pop(instrument, None)
            turn.note("symbol_cooled_down", instrument=instrument)


def next_ns(turn: Turn) -> Nanos | None:
    """When the next symbol has cooled down."""
    cool_ns = int(turn.params.risk.reject_cool_down_s * NS_PER_S)
    due = [reasons["reject_cool_down"].since_ns + cool_ns for reasons in turn.state.modes.instruments.values()
           if "reject_cool_down" in reasons]
    return Nanos(min(due)) if due else None
