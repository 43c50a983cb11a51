"""Watches a run from beside the engine and keeps what its report needs; changes nothing.

`seen` is called for every event of a run, millions of times in a backtest: market events, of which nothing is kept,
cost one dictionary look-up. A fill or payment that is seen twice (streamed, then read back by reconciliation) counts
once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from bot.domain.commands import Alert, SubmitOrder
from bot.domain.events import (
    AccountReport,
    CashMoved,
    Event,
    Fill,
    ForcedFill,
    FundingPaid,
    InstrumentsChanged,
    OrderRejected,
    OrderReport,
    SessionStarted,
)
from bot.domain.instrument import Instrument
from bot.domain.values import MONEY, ZERO, InstrumentId
from bot.engine.step import DecisionRecord, Note, Step
from bot.research.number_text import year_of

PARTS: Final = ("price", "basis", "funding", "fees", "slippage", "borrow")
RISK_EVENTS_KEPT: Final = 500


class DayPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Equity and its cumulative parts at one instant, USD."""

    at_ns: int
    equity_usd: Decimal
    parts_usd: tuple[Decimal, ...]
    """In the order of `PARTS`."""
    btc_price: Decimal | None


class ClosedPair(msgspec.Struct, frozen=True, kw_only=True):
    """The note `pair_closed`, typed."""

    pair_id: str
    coin: str
    long_leg: str
    short_leg: str
    notional_usd: Decimal
    open_ns: int
    close_ns: int
    funding_usd: Decimal
    forecast_usd: Decimal | None
    fees_usd: Decimal
    net_usd: Decimal
    exit_reason: str


class RecordedRisk(msgspec.Struct, frozen=True):
    """A liquidation, a deleveraging or an alert."""

    at_ns: int
    name: str
    text: str


class RunRecorder:
    """Counts and rows of one run. Feed `seen` every event with its step, then hand it to `build_report`."""

    def __init__(self) -> None:
        self.orders = 0
        self.fills = 0
        self.traded_usd: Decimal | None = ZERO
        """None once a fill of an instrument came that nobody had declared."""
        self.liquidations = 0
        self.funding_payments = 0
        self.funding_paid_usd = ZERO
        self.flows_usd = ZERO
        self.rebalances = 0
        self.decisions: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        self.risk_counts: Counter[str] = Counter()
        self.risk_events: list[RecordedRisk] = []
        """The first `RISK_EVENTS_KEPT`; the counts go on."""
        self.closed_pairs: list[ClosedPair] = []
        self.forecast_usd: dict[str, Decimal] = {}
        """Forecast at entry by pair id, of pairs still open."""
        self.days: list[DayPoint] = []
        self.hours: Counter[int] = Counter()
        """Hourly decisions per year."""
        self.idle_hours: dict[int, Counter[str]] = {}
        """Per year, hours without a pair, by reason."""
        self.imbalances: list[tuple[float, float]] = []
        """(seconds, notional in per cent of equity) of each that has ended."""
        self._instruments: dict[InstrumentId, Instrument] = {}
        self._known: set[tuple[object, ...]] = set()  # looked up, never iterated
        self._folds: dict[type[Event], Callable[[Any], None]] = {
            SessionStarted: self._declare, InstrumentsChanged: self._declare, Fill: self._fill,
            ForcedFill: self._forced, FundingPaid: self._funding, CashMoved: self._cash,
            OrderRejected: self._rejected, OrderReport: self._order_report, AccountReport: self._account_report,
        }
        self._notes: dict[str, Callable[[Mapping[str, str]], None]] = {
            "pair_opened": self._pair_opened, "pair_closed": self._pair_closed, "day_closed": self._day_closed,
            "idle_hours": self._idle, "unhedged": self._unhedged,
        }

    def seen(self, event: Event, step: Step) -> None:
        """Take note of one event and of what it led to."""
        fold = self._folds.get(type(event))
        if fold is not None:
            fold(event)
        if step.commands:
            self._commanded(event, step)
        for refusal in step.refusals:
            self.refusals[f"{refusal.limit} (shrunk)" if refusal.shrunk_to_lots else refusal.limit] += 1
        if step.record is not None:
            self._decided(step.record)
        for note in step.notes:
            self._noted(note)

    def _commanded(self, event: Event, step: Step) -> None:
        """Orders are counted, alerts kept."""
        for command in step.commands:
            if isinstance(command, SubmitOrder):
                self.orders += 1
            elif isinstance(command, Alert):
                self._risk(event.at_ns, command.name, command.text)

    def _decided(self, record: DecisionRecord) -> None:
        self.rebalances += 1
        self.decisions.update(candidate.reason for candidate in record.candidates)

    def _noted(self, note: Note) -> None:
        handler = self._notes.get(note.name)
        if handler is not None:
            handler(dict(note.keys))

    def _declare(self, event: SessionStarted | InstrumentsChanged) -> None:
        for instrument in event.instruments:
            self._instruments[instrument.id] = instrument

    def _fill(self, event: Fill) -> None:
        if not self._new("trade", event.venue, event.instrument, event.trade_id):
            return
        self.fills += 1
        self._traded(event.instrument, event.quantity_lots, event.price_ticks)

    def _forced(self, event: ForcedFill) -> None:
        """Fills of one instrument at one instant are one liquidation."""
        if not self._new("trade", event.venue, event.instrument, event.trade_id):
            return
        self._traded(event.instrument, event.quantity_lots, event.price_ticks)
        if self._new(event.cause, event.venue, event.instrument, event.at_ns):
            self.liquidations += event.cause == "liquidation"
            self._risk(event.at_ns, event.cause, f"{event.instrument}: {event.side.name.lower()} by the venue")

    def _traded(self, instrument_id: InstrumentId, lots: int, ticks: int) -> None:
        instrument = self._instruments.get(instrument_id)
        if instrument is None or self.traded_usd is None:
            self.traded_usd = None
            return
        notional = MONEY.multiply(instrument.quantity(lots), instrument.price(ticks))
        self.traded_usd = MONEY.add(self.traded_usd, notional)

    def _funding(self, event: FundingPaid) -> None:
        if self._new("funding", event.venue, event.instrument, event.settled_ns):
            self.funding_payments += 1
            self.funding_paid_usd = MONEY.add(self.funding_paid_usd, event.amount_usd)

    def _cash(self, event: CashMoved) -> None:
        if self._new("cash", event.venue, event.reference):
            self.flows_usd = MONEY.add(self.flows_usd, event.amount_usd)

    def _rejected(self, event: OrderRejected) -> None:
        self.rejects[event.reason.value] += 1

    def _order_report(self, event: OrderReport) -> None:
        for fill in event.fills:
            self._fill(fill)

    def _account_report(self, event: AccountReport) -> None:
        for fill in event.fills:
            if isinstance(fill, ForcedFill):
                self._forced(fill)
            else:
                self._fill(fill)
        for payment in event.funding:
            self._funding(payment)
        for flow in event.cash:
            self._cash(flow)

    def _pair_opened(self, keys: Mapping[str, str]) -> None:
        forecast = _money_or_none(keys.get("forecast_usd"))
        if forecast is not None:
            self.forecast_usd[keys["pair_id"]] = forecast

    def _pair_closed(self, keys: Mapping[str, str]) -> None:
        self.forecast_usd.pop(keys["pair_id"], None)
        # told again after a late fill: the newer figures are the whole ones
        self.closed_pairs[:] = [pair for pair in self.closed_pairs if pair.pair_id != keys["pair_id"]]
        self.closed_pairs.append(ClosedPair(
            pair_id=keys["pair_id"], coin=keys["coin"], long_leg=keys["long_leg"], short_leg=keys["short_leg"],
            notional_usd=Decimal(keys["notional_usd"]), open_ns=int(keys["open_ns"]), close_ns=int(keys["close_ns"]),
            funding_usd=Decimal(keys["funding_usd"]), forecast_usd=_money_or_none(keys.get("forecast_usd")),
            fees_usd=Decimal(keys["fees_usd"]), net_usd=Decimal(keys["net_usd"]), exit_reason=keys["exit_reason"],
        ))

    def _day_closed(self, keys: Mapping[str, str]) -> None:
        self.days.append(DayPoint(
            at_ns=int(keys["at_ns"]), equity_usd=Decimal(keys["equity_usd"]),
            parts_usd=tuple(Decimal(keys[part]) for part in PARTS), btc_price=_money_or_none(keys.get("btc_price")),
        ))

    def _idle(self, keys: Mapping[str, str]) -> None:
        year = year_of(int(keys["at_ns"]))
        self.hours[year] += 1
        if keys["idle"] == "1":
            self.idle_hours.setdefault(year, Counter())[keys["reason"]] += 1

    def _unhedged(self, keys: Mapping[str, str]) -> None:
        self.imbalances.append((float(keys["seconds"]), float(keys["notional_pct"])))

    def _risk(self, at_ns: int, name: str, text: str) -> None:
        self.risk_counts[name] += 1
        if len(self.risk_events) < RISK_EVENTS_KEPT:
            self.risk_events.append(RecordedRisk(at_ns, name, text))

    def _new(self, *key: object) -> bool:
        """Whether this is the first time; it is not afterwards."""
        if key in self._known:
            return False
        self._known.add(key)
        return True


def _money_or_none(text: str | None) -> Decimal | None:
    """An amount, or None where the engine did not know one (no key, empty, `None`)."""
    return Decimal(text) if text and text != "None" else None
