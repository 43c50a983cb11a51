"""Funding payments: booked once from what the venue paid, checked against our estimate, missed if they do not come."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.domain.events import AccountReport, FundingPaid
from bot.domain.values import MONEY, NS_PER_DAY, NS_PER_MINUTE, NS_PER_S, ZERO, InstrumentId, Nanos
from bot.engine import foreign
from bot.engine.turn import Turn

GAP_USD: Final = Decimal("0.05")
GAP_SHARE: Final = Decimal("0.05")
"""A payment that differs from our own estimate by more than both alarms."""
WRITTEN_OFF_NS: Final = NS_PER_DAY
"""A payment that the venue has not booked after so long, by its own account, was never made."""
OVERDUE_NS: Final = 15 * NS_PER_MINUTE
"""A settlement of a held position without a payment for so long alarms."""


def on_paid(turn: Turn, event: FundingPaid) -> None:
    """Booked once per settlement and split over the owners of that instant."""
    if foreign.is_unknown(turn, event.venue, event.instrument):
        return
    expected = _expected_usd(turn, event)
    turn.revalue(event.instrument)
    shares = turn.ledger.apply_funding(event, turn.instrument(event.instrument))
    if not shares:
        return
    turn.state.venues[event.venue].moved_ns = turn.now_ns
    turn.note("funding_booked", instrument=event.instrument, settled_ns=event.settled_ns,
              amount_usd=event.amount_usd, rate=event.rate, quantity_base=event.quantity,
              owners=",".join(share.owner for share in shares))
    if expected is None:
        return
    gap = abs(expected - event.amount_usd)
    if gap > GAP_USD and gap > abs(expected) * GAP_SHARE:
        turn.alert("funding_gap", f"{event.instrument}: paid {event.amount_usd:f}, expected {expected:.4f} USD")


def _expected_usd(turn: Turn, event: FundingPaid) -> Decimal | None:
    """What our own quantity and the published rate give at the venue's price; None where either is not at hand.

    The price itself is not judged here: a venue may pay on its index, and between bars our mark is hours old.
    """
    book = turn.ledger.state.books.get(event.instrument)
    owners = book.pending.get(event.settled_ns) if book is not None else None
    history = turn.state.market.funding.get(event.instrument)
    if owners is None or history is None or abs(history.settled_ns - event.settled_ns) > 60 * NS_PER_S:
        return None
    quantity = ZERO
    for owned in owners.values():
        quantity = MONEY.add(quantity, owned)
    return -quantity * event.price * Decimal(repr(history.last_rate))


def settle_unpaid(turn: Turn, event: AccountReport) -> None:
    """Settlements before this report that brought no payment.

    With a net of zero the venue pays nothing and our owners pay each other; with a net it is late, and said so.
    """
    for leg, settled_ns in turn.ledger.pending_settlements():
        if turn.venue_of(leg) != event.venue or settled_ns >= event.taken_ns:
            continue
        history, mark = turn.state.market.funding.get(leg), turn.state.market.value_marks.get(leg)
        if history is not None and history.settled_ns == settled_ns and mark is not None:
            shares = turn.ledger.settle_among_owners(leg, settled_ns, mark, Decimal(repr(history.last_rate)))
            if shares:
                turn.note("funding_shared", instrument=leg, settled_ns=settled_ns, rate=history.last_rate,
                          owners=",".join(share.owner for share in shares))
                continue
        _miss(turn, leg, settled_ns, event)


def _miss(turn: Turn, leg: InstrumentId, settled_ns: int, event: AccountReport) -> None:
    """Once per settlement: the report after it became overdue says so."""
    since_ns = event.taken_ns - settled_ns
    if since_ns >= WRITTEN_OFF_NS:
        turn.ledger.forget_settlement(leg, Nanos(settled_ns))
        turn.alert("funding_written_off", f"{leg}: the settlement at {settled_ns} was never paid")
        return
    if since_ns >= OVERDUE_NS and not any(a.name == "funding_missing" and str(settled_ns) in a.text
                                          for a in turn.state.alerts):
        turn.alert("funding_missing", f"{leg}: no payment for the settlement at {settled_ns} after "
                                      f"{since_ns // NS_PER_MINUTE} min; it stays pending")
