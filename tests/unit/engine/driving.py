"""Drives an engine against the simulated exchange through the real schedule, on a market that a test writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from bot.domain.commands import Alert, AnyCommand, SubmitOrder
from bot.domain.events import (
    EVENT_RANK,
    AnyEvent,
    Bar,
    BarsClosed,
    Control,
    FundingRate,
    FundingSettled,
    Mark,
    MarketEvent,
    Marks,
    OperatorAction,
    Quote,
    Quotes,
    SessionStarted,
    TradingHalted,
)
from bot.domain.instrument import FundingRule, Instrument, MarginTier, instrument_id, kind_of_symbol
from bot.domain.ports import Due
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S, Coin, Nanos, Owner, Venue, Wallet
from bot.engine.engine import Engine
from bot.engine.params import EngineParams
from bot.engine.step import DecisionRecord, Step
from bot.portfolio.pairs import Pair
from bot.runtime.calendar import JOBS, Calendar
from bot.runtime.schedule import Schedule
from bot.venues.simulated.exchange import SimulatedExchange
from bot.venues.simulated.faults import FaultPlan
from bot.venues.simulated.params import SimulatedParams

T0 = Nanos(1_704_067_200 * NS_PER_S)
ALPHA, BETA = Venue("alpha"), Venue("beta")
RULE = FundingRule(interval_h=8, interest_8h=Decimal("0.0001"), clamp_8h=Decimal("0.0005"), cap=Decimal("0.003"))
TIERS = (MarginTier(Decimal(0), Decimal("0.005"), 50),)
RICH = "0.0008"
"""8 bp per 8 h: far above every cost."""
Prices = Callable[[int], float]
"""Minutes since T0 -> USD."""


def instrument(venue: Venue, symbol: str) -> Instrument:
    """A BTC-like market of a venue: tick 0.1, lot 0.001, at least 5 USD."""
    perp = ":" in symbol
    return Instrument(
        id=instrument_id(venue, symbol), venue=venue, symbol=symbol, coin=Coin("BTC"), quote="USDT",
        kind=kind_of_symbol(symbol), tick_size=Decimal("0.1"), lot_size=Decimal("0.001"), lots_min=1,
        notional_min_usd=Decimal(5), maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"), fee_in_base=not perp,
        tiers=TIERS if perp else (), funding=RULE if perp else None)


SPOT = instrument(ALPHA, "BTC/USDT")
PERP = instrument(ALPHA, "BTC/USDT:USDT")
PERP_B = instrument(BETA, "BTC/USDT:USDT")
ONE_VENUE, TWO_VENUES = (SPOT, PERP), (SPOT, PERP, PERP_B)


class Script:
    """A market source: minute by minute prices, funding each 8 h, and whatever else the test puts in."""

    def __init__(self, instruments: Sequence[Instrument], minutes: int, prices: Prices, rates: Callable[[int], str],
                 extra: Sequence[MarketEvent] = ()) -> None:
        self.instruments = instruments
        self.events: list[MarketEvent] = [*self._warmup(rates), *extra]
        for minute in range(minutes):
            at = Nanos(T0 + minute * NS_PER_MINUTE)
            self.events += self.at(at, prices(minute))
            if minute % 480 == 0:
                self.events += self._settled(at, rates(minute))
        self.events.sort(key=lambda event: (event.at_ns, EVENT_RANK[type(event)]))
        self.ticks_until = 0

    def at(self, at_ns: Nanos, price: float) -> list[MarketEvent]:
        """Marks and quotes of every venue at one price."""
        ticks = round(price * 10)
        found: list[MarketEvent] = []
        for venue in dict.fromkeys(each.venue for each in self.instruments):
            listed = [each for each in self.instruments if each.venue == venue]
            marks = tuple(Mark(each.id, each.price(ticks)) for each in listed if each.is_perp)
            quotes = tuple(Quote(each.id, ticks, ticks + 1, 100_000, 100_000, 1_000_000) for each in listed)
            found += [Marks(at_ns, venue, marks), Quotes(at_ns, venue, quotes)]
        return found

    def _warmup(self, rates: Callable[[int], str]) -> list[MarketEvent]:
        """Twelve days of funding and of hourly closes before trading begins."""
        found: list[MarketEvent] = []
        for hour in range(-288, 0):
            at = Nanos(T0 + hour * NS_PER_HOUR)
            if hour % 8 == 0:
                found += self._settled(at, rates(hour * 60))
            for venue in dict.fromkeys(each.venue for each in self.instruments):
                found.append(BarsClosed(at, venue, tuple(
                    _bar(each, 10_000 + (hour + each.is_perp) % 2)
                    for each in self.instruments if each.venue == venue)))
        return found

    def _settled(self, at_ns: Nanos, rate: str) -> list[FundingSettled]:
        """PERP pays the rate, PERP_B always next to nothing."""
        return [FundingSettled(at_ns, each.venue, (
            FundingRate(each.id, at_ns, Decimal(rate if each is PERP else "0.00001"), 8),))
            for each in self.instruments if each.is_perp]

    def next_due(self) -> Due | None:
        if not self.events:
            return None
        return int(self.events[0].at_ns), EVENT_RANK[type(self.events[0])]

    def pop(self) -> MarketEvent:
        return self.events.pop(0)

    def show_ticks(self, until_ns: Nanos, from_ns: int | None = None) -> None:
        self.ticks_until = until_ns


def _bar(of: Instrument, ticks: int) -> Bar:
    at = of.price(ticks)
    return Bar(of.id, 3600, at, at, at, at, 1e6)


class Drive:
    """An engine, its exchange and its schedule; keeps every event and step."""

    def __init__(self, *, instruments: Sequence[Instrument] = ONE_VENUE, days: float = 1.0,
                 prices: Prices = lambda minute: 1_000.0, rates: Callable[[int], str] = lambda minute: RICH,
                 extra: Sequence[MarketEvent] = (), params: EngineParams | None = None,
                 faults: FaultPlan | None = None, simulated: SimulatedParams | None = None,
                 usd: int = 10_000, start: SessionStarted | None = None) -> None:
        self.params = params if params is not None else EngineParams()
        self.engine = Engine(self.params)
        self.instruments = tuple(instruments)
        self.exchange = SimulatedExchange(self.instruments, simulated or SimulatedParams(), 7, None, faults)
        self.script = Script(self.instruments, int(days * 1440), prices, rates, extra)
        for venue in dict.fromkeys(each.venue for each in self.instruments):
            for wallet in Wallet:
                self.exchange.deposit(T0, venue, wallet, Decimal(usd), f"d-{venue}-{wallet.value}")
        end = T0 + int(days * NS_PER_DAY)
        self.schedule = Schedule(self.script, self.exchange, Calendar(JOBS, T0), end)
        self.events: list[AnyEvent] = []
        self.steps: list[Step] = []
        self.hand_in(start if start is not None else session(self.instruments))

    def hand_in(self, event: AnyEvent) -> None:
        """An event of our own."""
        self.schedule.inject(event)

    def control(self, action: OperatorAction, reason: str = "") -> None:
        """An operator's order, now."""
        self.hand_in(Control(self.now, action, "tester", reason))

    def run(self, hours: float | None = None, *, until: Callable[[Step], bool] | None = None) -> Drive:
        """On for so many hours from now (or to the end), or until a step satisfies."""
        stop_ns = None if hours is None else int(self.now + hours * NS_PER_HOUR)
        while (event := self.schedule.pop(stop_ns)) is not None:
            step = self.engine.step(event)
            self.events.append(event)
            self.steps.append(step)
            self.schedule.handle(event.at_ns, step.commands)
            self.schedule.wake(step.wake_ns)
            if until is not None and until(step):
                return self
        assert until is None, "the run ended before what was waited for"
        return self

    def run_to_note(self, name: str) -> Drive:
        """On until the engine says so."""
        return self.run(until=lambda step: any(note.name == name for note in step.notes))

    @property
    def now(self) -> Nanos:
        """The stamp of the newest event; T0 during the warm-up."""
        return Nanos(max(self.schedule.now_ns, T0))

    @property
    def commands(self) -> list[AnyCommand]:
        """All commands so far."""
        return [command for step in self.steps for command in step.commands]

    @property
    def orders(self) -> list[SubmitOrder]:
        """All orders so far."""
        return [command for command in self.commands if isinstance(command, SubmitOrder)]

    @property
    def alerts(self) -> list[str]:
        """Names of all alerts so far."""
        return [command.name for command in self.commands if isinstance(command, Alert)]

    @property
    def notes(self) -> list[str]:
        """Names of all notes so far."""
        return [note.name for step in self.steps for note in step.notes]

    @property
    def records(self) -> list[DecisionRecord]:
        """All decisions so far."""
        return [step.record for step in self.steps if step.record is not None]

    @property
    def pair(self) -> Pair:
        """The newest pair."""
        return list(self.engine.state.pairs.values())[-1]

    def quantity(self, of: Instrument, owner: Owner | None = None) -> Decimal:
        """What a pair holds of an instrument (the newest pair)."""
        return self.engine.ledger.quantity(of.id, owner if owner is not None else self.pair.pair_id)

    def residual(self) -> Decimal:
        """The venues' equity less our attribution; zero or there is a fault."""
        return self.engine.revalued_ledger().check(
            self.exchange.equity_usd() + self.engine.ledger.in_transit_usd())


def session(instruments: Sequence[Instrument], *, at_ns: int = T0 - 300 * NS_PER_HOUR, epoch: int = 1, latch: str = "",
            resumed: bool = False, doubts: tuple[str, ...] = (), trade_from_ns: int = T0) -> SessionStarted:
    """A process takes over the account."""
    return SessionStarted(
        Nanos(at_ns), epoch, "build", "config", "main", "demo", tuple(instruments), latch=latch, resumed=resumed,
        cadence_s=60.0, trade_from_ns=Nanos(trade_from_ns), doubts=doubts)


def halted(of: Instrument, at_minute: float) -> TradingHalted:
    """No quote of an instrument from then until its next one."""
    return TradingHalted(Nanos(T0 + int(at_minute * NS_PER_MINUTE)), of.venue, (of.id,), "missing bar")
