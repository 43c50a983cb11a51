"""Reconciliation: the venue's report against our books. Idempotent; absence needs proof, empty is not flat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

import msgspec

from bot.domain.events import AccountReport
from bot.domain.instrument import Instrument
from bot.domain.values import MONEY, ZERO, InstrumentId, OrderId
from bot.execution.order_ids import is_ours
from bot.execution.order_states import Order, OrderState
from bot.portfolio.ledger import Ledger

Name = TypeVar("Name", bound=str)


class Difference(msgspec.Struct, frozen=True):
    """One thing on which the venue and our books disagree."""

    what: str
    venue_says: str
    we_say: str


class OpenOrderFindings(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue's list of open orders tells us."""

    forgotten: tuple[OrderId, ...]
    """Ours by prefix, but not live in our books: cancel."""
    foreign: tuple[OrderId, ...]
    """Not ours: never touched, never adopted."""
    missing: tuple[OrderId, ...]
    """Live and acknowledged in our books, absent from the list: ask after them."""


def compare_books(
    report: AccountReport, ledger: Ledger, instruments: dict[InstrumentId, Instrument]
) -> tuple[Difference, ...]:
    """Balances and positions, quantity by quantity, to the last digit. Call it after the report's trades are booked."""
    differences: list[Difference] = []
    wallets = ledger.wallets(report.venue)
    for what, theirs, ours in (
        ("spot_usd", report.spot_usd, wallets.spot_usd), ("futures_usd", report.futures_usd, wallets.futures_usd),
    ):
        if MONEY.compare(theirs, ours) != 0:
            differences.append(Difference(what, f"{theirs:f}", f"{ours:f}"))
    _compare(differences, dict(report.coins), dict(ledger.coins(report.venue)), "coin")
    held = {net.instrument: net.quantity for net in ledger.venue_nets(report.venue)
            if instruments[net.instrument].is_perp}
    _compare(differences, {row.instrument: row.quantity for row in report.positions}, held, "position")
    return tuple(differences)


def _compare(found: list[Difference], theirs: Mapping[Name, Decimal], ours: Mapping[Name, Decimal], what: str) -> None:
    if theirs == ours:
        return  # the usual answer
    for name in sorted({*theirs, *ours}):
        a, b = theirs.get(name, ZERO), ours.get(name, ZERO)
        if MONEY.compare(a, b) != 0:
            found.append(Difference(f"{what} {name}", f"{a:f}", f"{b:f}"))


def compare_open_orders(
    report: AccountReport, orders: dict[OrderId, Order], live: Iterable[OrderId], grace_ns: int
) -> OpenOrderFindings:
    """Sort the venue's open orders into ours, forgotten and foreign; name the `live` ones that it does not show.

    An order younger than `grace_ns` when the report was taken may be missing from it in good order.
    """
    listed = set(report.open_orders)
    forgotten = tuple(o for o in report.open_orders if is_ours(o) and (o not in orders or not orders[o].live))
    foreign = tuple(o for o in report.open_orders if not is_ours(o))
    missing = tuple(
        order_id for order_id in live
        if (order := orders[order_id]).live and order.intent.venue == report.venue and order.state is OrderState.OPEN
        and order_id not in listed and report.taken_ns - order.sent_ns > grace_ns
    )
    return OpenOrderFindings(forgotten=forgotten, foreign=foreign, missing=missing)
