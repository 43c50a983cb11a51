"""Invariants of money: I5 and I6 (our books are the venues' to the last digit), I7 (booked once), I22 (idempotent)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.events import AccountReport
from bot.domain.values import MONEY, NS_PER_S, ZERO, Venue
from bot.engine.engine import Engine
from bot.runtime.breaches import Breaches
from bot.runtime.sim_ports import EngineMaker
from bot.runtime.sim_truth import Trade, Truth

_TWICE_MAX: Final = 12
"""So many reports of a run are given to a copy of the engine a second time."""
_UNCHANGED_MAX: Final = 10
"""So many reports in a row that show nothing new are not compared to the last digit."""
_ENCODER: Final = msgspec.msgpack.Encoder()


class BookInvariants:
    """Compares the ledger with the venues' own holdings whenever nothing is in motion."""

    def __init__(self, truth: Truth, engines: EngineMaker, breaches: Breaches) -> None:
        self._truth = truth
        self._engines = engines
        self._breaches = breaches
        self._twice = 0
        self._compared: dict[Venue, tuple[object, int]] = {}
        self.compared = 0
        """How often books were compared to the last digit."""

    def traded(self, at_ns: int, trades: Sequence[Trade], engine: Engine) -> None:
        """I7: after these trades, told for the first time or again, our net is the sum of all we have, each once."""
        for instrument in dict.fromkeys(trade.instrument for trade in trades):
            ours, sums = engine.ledger.net(instrument), self._truth.booked.get(instrument, ZERO)
            if MONEY.compare(ours, sums) != 0:
                text = f"{instrument}: books hold {ours:f}, trades sum to {sums:f}"
                self._breaches.add("I7", instrument, at_ns, text)

    def reported(self, report: AccountReport, engine: Engine, *, quiet: bool) -> None:
        """A venue was read; `quiet`: no order of ours is out there."""
        at_ns, account = report.at_ns, self._truth.exchange.account(report.venue)
        if (report.fills or report.funding) and self._twice < _TWICE_MAX:
            self._twice += 1
            self._again(report, engine)
        at_rest = quiet and not engine.state.transfers and len(account.log) == report.cursor \
            and not any(venue == report.venue for venue, _ in self._truth.unseen)
        if at_rest and not self._truth.exchange.cash_moving and self._may_differ(report, engine):
            self.compare(at_ns, report.venue, engine)

    def _may_differ(self, report: AccountReport, engine: Engine) -> bool:
        """Something moved here since the last comparison, or it was ten reports ago: most reports change nothing."""
        wallets, holdings = engine.ledger.wallets(report.venue), self._truth.exchange.account(report.venue).holdings
        seen = (report.cursor, wallets.spot_usd, wallets.futures_usd, holdings.spot_usd, holdings.futures_usd)
        before, times = self._compared.get(report.venue, (None, 0))
        same = seen == before and times < _UNCHANGED_MAX
        self._compared[report.venue] = (seen, times + 1 if same else 0)
        return not same

    def compare(self, at_ns: int, venue: Venue, engine: Engine) -> None:
        """I5 and I6: cash, coins, positions and their cost, and a residual of exactly zero."""
        self.compared += 1
        holdings, ledger = self._truth.exchange.account(venue).holdings, engine.ledger
        wallets = ledger.wallets(venue)
        theirs: dict[str, Decimal] = {
            "spot_usd": holdings.spot_usd, "futures_usd": MONEY.add(holdings.futures_usd, holdings.isolated_usd())}
        ours: dict[str, Decimal] = {"spot_usd": wallets.spot_usd, "futures_usd": wallets.futures_usd}
        theirs.update({str(coin): amount for coin, amount in holdings.coins.items()})
        ours.update({str(coin): amount for coin, amount in ledger.coins(venue)})
        for instrument, position in holdings.positions.items():
            theirs[instrument], theirs[f"{instrument} cost"] = position.quantity, position.cost_usd
        for net in ledger.venue_nets(venue):
            if self._truth.instruments[net.instrument].is_perp:
                ours[net.instrument], ours[f"{net.instrument} cost"] = net.quantity, net.cost_usd
        for name in sorted({*theirs, *ours}):
            a, b = theirs.get(name, ZERO), ours.get(name, ZERO)
            if MONEY.compare(a, b) != 0:
                self._breaches.add("I5", f"{venue} {name}", at_ns, f"{venue} {name}: venue {a:f}, books {b:f}")
        residual = ledger.check(ledger.equity_usd())
        if residual != 0:
            self._breaches.add("I6", "residual", at_ns, f"attribution leaves {residual:f} USD")

    def at_rest(self, at_ns: int, engine: Engine) -> None:
        """The end of a run: every venue, and the total at the venues' own prices.

        What has ended is valued by the venue's last price: if we were not told it, we shall not be any more.
        """
        for venue in self._truth.exchange.venues:
            self.compare(at_ns, venue, engine)
        copy = self._engines.restore(engine.snapshot())
        ledger = copy.revalued_ledger()
        for instrument, price in self._truth.exchange.ended_prices().items():
            ledger.revalue(instrument, price)
        residual = ledger.check(self._truth.exchange.equity_usd())
        if residual != 0:
            self._breaches.add("I6", "total", at_ns, f"venues' equity and attribution differ by {residual:f} USD")

    def _again(self, report: AccountReport, engine: Engine) -> None:
        """I22: a copy that is told the same once more holds the same money, orders and pairs."""
        copy = self._engines.restore(engine.snapshot())
        copy.state.venues[report.venue].read_id = report.request_id
        copy.step(msgspec.structs.replace(report, at_ns=engine.state.now_ns))
        for name, ours, again in (
            ("the ledger", engine.state.ledger, copy.state.ledger), ("fills", _fills(engine), _fills(copy)),
        ):
            if _ENCODER.encode(ours) != _ENCODER.encode(again):
                self._breaches.add("I22", f"{report.venue} {name}", report.at_ns,
                                   f"reconciling {report.venue} twice changes {name} "
                                   f"({report.taken_ns // NS_PER_S} s)")


def _fills(engine: Engine) -> list[tuple[str, int]]:
    return [(order_id, order.filled_lots) for order_id, order in engine.state.orders.items()]
