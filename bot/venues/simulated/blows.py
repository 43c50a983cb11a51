"""Instants at which something happens to a venue or to our account there, planned as strikes: one function per kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bot.domain.errors import ConfigRefused
from bot.domain.values import Nanos
from bot.venues.simulated import account_blows
from bot.venues.simulated.desk import Desk
from bot.venues.simulated.fault_kinds import ROW_OF, FaultKind, Place, Shape
from bot.venues.simulated.faults import Strike

Blow = Callable[[Desk, Nanos, Strike], bool]
"""Do it to the desk of the strike's venue; False: there was nothing to strike, and it is not counted."""

BLOWS: Final[dict[FaultKind, Blow]] = {
    FaultKind.FOREIGN_ORDER: account_blows.foreign_order, FaultKind.MANUAL_TRADE: account_blows.manual_trade,
    FaultKind.CASH_MOVED: account_blows.cash_moved, FaultKind.ADL: account_blows.deleverage,
    FaultKind.LIQUIDATION: account_blows.liquidation, FaultKind.ACCOUNT_MODE: account_blows.account_mode,
    FaultKind.KEY_REVOKED: account_blows.key_revoked,
}


def is_blow(kind: FaultKind) -> bool:
    """Whether the exchange itself carries this kind out: at its instant, or at both ends of its window."""
    row = ROW_OF[kind]
    return row.place is Place.ACCOUNT and row.shape is not Shape.CHANCE


def strike(desk: Desk, at_ns: Nanos, planned: Strike) -> bool:
    """Let a planned instant happen; whether it did anything.

    Raises:
        ConfigRefused: nobody knows how to carry this kind out.
    """
    blow = BLOWS.get(planned.kind)
    if blow is None:
        raise ConfigRefused(f"faults: {planned.kind.value} cannot strike at an instant")
    return blow(desk, at_ns, planned)
