"""Leftovers change hands: what no order can close goes from its owner to dust, and is told where it is exposure."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.values import DUST, InstrumentId, Owner
from bot.engine.turn import Turn


def park(turn: Turn, owner: Owner, instrument: InstrumentId, quantity: Decimal) -> None:
    """Hand a signed quantity of less than an order to the owner `dust`; whether it has grown is looked at next."""
    turn.revalue_owner(owner)
    turn.revalue(instrument)
    turn.ledger.move_owner(instrument, owner, DUST, quantity)
    look_soon(turn)
    turn.note("dust_parked", pair_id=owner, instrument=instrument, quantity_base=quantity)
    if turn.instrument(instrument).is_perp:  # a venue that raised its lot leaves real exposure
        turn.alert("unclosable", f"{instrument}: {quantity:f} is less than a lot and stays open; parked as dust",
                   page=True)


def look_soon(turn: Turn) -> None:
    """Something may have changed: whether dust makes up an order is looked at with the next step."""
    turn.state.dust_look_ns, turn.state.dust_tries = turn.now_ns, 0
