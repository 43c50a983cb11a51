"""Laws of the ledger, held against a tiny venue that keeps its own books in its own way."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from decimal import Decimal, localcontext
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.commands import Transfer
from bot.domain.events import CashMoved, Fill, ForcedFill, FundingPaid, TransferEnded
from bot.domain.instrument import Instrument
from bot.domain.values import DUST, MONEY, OVERLAY, ZERO, InstrumentId, Nanos, OrderId, Owner, Side, Venue, Wallet
from bot.portfolio.attribution import Sleeve, attribution_of
from bot.portfolio.ledger import Ledger
from bot.portfolio.ledger_state import LedgerState
from bot.portfolio.splits import split_cash, split_funding, split_lots
from tests.unit.portfolio.samples import PERP, PERP_B, SPOT

A, B = Owner("pair-a"), Owner("pair-b")
BINANCE, BYBIT = Venue("binance"), Venue("bybit")
TRADERS = ((A, SPOT), (A, PERP), (B, PERP), (B, PERP_B), (OVERLAY, PERP), (DUST, SPOT))
"""Two pairs share the perp of binance with an overlay."""
MARKETS = (SPOT, PERP, PERP_B)
KINDS = ("fill", "fill", "fill", "mark", "mark", "funding", "forced", "cash", "transfer", "dust", "again")

quantities = st.integers(1, 5_000)
prices = st.integers(5_000, 20_000)
steps = st.one_of(
    st.tuples(
        st.just("fill"), st.sampled_from(TRADERS), st.sampled_from(list(Side)), quantities, prices,
        st.one_of(st.none(), prices), st.integers(-50, 5_000),
    ),
    st.tuples(st.just("mark"), st.sampled_from(MARKETS), prices, st.integers(0, 99)),
    st.tuples(st.just("funding"), st.sampled_from((PERP, PERP_B)), st.integers(-300_000, 300_000), st.booleans()),
    st.tuples(st.just("forced"), st.sampled_from((PERP, PERP_B)), quantities, prices, st.integers(0, 5_000)),
    st.tuples(st.just("cash"), st.sampled_from((BINANCE, BYBIT)), st.integers(-10**9, 10**9)),
    st.tuples(st.just("transfer"), st.booleans(), st.integers(1, 10**9), st.integers(0, 1_000)),
    st.tuples(st.just("dust"), st.sampled_from((A, B)), st.integers(1, 10)),
    st.tuples(st.just("again"), st.integers(0, 10**6)),
)


def half_even(amount: Fraction) -> Decimal:
    """An amount to 8 decimals, by the arithmetic of fractions."""
    return Decimal(round(amount * 10**8)).scaleb(-8)


class TinyVenues:
    """Two venues' truth: cash, coins and net positions with average cost; knows no owners."""

    def __init__(self) -> None:
        self.cash = {(venue, wallet): ZERO for venue in (BINANCE, BYBIT) for wallet in Wallet}
        self.quantity = {market.id: ZERO for market in MARKETS}
        self.cost = {market.id: ZERO for market in MARKETS}
        self.marks = {market.id: Decimal(1_000) for market in MARKETS}
        self.transit = ZERO

    def trade(self, market: Instrument, d: Decimal, x: Decimal, fee: Decimal, fee_in_base: bool) -> None:
        """Execute: spot against cash, a perpetual against its cost."""
        if not market.is_perp:
            self.cash[market.venue, Wallet.SPOT] -= d * x + (ZERO if fee_in_base else fee)
            self.quantity[market.id] += d - (fee if fee_in_base else ZERO)
            return
        self.cash[market.venue, Wallet.FUTURES] -= fee
        held = self.quantity[market.id]
        closing = min(abs(d), abs(held)) if held * d < 0 else ZERO
        if closing:
            share = half_even(Fraction(self.cost[market.id]) * Fraction(closing) / Fraction(abs(held)))
            share = self.cost[market.id] if closing == abs(held) else share
            proceeds = closing * x if held > 0 else -closing * x
            self.cash[market.venue, Wallet.FUTURES] += proceeds - share
            self.cost[market.id] -= share
        opening = abs(d) - closing
        self.cost[market.id] += opening * x if d > 0 else -opening * x
        self.quantity[market.id] += d

    def equity(self) -> Decimal:
        """Everything at marks."""
        value = sum((self.quantity[key] * self.marks[key] - self.cost[key] for key in self.marks), ZERO)
        return value + sum(self.cash.values(), ZERO) + self.transit


class World:
    """Applies each step to the venues and to the ledger, and can report anything again."""

    def __init__(self) -> None:
        self.venues, self.ledger, self.count = TinyVenues(), Ledger(), 0
        self.reports: list[tuple[object, ...]] = []

    def revalue(self) -> None:
        """Bring every V up to the mark, as the engine does before it books."""
        for market in MARKETS:
            self.ledger.revalue(market.id, self.venues.marks[market.id])

    def report(self, *report: object) -> None:
        """Remember a report and deliver it."""
        self.reports.append(report)
        self.revalue()
        self.deliver(report)

    def deliver(self, report: tuple[object, ...]) -> object:
        """Hand a report to the ledger; a truthy answer says that it was new."""
        match report:
            case (Fill() as event, str(owner), Instrument() as market, mid):
                assert mid is None or isinstance(mid, Decimal)
                return self.ledger.apply_fill(event, Owner(owner), market, mid)
            case (ForcedFill() as event, Instrument() as market):
                return self.ledger.apply_forced_fill(event, market, None)
            case (FundingPaid() as event, Instrument() as market):
                return self.ledger.apply_funding(event, market)
            case (CashMoved() as event,):
                return self.ledger.apply_cash(event)
            case (TransferEnded() as event,):
                return self.ledger.end_transfer(event)
        raise AssertionError(report)

    def take(self, step: tuple[object, ...]) -> None:
        """One thing happens."""
        self.count += 1
        with localcontext(MONEY):
            getattr(self, f"_{step[0]}")(*step[1:])

    def _fill(
        self, trader: tuple[Owner, Instrument], side: Side, lots: int, ticks: int, mid: int | None, fee: int,
    ) -> None:
        owner, market = trader
        fee_in_base = market is SPOT and side is Side.BUY
        booked = Decimal(fee).scaleb(-8) if fee_in_base else Decimal(fee).scaleb(-4)
        self.venues.trade(market, market.lot_size * lots * side, market.tick_size * ticks, booked, fee_in_base)
        event = Fill(
            Nanos(self.count), market.venue, market.id, str(self.count), OrderId("0" * 32), side, lots, ticks, booked,
            fee_in_base, False,
        )
        self.report(event, owner, market, None if mid is None else Decimal(mid) / 10)

    def _mark(self, market: Instrument, ticks: int, hundredth: int) -> None:
        self.venues.marks[market.id] = Decimal(ticks) / 10 + Decimal(hundredth).scaleb(-5)
        if hundredth % 2:
            self.ledger.revalue(market.id, self.venues.marks[market.id])

    def _funding(self, market: Instrument, rate: int, close_first: bool) -> None:
        settled, share = Nanos(self.count), Decimal(rate).scaleb(-8)
        quantity, mark = self.venues.quantity[market.id], self.venues.marks[market.id]
        amount = half_even(-Fraction(quantity) * Fraction(mark) * Fraction(share))
        self.venues.cash[market.venue, Wallet.FUTURES] += amount
        self.ledger.note_settlement(market.id, settled)
        owners = self.ledger.owners(market.id)
        if close_first and owners:
            owner, held = owners[0]
            side = Side.SELL if held > 0 else Side.BUY
            self._fill((owner, market), side, int(abs(held) / market.lot_size), 10_000, None, 7)
        before = sum((self.ledger.attribution(owner).funding for owner, _ in owners), ZERO)
        self.report(FundingPaid(settled, market.venue, market.id, settled, amount, quantity, mark, share), market)
        after = sum((self.ledger.attribution(owner).funding for owner, _ in owners), ZERO)
        assert after - before == (amount if owners else ZERO)

    def _forced(self, market: Instrument, lots: int, ticks: int, fee: int) -> None:
        net = self.venues.quantity[market.id]
        if not net:
            return
        lots = min(lots, int(abs(net) / market.lot_size))
        side, booked = Side.SELL if net > 0 else Side.BUY, Decimal(fee).scaleb(-8)
        self.venues.trade(market, market.lot_size * lots * side, market.tick_size * ticks, booked, False)
        event = ForcedFill(
            Nanos(self.count), market.venue, market.id, str(self.count), side, lots, ticks, booked, "liquidation",
        )
        self.report(event, market)

    def _cash(self, venue: Venue, amount: int) -> None:
        moved = CashMoved(Nanos(self.count), venue, Wallet.SPOT, Decimal(amount).scaleb(-4), str(self.count))
        self.venues.cash[venue, Wallet.SPOT] += moved.amount_usd
        self.report(moved)

    def _transfer(self, arrives: bool, amount: int, fee: int) -> None:
        usd, lost, name = Decimal(amount).scaleb(-4), Decimal(fee).scaleb(-4), str(self.count)
        self.ledger.begin_transfer(Transfer(name, BINANCE, Wallet.SPOT, BYBIT, Wallet.FUTURES, usd))
        self.venues.cash[BINANCE, Wallet.SPOT] -= usd
        self.venues.transit += usd
        self.compare()
        self.venues.transit -= usd
        self.venues.cash[(BYBIT, Wallet.FUTURES) if arrives else (BINANCE, Wallet.SPOT)] += usd - lost
        self.report(TransferEnded(Nanos(self.count), BYBIT, name, arrives, lost))

    def _dust(self, owner: Owner, part: int) -> None:
        for instrument, held in self.ledger.legs(owner):
            quantity = min(abs(held), Decimal(part) * PERP.lot_size)
            self.ledger.move_owner(instrument, owner, DUST, quantity if held > 0 else -quantity)

    def _again(self, which: int) -> None:
        if self.reports:
            assert not self.deliver(self.reports[which % len(self.reports)])

    def compare(self) -> None:
        """The ledger and the venues agree to the last digit."""
        self.revalue()
        ledger, venues = self.ledger, self.venues
        assert ledger.check(venues.equity()) == 0
        assert ledger.equity_usd() == venues.equity()
        assert ledger.equity_usd() == sum(
            (ledger.equity_usd(venue) for venue in (BINANCE, BYBIT)), ledger.in_transit_usd(),
        )
        for venue in (BINANCE, BYBIT):
            wallets = ledger.wallets(venue)
            assert wallets.spot_usd == venues.cash[venue, Wallet.SPOT]
            assert wallets.futures_usd == venues.cash[venue, Wallet.FUTURES]
        nets: dict[InstrumentId, tuple[Decimal, Decimal]] = {
            row.instrument: (row.quantity, row.cost_usd)
            for venue in (BINANCE, BYBIT) for row in ledger.venue_nets(venue)
        }
        for market in MARKETS:
            assert nets.get(market.id, (ZERO, ZERO)) == (venues.quantity[market.id], venues.cost[market.id])
            assert sum((held for _, held in ledger.owners(market.id)), ZERO) == venues.quantity[market.id]


def long_history(rng: random.Random, length: int) -> Iterator[tuple[object, ...]]:
    """Steps of all kinds, weighted as a busy account has them; odd lots make averages that do not divide."""
    for _ in range(length):
        kind = rng.choice(KINDS)
        perp = rng.choice((PERP, PERP_B))
        tail: tuple[object, ...] = {
            "fill": (
                rng.choice(TRADERS), rng.choice(list(Side)), rng.randint(1, 5_000), rng.randint(5_000, 20_000),
                rng.choice((None, rng.randint(5_000, 20_000))), rng.randint(-50, 5_000),
            ),
            "mark": (rng.choice(MARKETS), rng.randint(5_000, 20_000), rng.randint(0, 99)),
            "funding": (perp, rng.randint(-300_000, 300_000), rng.random() < 0.3),
            "forced": (perp, rng.randint(1, 2_000), rng.randint(5_000, 20_000), rng.randint(0, 5_000)),
            "cash": (rng.choice((BINANCE, BYBIT)), rng.randint(-10**9, 10**9)),
            "transfer": (rng.random() < 0.7, rng.randint(1, 10**9), rng.randint(0, 1_000)),
            "dust": (rng.choice((A, B)), rng.randint(1, 10)),
            "again": (rng.randint(0, 10**6),),
        }[kind]
        yield (kind, *tail)


def worlds(history: Iterable[tuple[object, ...]]) -> Iterator[World]:
    """The world after each step."""
    world = World()
    for step in history:
        world.take(step)
        yield world


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=40))
def test_residual_is_exactly_zero_after_every_step(history: list[tuple[object, ...]]) -> None:
    """Whatever happens, two independent books agree on wallets, nets and equity, and the parts explain all of it."""
    for world in worlds(history):
        with localcontext(MONEY):
            world.compare()


@pytest.mark.parametrize("seed", range(10))
def test_residual_stays_zero_through_a_long_life(seed: int) -> None:
    """Hundreds of events in a row, where hypothesis prefers short stories."""
    for world in worlds(long_history(random.Random(seed), 400)):
        with localcontext(MONEY):
            world.compare()


@settings(max_examples=80, deadline=None)
@given(st.lists(steps, max_size=40))
def test_parts_add_up_by_owner_and_by_sleeve_and_on_display(history: list[tuple[object, ...]]) -> None:
    """Owners and account sum to the whole, so do the sleeves; realised, unrealised, funding and fees are the total."""
    ledger = World().ledger
    for world in worlds(history):
        ledger = world.ledger
    with localcontext(MONEY):
        total = ledger.attribution()
        owners = (A, B, OVERLAY, DUST)
        whole = sum((ledger.attribution(owner).total for owner in owners), attribution_of([ledger.state.account]).total)
        assert whole == total.total
        assert sum((ledger.attribution_of_sleeve(sleeve).total for sleeve in Sleeve), ZERO) == total.total
        assert sum((ledger.attribution_of_sleeve(sleeve).basis for sleeve in Sleeve), ZERO) == total.basis
        for book in ledger.state.books.values():
            for owner, holding in (*book.held.items(), *book.closed.items()):
                shown = holding.realised_usd + holding.quantity * ledger.price(book.instrument) - holding.cost_usd
                parts = attribution_of([holding.parts])
                assert shown + parts.funding + parts.fees == parts.total, owner


@settings(max_examples=80, deadline=None)
@given(st.lists(steps, max_size=40), st.randoms(use_true_random=False))
def test_reports_delivered_again_in_any_order_change_nothing(history: list[tuple[object, ...]], order: object) -> None:
    """Duplicates, shuffled, leave the same bytes."""
    world = World()
    for step in history:
        world.take(step)
    world.revalue()
    before = msgspec.msgpack.encode(world.ledger.state)
    again = list(world.reports) * 2
    order.shuffle(again)  # type: ignore[attr-defined]
    assert not any(world.deliver(report) for report in again)
    assert msgspec.msgpack.encode(world.ledger.state) == before


@settings(max_examples=80, deadline=None)
@given(st.lists(steps, max_size=20), st.lists(steps, max_size=20))
def test_snapshot_goes_on_as_the_original(first: list[tuple[object, ...]], then: list[tuple[object, ...]]) -> None:
    """A decoded snapshot encodes to the same bytes, and still does after the same further events."""
    straight, broken = World(), World()
    for step in first:
        straight.take(step)
        broken.take(step)
    encoded = msgspec.msgpack.encode(broken.ledger.state)
    broken.ledger = Ledger(msgspec.msgpack.decode(encoded, type=LedgerState))
    assert msgspec.msgpack.encode(broken.ledger.state) == encoded
    for step in then:
        straight.take(step)
        broken.take(step)
    assert msgspec.msgpack.encode(broken.ledger.state) == msgspec.msgpack.encode(straight.ledger.state)


signed = st.integers(-10**9, 10**9).filter(bool).map(lambda n: Decimal(n).scaleb(-5))
cash = st.integers(-10**14, 10**14).map(lambda n: Decimal(n).scaleb(-8))


@given(cash, st.integers(1, 10**9), st.integers(-10**6, 10**6), st.lists(signed, min_size=1, max_size=6))
def test_funding_shares_sum_exactly(amount: Decimal, price: int, rate: int, held: list[Decimal]) -> None:
    """Whatever the venue paid, also nothing, the owners' shares are all of it, each on the cash grid."""
    owners = [(Owner(f"pair-{index}"), quantity) for index, quantity in enumerate(held)]
    with localcontext(MONEY):
        shares = split_funding(amount, Decimal(price).scaleb(-3), Decimal(rate).scaleb(-9), owners)
        assert sum((share.amount for share in shares), ZERO) == amount
        assert all(share.amount == round(share.amount, 8) for share in shares)


@given(cash, st.lists(st.integers(1, 10**6), min_size=1, max_size=6))
def test_cash_shares_sum_exactly(amount: Decimal, weights: list[int]) -> None:
    """A fee divided by weight is still that fee, and no share but the largest is off by more than half a step."""
    owners = [(Owner(f"pair-{index}"), Decimal(weight)) for index, weight in enumerate(weights)]
    with localcontext(MONEY):
        shares = split_cash(amount, owners)
        assert sum((share.amount for share in shares), ZERO) == amount
        largest = weights.index(max(weights))
        for index, (share, weight) in enumerate(zip(shares, weights, strict=True)):
            gap = abs(Fraction(share.amount) - Fraction(amount) * weight / sum(weights))
            assert gap <= Fraction(len(weights) if index == largest else 1, 2 * 10**8) + Fraction(1, 10**18)


@given(st.integers(1, 3_000), st.lists(st.integers(1, 500), max_size=6))
def test_lots_are_taken_from_those_who_have_them(total: int, held: list[int]) -> None:
    """Nobody gives more than they hold, pro rata within the remainder; only the excess over all holdings is dust."""
    owners = [(Owner(f"pair-{index}"), lots) for index, lots in enumerate(held)]
    taken = dict(split_lots(total, owners))
    assert sum(taken.values()) == total
    assert taken.pop(DUST, 0) == max(total - sum(held), 0)
    for owner, lots in owners:
        assert min(lots, total * lots // sum(held)) <= taken.get(owner, 0) <= lots
