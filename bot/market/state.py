"""What we know of every market now: quotes, marks, closes, halts, funding, and the price that values a holding."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.errors import Unavailable
from bot.domain.events import (
    BarsClosed,
    FundingSettled,
    InstrumentsChanged,
    Mark,
    Marks,
    Quote,
    Quotes,
    TradingHalted,
)
from bot.domain.instrument import Instrument
from bot.domain.values import MONEY, NS_PER_S, InstrumentId, Nanos, Venue
from bot.market import pegs, sanity
from bot.market.basis import BasisTracker
from bot.market.funding import FundingHistory
from bot.market.rules import RuleChange, changes_of

_HALF: Final = Decimal("0.5")


class MarketState(msgspec.Struct):
    """Everything folded from market events. Quotes come with their stamp; marks are stamped per venue."""

    instruments: dict[InstrumentId, Instrument] = {}
    quotes: dict[InstrumentId, tuple[int, Quote]] = {}
    marks: dict[InstrumentId, Mark] = {}
    """Newest mark, for margin."""
    value_marks: dict[InstrumentId, Decimal] = {}
    """Newest mark that prices equity."""
    marks_ns: dict[Venue, int] = {}
    mark_ns: dict[InstrumentId, int] = {}
    """When each mark that prices equity was seen."""
    closes: dict[InstrumentId, tuple[int, Decimal]] = {}
    mids_value: dict[InstrumentId, bool] = {}
    """Spot instruments whose mid prices equity (ticks); the others' last close does (bars)."""
    last_values: dict[InstrumentId, Decimal] = {}
    """The value a halted instrument had."""
    halted: dict[InstrumentId, str] = {}
    funding: dict[InstrumentId, FundingHistory] = {}
    basis: dict[str, BasisTracker] = {}
    """By `long leg|short leg`."""
    suspects: dict[str, tuple[int, float]] = {}
    """Prices beyond the collar that wait for a second sample: (seen, price), by instrument or `mark of it`."""
    odd_prices: int = 0
    """How many quotes and marks were not believed."""
    venue_ns: dict[Venue, int] = {}
    """Newest market event of each venue."""
    former_rules: dict[InstrumentId, list[tuple[int, Instrument]]] = {}
    """Rules whose ticks and lots counted in other units: (until, rules), oldest first."""
    unconfirmed: dict[InstrumentId, Instrument] = {}
    """Instruments that became another thing: until an operator confirms it, what their venue says is not taken."""
    pegs: pegs.Pegs = {}
    """What stablecoins cost."""
    hurdle_annual: float | None = None
    hurdle_ns: int = 0

    # ------------------------------------------------------------------------------------------------- folding

    def fold_quotes(self, event: Quotes) -> None:
        """Newest quote wins; a halted instrument trades again with its first quote."""
        at_ns = event.at_ns
        if self.unconfirmed:
            known = tuple(quote for quote in event.quotes if quote.instrument not in self.unconfirmed)
            event = Quotes(at_ns, event.venue, known, event.values)
        quotes, halted = self.quotes, self.halted
        for quote in event.quotes:
            name = quote.instrument
            held = quotes.get(name)
            if 0 < quote.bid_ticks < quote.ask_ticks and quote.bid_lots > 0 and quote.ask_lots > 0 and (
                    held is None or self._near(quote, held[1]) or self._believed(at_ns, quote, held)):
                quotes[name] = (at_ns, quote)
                if self.suspects:
                    self.suspects.pop(name, None)  # an odd price that was not confirmed at once never will be
                if halted:
                    halted.pop(name, None)
            else:
                self.odd_prices += 1
        if event.values is not self.mids_value.get(event.quotes[0].instrument if event.quotes else InstrumentId("")):
            for quote in event.quotes:
                self.mids_value[quote.instrument] = event.values
        self.venue_ns[event.venue] = at_ns

    @staticmethod
    def _near(quote: Quote, held: Quote) -> bool:
        """The usual case, in whole ticks: the mid moved by a tenth at most."""
        now, before = quote.bid_ticks + quote.ask_ticks, held.bid_ticks + held.ask_ticks
        return abs(now - before) * 10 <= min(now, before)

    def _believed(self, at_ns: int, quote: Quote, held: tuple[int, Quote]) -> bool:
        """A quote beyond the collar: a mark of the coin near it, an agreeing second sample, or nothing to compare."""
        instrument = self.instruments.get(quote.instrument)
        if instrument is None or at_ns - held[0] > sanity.STANDS_NS:
            return True
        price = (quote.bid_ticks + quote.ask_ticks) * float(instrument.tick_size) / 2
        marks = (mark for name, mark in self.marks.items() if self.instruments[name].coin == instrument.coin)
        return sanity.seconded(price, (mark.mark for mark in marks)) or self._twice(quote.instrument, at_ns, price)

    def _twice(self, name: str, at_ns: int, price: float) -> bool:
        """Whether an earlier sample agreed with this one; else this one waits for the next."""
        seen = self.suspects.pop(name, None)
        if seen is not None and seen[0] < at_ns and not sanity.far(seen[1], price):
            return True
        self.suspects[name] = (at_ns, price)
        return False

    def fold_marks(self, event: Marks) -> None:
        """Newest believable mark wins; only those at a common bar edge price equity."""
        marks = self.marks
        if self.unconfirmed:
            known = tuple(mark for mark in event.marks if mark.instrument not in self.unconfirmed)
            event = Marks(event.at_ns, event.venue, known, event.values)
        values, at_ns = self.value_marks if event.values else None, event.at_ns
        for mark in event.marks:
            held = marks.get(mark.instrument)
            if not sanity.positive(mark) or (held is not None and not self._marked(event.at_ns, mark, held)):
                self.odd_prices += 1
                continue
            marks[mark.instrument] = mark
            if self.suspects:
                self.suspects.pop(f"mark of {mark.instrument}", None)
            if values is not None:
                values[mark.instrument] = mark.mark
                self.mark_ns[mark.instrument] = at_ns
        self.marks_ns[event.venue] = self.venue_ns[event.venue] = event.at_ns

    def _marked(self, at_ns: int, mark: Mark, held: Mark) -> bool:
        """A mark beyond the collar of the last one: its index or its own market near it, or a second sample."""
        price = float(mark.mark)
        if not sanity.far(price, float(held.mark)):
            return True
        instrument = self.instruments.get(mark.instrument)
        if instrument is None or at_ns - self.marks_ns.get(instrument.venue, 0) > sanity.STANDS_NS:
            return True
        return sanity.seconded(price, (mark.index, self.mid(mark.instrument))) or self._twice(
            f"mark of {mark.instrument}", at_ns, price)

    def disputed(self, instrument: InstrumentId, since_ns: int) -> bool:
        """Whether a price of it, or its mark, beyond the collar waits for a second sample since then."""
        waiting = (self.suspects.get(instrument), self.suspects.get(f"mark of {instrument}"))
        return any(seen is not None and seen[0] > since_ns for seen in waiting)

    def fold_bars(self, event: BarsClosed) -> None:
        """A finished bar's close."""
        for bar in event.bars:
            if bar.instrument not in self.unconfirmed:
                self.closes[bar.instrument] = (event.at_ns, bar.close)
        self.venue_ns[event.venue] = event.at_ns

    def fold_halt(self, event: TradingHalted) -> None:
        """No quote from now on; what is held keeps its last value."""
        for instrument in event.instruments:
            self._unquote(instrument)
            self.halted[instrument] = event.reason

    def fold_instruments(self, event: InstrumentsChanged) -> tuple[tuple[InstrumentId, RuleChange], ...]:
        """New rules of known or new instruments; what changed."""
        return tuple(
            (rules.id, change) for rules in event.instruments for change in self.take_rules(rules, event.at_ns))

    def take_rules(self, rules: Instrument, at_ns: Nanos) -> tuple[RuleChange, ...]:
        """One instrument's rules from `at_ns` on; what changed. Another identity waits for `confirm`."""
        old = self.instruments.get(rules.id)
        if old is None:
            self.instruments[rules.id] = rules
            return ()
        found = changes_of(old, rules)
        if RuleChange.IDENTITY in found:
            self._unquote(rules.id)
            self.unconfirmed[rules.id] = rules
            return found
        if RuleChange.GRID in found:
            self._unquote(rules.id)  # its numbers mean nothing in the new units
            self.former_rules.setdefault(rules.id, []).append((rules.since_ns or at_ns, old))
        history = self.funding.get(rules.id)
        if RuleChange.INTERVAL in found and history is not None and rules.funding is not None:
            history.state_interval(rules.funding.interval_h, at_ns)
        self.unconfirmed.pop(rules.id, None)
        self.instruments[rules.id] = rules
        return found

    def confirm(self, instrument: InstrumentId) -> bool:
        """An operator takes the new thing for what it is; False: nothing waited."""
        rules = self.unconfirmed.pop(instrument, None)
        if rules is None:
            return False
        self.instruments[instrument] = rules
        return True

    def _unquote(self, instrument: InstrumentId) -> None:
        """Its quote is gone; what is held keeps its last value."""
        if not self.instruments[instrument].is_perp and self.mids_value.get(instrument):
            with contextlib.suppress(Unavailable):  # it may never have had one
                self.last_values[instrument] = self.value(instrument)
        self.quotes.pop(instrument, None)

    def fold_funding(self, event: FundingSettled, *, half_life_h: float, slow_half_life_h: float) -> None:
        """Settled rates enter the forecasts."""
        for rate in event.rates:
            history = self.funding.get(rate.instrument)
            if history is None:
                instrument = self.instruments.get(rate.instrument)
                rule = instrument.funding if instrument is not None else None
                history = FundingHistory(
                    instrument=rate.instrument, fast_half_life_h=half_life_h, slow_half_life_h=slow_half_life_h,
                    interest_8h=float(rule.interest_8h) if rule is not None else 0.0001,
                )
                self.funding[rate.instrument] = history
            history.observe(float(rate.rate), rate.interval_h, rate.settled_ns)

    # ------------------------------------------------------------------------------------------------- reading

    def rules_at(self, instrument: InstrumentId, at_ns: int) -> Instrument:
        """The rules in whose ticks and lots the venue counted at an instant; identity is that of now."""
        for until_ns, rules in self.former_rules.get(instrument, ()):
            if at_ns < until_ns:
                return rules
        return self.instruments[instrument]

    def quote(self, instrument: InstrumentId) -> Quote | None:
        """The newest quote, or None while there is none."""
        entry = self.quotes.get(instrument)
        return entry[1] if entry is not None else None

    def quote_age_s(self, instrument: InstrumentId, now_ns: Nanos) -> float:
        """Age of the newest quote in seconds; infinite without one."""
        entry = self.quotes.get(instrument)
        return (now_ns - entry[0]) / NS_PER_S if entry is not None else float("inf")

    def mid(self, instrument: InstrumentId) -> Decimal | None:
        """Exact mid of the newest quote."""
        entry = self.quotes.get(instrument)
        if entry is None:
            return None
        quote = entry[1]
        ticks = quote.bid_ticks + quote.ask_ticks
        return MONEY.multiply(MONEY.multiply(self.instruments[instrument].tick_size, Decimal(ticks)), _HALF)

    def value(self, instrument: InstrumentId) -> Decimal:
        """The valuation price V: a perp's mark, a spot's mid (on bars: last close).

        Raises:
            Unavailable: if the instrument has never had one.
        """
        if self.instruments[instrument].is_perp:
            mark = self.value_marks.get(instrument)
            if mark is not None:
                return mark
        elif self.mids_value.get(instrument):
            mid = self.mid(instrument)
            if mid is None:
                mid = self.last_values.get(instrument)
            if mid is not None:
                return mid
        else:
            close = self.closes.get(instrument)
            if close is not None:
                return close[1]
        raise Unavailable(f"{instrument}: never valued")
