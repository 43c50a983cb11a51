"""The simulated exchange: several venues, one heap of what is under way, books of its own. The invariants' oracle."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bot.domain.commands import (
    Alert,
    AnyCommand,
    ArmDeadMan,
    CancelOrder,
    FitModels,
    QueryOrder,
    ReadAccount,
    ShowTicks,
    SubmitOrder,
)
from bot.domain.errors import ConfigRefused, Retryable
from bot.domain.events import AccountEvent, CashMoved, MarketEvent, Quote, VenueConnection
from bot.domain.instrument import Instrument
from bot.domain.orders import OrderIntent
from bot.domain.ports import Due
from bot.domain.values import MONEY, NS_PER_S, ZERO, InstrumentId, Nanos, OrderId, Venue, Wallet, round_cash
from bot.venues.simulated import blows, margin, matching, reads
from bot.venues.simulated.account import VenueAccount
from bot.venues.simulated.bookkeeper import Bookkeeper
from bot.venues.simulated.books_file import BooksFile
from bot.venues.simulated.delivery import DeliveryRoute
from bot.venues.simulated.desk import Desk
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import FaultPlan, Faults, Strike
from bot.venues.simulated.funding import book_funding
from bot.venues.simulated.funding_fates import FundingFates
from bot.venues.simulated.latency import Latency
from bot.venues.simulated.observing import Observer
from bot.venues.simulated.params import SimulatedParams
from bot.venues.simulated.pending import (
    ARRIVAL_RANK,
    Arrival,
    Blow,
    Delivery,
    Landing,
    Lapse,
    LatePayment,
    Pending,
    Request,
)
from bot.venues.simulated.picture import Picture
from bot.venues.simulated.requests import RequestRoute
from bot.venues.simulated.saved import SAVED_VERSION, SavedExchange, SavedVenue, restore_account
from bot.venues.simulated.streams import Streams
from bot.venues.simulated.thinning import thin_out
from bot.venues.simulated.transfers import Transfers

_NOT_FOR_VENUES = (Alert, ShowTicks, FitModels)


class SimulatedExchange:
    """Implements `bot.domain.ports.Exchange`; everything follows from its inputs and the seed.

    With `books` it remembers independently of us: what changed is committed before an answer leaves `pop`.
    """

    def __init__(self, instruments: Sequence[Instrument], params: SimulatedParams, seed: int,
                 books: BooksFile | None = None, faults: FaultPlan | None = None) -> None:
        if books is not None and books.holds_account:
            raise ConfigRefused(f"{books.path}: holds an account already; reopen it or use --account NAME")
        self._params = params
        self._seed = seed
        self._now_ns = Nanos(0)
        self._streams = Streams(seed)
        self._pending = Pending()
        self._latency = Latency(params, self._streams)
        self._faults = Faults(FaultPlan() if faults is None else faults, self._streams)
        self._back = DeliveryRoute(self._pending, self._latency, self._faults)
        self._out = RequestRoute(params, self._pending, self._latency, self._faults, self._back)
        self._desks: dict[Venue, Desk] = {}
        self._transfers = Transfers(params, self._desks)
        self._observer = Observer(self._desks, self._desk, FundingFates(self._faults, self._pending))
        self._keeper = None if books is None else Bookkeeper(books)
        self._committed_changes = -1
        self.books_failure = ""
        """Why the last commit did not reach the disk; empty if it did."""
        for instrument in instruments:
            self._desk(instrument.venue).list_instrument(instrument)
        for strike in self._faults.plan.strikes:
            if strike.kind in (FaultKind.VENUE_DOWN, FaultKind.RECONNECT_GAP):
                for at_ns, up in ((Nanos(strike.at_ns), False), (Nanos(strike.end_ns), True)):
                    self._back.push(VenueConnection(at_ns, strike.venue, up), at_ns, own=True)
            elif strike.kind is FaultKind.READ_LAG:
                self._pending.push(Nanos(strike.at_ns), ARRIVAL_RANK, strike.venue, Blow(strike))
            elif blows.is_blow(strike.kind):
                for at_ns in dict.fromkeys((Nanos(strike.at_ns), Nanos(strike.end_ns))):
                    self._pending.push(at_ns, ARRIVAL_RANK, strike.venue, Blow(strike))

    @classmethod
    def reopen(cls, books: BooksFile, instruments: Sequence[Instrument], params: SimulatedParams, seed: int,
               faults: FaultPlan | None = None) -> SimulatedExchange:
        """The exchange as it was at its last commit: answers not yet delivered then are delivered (again).

        Raises:
            ConfigRefused: the file holds no account, or one begun with another seed.
            Fatal: the file is damaged.
        """
        saved = books.read()
        if saved.seed != seed:
            raise ConfigRefused(f"{books.path}: begun with seed {saved.seed}, not {seed}; use that or --account NAME")
        exchange = cls(instruments, params, seed, None, faults)
        exchange._restore(saved, books)
        return exchange

    # ---------------------------------------------------------------------------------------- the port

    def observe(self, event: MarketEvent) -> None:
        """The market moved: match resting orders, pay funding, liquidate."""
        self._now_ns = event.at_ns
        self._observer.observe(event)

    def handle(self, at_ns: Nanos, command: AnyCommand) -> None:
        """A command leaves us at `at_ns`; alerts and tick wishes are not for a venue."""
        if isinstance(command, _NOT_FOR_VENUES):
            return
        self._out.send(at_ns, command)

    def next_due(self) -> Due | None:
        """When the next arrival or answer is due."""
        entries = self._pending.entries
        return (entries[0][0], entries[0][1]) if entries else None

    def pop(self) -> AccountEvent | None:
        """Let the next due thing happen; an answer for us, or None if it stayed within a venue.

        Raises:
            IndexError: nothing is due (`next_due` is None).
            Fatal: the books are damaged; nothing has been taken out then.
        """
        at_ns, _, venue, _, what = self._pending.entries[0]
        if isinstance(what, Delivery) and self._keeper is not None and self._pending.changes != self._committed_changes:
            self.commit()
        self._pending.pop()
        self._now_ns = Nanos(max(at_ns, self._now_ns))
        match what:
            case Delivery():
                return self._back.received(what)
            case Landing():
                self._transfers.land(self._now_ns, what.transfer_id, back=what.back)
            case LatePayment():
                book_funding(self._desk(Venue(venue)), self._now_ns, what.paid)
            case Lapse():
                self._desk(Venue(venue)).lapse(self._now_ns)
            case Blow(strike=strike) if strike.kind is FaultKind.READ_LAG:
                self._lag(self._desk(Venue(venue)), strike)
            case Blow(strike=strike):
                if blows.strike(self._desk(Venue(venue)), self._now_ns, strike):
                    self._faults.count(strike.kind)
            case Arrival():
                self._back.answer_lost = not what.answered
                self._carry_out(self._now_ns, self._desk(Venue(venue)), what.request)
                self._back.answer_lost = False
        return None

    def _carry_out(self, at_ns: Nanos, desk: Desk, request: Request) -> None:
        if desk.ends_ns is not None and desk.ends_ns <= at_ns:
            margin.end_trading(desk, at_ns)
        if desk.board.key_refused:
            reads.refuse_key(desk, at_ns, request)
            return
        match request:
            case SubmitOrder():
                self._thin(desk, at_ns, request.order.intent)
                matching.arrive(desk, at_ns, request.order.intent, request.order.approved_at_ns)
            case CancelOrder():
                reads.cancel(desk, at_ns, request)
            case QueryOrder():
                self._count_lag(desk)
                reads.report_order(desk, at_ns, request, self._venue_clock_ns(desk, at_ns))
            case ReadAccount():
                self._count_lag(desk)
                reads.report_account(desk, at_ns, request, self._venue_clock_ns(desk, at_ns))
            case ArmDeadMan():
                lapses_ns = desk.arm(at_ns, request.timeout_s)
                if lapses_ns is not None:
                    self._pending.push(lapses_ns, ARRIVAL_RANK, desk.venue, Lapse())
            case _:
                self._desk(request.venue_to)
                lands_ns = self._transfers.start(at_ns, request)
                if lands_ns is not None:
                    later_ns, back = self._out.transfer_fate(at_ns, request)
                    landing = Landing(request.transfer_id, back)
                    self._pending.push(Nanos(lands_ns + later_ns), ARRIVAL_RANK, request.venue_to, landing)

    def _venue_clock_ns(self, desk: Desk, at_ns: Nanos) -> Nanos:
        """What the venue's own clock shows now."""
        drift = self._faults.during(FaultKind.CLOCK_DRIFT, desk.venue, at_ns) if self._faults.plan.strikes else None
        if drift is None:
            return at_ns
        self._faults.count(FaultKind.CLOCK_DRIFT)
        return Nanos(at_ns + int((2 * drift.draw - 1) * drift.size * NS_PER_S))

    def _count_lag(self, desk: Desk) -> None:
        if desk.picture is not None:
            self._faults.count(FaultKind.READ_LAG)

    def _lag(self, desk: Desk, strike: Strike) -> None:
        """Reads are answered from a picture of the account that is taken anew every `size` seconds."""
        next_ns = Nanos(min(self._now_ns + max(int(strike.size * NS_PER_S), NS_PER_S // 10), strike.end_ns))
        if next_ns <= self._now_ns:
            desk.picture = None
            return
        desk.picture = Picture.of(desk.account, self._now_ns)
        self._pending.push(next_ns, ARRIVAL_RANK, desk.venue, Blow(strike))

    # ------------------------------------------------------------------------------ the world outside trading

    def deposit(self, at_ns: Nanos, venue: Venue, wallet: Wallet, amount_usd: Decimal,
                reference: str = "deposit") -> None:
        """Cash comes from outside (negative: is withdrawn); the answer is `CashMoved` at the same instant.

        Raises:
            ConfigRefused: an amount that is not finite or has more than 8 decimals.
        """
        if not amount_usd.is_finite() or round_cash(amount_usd) != amount_usd:
            raise ConfigRefused(f"deposit of {amount_usd} USD: needs a finite sum of at most 8 decimals")
        desk = self._desk(venue)
        desk.account.holdings.pay(wallet, amount_usd)
        desk.log(CashMoved(at_ns, venue, wallet, amount_usd, reference))

    def auto_deleverage(self, at_ns: Nanos, instrument: InstrumentId, fraction: Decimal) -> bool:
        """A fault driver closes part of a position as an exhausted insurance fund would; False: nothing to close."""
        desk = next((desk for desk in self._desks.values() if instrument in desk.instruments), None)
        return desk is not None and margin.auto_deleverage(desk, at_ns, instrument, fraction)

    # ----------------------------------------------------------------------------------------------- the truth

    def equity_usd(self, venue: Venue | None = None) -> Decimal:
        """Wallets + cash in transit (counted where it goes) + coins at V + positions at V - cost; None: all venues.

        Raises:
            Unavailable: something held has no price yet.
        """
        total = self._transfers.in_transit_usd(venue)
        for name, desk in self._desks.items():
            if venue is None or name == venue:
                total = MONEY.add(total, desk.equity_usd())
        return total

    def ended_prices(self) -> dict[InstrumentId, Decimal]:
        """V of what is not traded any more, where it has one: nobody is told a price of it again."""
        return {name: desk.board.value_price(desk.instruments[name]) for desk in self._desks.values()
                for name in desk.board.ended if name in desk.board.valued_quotes or name in desk.board.valued_marks}

    def margin_usd(self, venue: Venue) -> tuple[Decimal, Decimal]:
        """(equity, maintenance margin) of the venue's cross pool, at the newest marks."""
        desk = self._desks.get(venue)
        return (ZERO, ZERO) if desk is None else margin.pool_usd(desk)

    def account(self, venue: Venue) -> VenueAccount:
        """The venue's truth about us, live: read only."""
        return self._desk(venue).account

    def rules_at(self, instrument: InstrumentId, at_ns: int) -> Instrument:
        """The rules in whose ticks and lots the venue counted at an instant."""
        desk = next(desk for desk in self._desks.values() if instrument in desk.instruments)
        before = (rules for until_ns, rules in desk.former.get(instrument, ()) if at_ns < until_ns)
        return next(before, desk.instruments[instrument])

    def regridded_ns(self, instrument: InstrumentId) -> int:
        """When ticks or lots of an instrument last changed; -1: never."""
        return max((desk.board.regridded_ns.get(instrument, Nanos(-1)) for desk in self._desks.values()), default=-1)

    def flat(self, venue: Venue) -> bool:
        """No open order, no position, and no coin that could be sold."""
        return self._desk(venue).is_flat

    @property
    def venues(self) -> tuple[Venue, ...]:
        """All venues that were ever named."""
        return tuple(self._desks)

    @property
    def now_ns(self) -> Nanos:
        """The exchange's clock: the instant of the last thing that happened."""
        return self._now_ns

    def quote(self, instrument: InstrumentId) -> Quote | None:
        """The true touch of an instrument now."""
        desk = next((desk for desk in self._desks.values() if instrument in desk.instruments), None)
        return None if desk is None else desk.board.quotes.get(instrument)

    @property
    def cash_moving(self) -> bool:
        """Whether a transfer of ours is under way."""
        return bool(self._transfers.under_way)

    def _thin(self, desk: Desk, at_ns: Nanos, intent: OrderIntent) -> None:
        """In a window of thin books others were quicker than an order that arrives."""
        if not self._faults.plan.strikes:
            return
        window = self._faults.during(FaultKind.THIN_BOOK, desk.venue, at_ns)
        if window is not None and thin_out(desk, intent.instrument, intent.side, window.size):
            self._faults.count(FaultKind.THIN_BOOK)

    def create_under_way(self, order_id: OrderId) -> bool:
        """Whether a create of this id can still reach its venue."""
        return any(isinstance(what, Arrival) and isinstance(what.request, SubmitOrder)
                   and what.request.order.intent.order_id == order_id for *_, what in self._pending.entries)

    @property
    def faults(self) -> Faults:
        """The faults of its plan; the market and the process are struck by the same."""
        return self._faults

    @property
    def fault_counts(self) -> dict[str, int]:
        """How often each kind of fault has happened."""
        return dict(self._faults.counts)

    # ----------------------------------------------------------------------------------------------- the books

    def commit(self) -> None:
        """Write what changed since the last commit in one synced transaction; without books nothing happens.

        A venue does not stand still because our disk is full: it goes on in memory, says so in `books_failure`, and
        catches up with the first commit that succeeds. A crash before that takes it back to what was last written.

        Raises:
            Fatal: the file is damaged.
        """
        if self._keeper is None:
            return
        try:
            self._keeper.commit(self.saved(), [desk.account for desk in self._desks.values()])
        except Retryable as error:
            self.books_failure = str(error)
            return
        self.books_failure = ""
        self._committed_changes = self._pending.changes

    def saved(self) -> SavedExchange:
        """The present as values that encode; two exchanges in the same state give the same bytes."""
        return SavedExchange(
            version=SAVED_VERSION, seed=self._seed, now_ns=self._now_ns, number=self._pending.number,
            entries=sorted(self._pending.entries, key=lambda entry: entry[3]), stream_counts=self._streams.counts,
            latency_ns=self._latency.last_ns, under_way=self._transfers.under_way, fault_counts=self._faults.counts,
            venues=[SavedVenue(name, desk.account.holdings, desk.board, list(desk.account.open.values()),
                               desk.account.settled_ns, desk.account.repeats, desk.account.last_trade_ns, desk.changed,
                                desk.picture)
                    for name, desk in self._desks.items()])

    def _restore(self, saved: SavedExchange, books: BooksFile) -> None:
        self._now_ns = Nanos(saved.now_ns)
        self._streams.counts = saved.stream_counts
        self._latency.last_ns = saved.latency_ns
        self._pending.put_back(saved.entries, saved.number)
        self._transfers.under_way = saved.under_way
        self._faults.counts = saved.fault_counts
        for venue in saved.venues:
            desk = self._desk(venue.venue)
            desk.board = venue.board
            for instrument in venue.changed.values():
                desk.list_instrument(instrument)
            desk.changed, desk.picture = venue.changed, venue.picture
            restore_account(desk.account, venue, books.closed_orders(venue.venue), books.log(venue.venue))
        self._keeper = Bookkeeper(books)
        self._keeper.count_written([desk.account for desk in self._desks.values()])
        self._committed_changes = self._pending.changes

    def _desk(self, venue: Venue) -> Desk:
        desk = self._desks.get(venue)
        if desk is None:
            desk = self._desks[venue] = Desk(venue, self._params, self._back.tell)
        return desk
