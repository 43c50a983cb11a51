"""Worlds to trade in: a market, the simulated exchange on it, and what a session must be told about both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.domain.errors import ConfigRefused
from bot.domain.events import EVENT_RANK, MarketEvent
from bot.domain.instrument import Instrument
from bot.domain.market_events import IMPLIED_VOLATILITY
from bot.domain.ports import MarketSource
from bot.domain.values import NS_PER_DAY, NS_PER_S, Nanos, Venue, Wallet
from bot.options import Scope
from bot.runtime.reference_rate import WithReferenceRate
from bot.settings import Settings
from bot.venues.simulated.books_file import BooksFile
from bot.venues.simulated.exchange import SimulatedExchange

DEMO_START_NS: Final = 1_735_689_600 * NS_PER_S
"""The embedded market begins on 2025-01-01 00:00 UTC of its own time."""
DEMO_CADENCE_S: Final = 60.0
DEFAULT_VENUES: Final = ("binance",)
DEFAULT_COINS: Final = ("BTC", "ETH")
_CENT: Final = Decimal("0.01")


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One world, ready to be driven."""

    market: MarketSource
    exchange: SimulatedExchange
    instruments: tuple[Instrument, ...]
    warmup: tuple[MarketEvent, ...]
    """Events before `start_ns` that warm the forecasts, in the order of the schedule."""
    start_ns: Nanos
    """Trading begins here."""
    end_ns: Nanos | None
    cadence_s: float
    coverage: tuple[Any, ...]
    data_hash: str
    fill_model: str
    fit_delay_s: float

    @property
    def first_ns(self) -> Nanos:
        """Before everything."""
        return Nanos(min((event.at_ns for event in self.warmup), default=self.start_ns) - 1)


def demo_world(settings: Settings, *, end_ns: int | None, books: BooksFile | None, resume_ns: int | None) -> World:
    """The embedded market and its exchange.

    Where the books hold an account the exchange comes back from them, and the market from the earlier of its clock and
    `resume_ns`, the instant at which the bot's own record ends (None: it has none).
    """
    from bot.venues.simulated.market.pegs import WithPegs
    from bot.venues.simulated.market.source import EmbeddedMarket

    seed = settings.embedded.seed
    embedded = settings.embedded
    scoped = _known_listings(settings)
    at_start = EmbeddedMarket(embedded, seed, DEMO_START_NS, end_ns)
    instruments = _of(scoped, at_start.instruments())
    begin_ns = max(_standing_ns(books, resume_ns), DEMO_START_NS)
    market: MarketSource = at_start
    if begin_ns > DEMO_START_NS:
        market = EmbeddedMarket(embedded, seed, DEMO_START_NS, end_ns, resume_ns=begin_ns)
    return World(
        market=WithPegs(market, instruments, seed, begin_ns),
        exchange=_exchange(settings, instruments, books), instruments=instruments,
        warmup=in_order((*at_start.funding_history(), *at_start.closes_before())), start_ns=Nanos(DEMO_START_NS),
        end_ns=Nanos(end_ns) if end_ns is not None else None, cadence_s=DEMO_CADENCE_S,
        coverage=({"series": "embedded market", "seed": seed, "pct": 100.0},),
        data_hash=f"embedded-{seed}", fill_model=_demo_fill_model(settings),
        fit_delay_s=settings.runtime.fit_delay_s,
    )


def _demo_fill_model(settings: Settings) -> str:
    """What a report says of the fills on the embedded market."""
    model = "taker fills on the displayed ladder; 1 s ticks around our orders"
    if settings.engine.execution.makers:
        model += "; makers queue behind the displayed size, worked off by prints at their price"
    return model


def history_world(settings: Settings, scope: Scope, *, books: BooksFile | None, resume_ns: int | None = None) -> World:
    """Recorded history and the exchange on it.

    Raises:
        ConfigRefused: a scope without data, beginning or end.
        DataRefused: data that cannot be used.
    """
    from bot.runtime.history_feed import open_history
    from bot.venues.instrument_table import load_table

    if scope.data is None:
        raise ConfigRefused("history needs --data DIR, a folder of Parquet files (bot/storage/DATA_FORMAT.md)")
    if scope.from_ns is None or scope.to_ns is None:
        raise ConfigRefused("history needs --from and --to (UTC dates; the end is left out)")
    venues = scope.venues or settings.account.venues or DEFAULT_VENUES
    coins = scope.symbols or settings.account.coins or DEFAULT_COINS
    standing_ns = _standing_ns(books, resume_ns)
    from_ns = max(scope.from_ns, standing_ns - standing_ns % NS_PER_DAY)
    table = load_table(extra=scope.data / "instruments.toml")
    feed = open_history(scope.data, venues, coins, from_ns, scope.to_ns, table)
    instruments = feed.instruments(from_ns)
    cadence_s = float(feed.cadence_s)
    market: MarketSource = WithReferenceRate(feed, "tbill_3m_usd", feed.hurdle_annual, from_ns)
    for coin in feed.implied_coins:
        market = WithReferenceRate(market, f"{IMPLIED_VOLATILITY}{coin}", partial(feed.implied_annual, coin), from_ns)
    return World(
        market=market,
        exchange=_exchange(settings, instruments, books), instruments=instruments,
        warmup=in_order(feed.warmup()) if from_ns == scope.from_ns else (), start_ns=Nanos(scope.from_ns),
        end_ns=Nanos(scope.to_ns), cadence_s=cadence_s, coverage=tuple(feed.coverage()), data_hash=feed.data_hash,
        fill_model=f"all taker, on the open of bars of up to {cadence_s / 3600:g} h with the stated spread and depth",
        fit_delay_s=settings.runtime.fit_delay_s,
    )


def in_order(events: Iterable[MarketEvent]) -> tuple[MarketEvent, ...]:
    """Events in the order in which the schedule gives what is handed in."""
    return tuple(sorted(events, key=lambda event: (event.at_ns, EVENT_RANK[type(event)], getattr(event, "venue", ""))))


def _standing_ns(books: BooksFile | None, resume_ns: int | None) -> int:
    """Just before the earlier of the ends of both records; 0: nothing has happened yet."""
    if resume_ns is None or books is None or not books.holds_account:
        return 0
    return max(min(books.read().now_ns, resume_ns) - 1, 0)


def _exchange(settings: Settings, instruments: tuple[Instrument, ...], books: BooksFile | None) -> SimulatedExchange:
    """The exchange as its books have it; a new one where they hold nothing."""
    if books is not None and books.holds_account:
        return SimulatedExchange.reopen(books, instruments, settings.simulated, settings.engine.seed)
    return SimulatedExchange(instruments, settings.simulated, settings.engine.seed, books)


def deposit(world: World, settings: Settings, capital_usd: Decimal) -> None:
    """Split the capital evenly over the venues, and at each over its wallets as a cash-and-carry at full size needs."""
    venues = tuple(dict.fromkeys(instrument.venue for instrument in world.instruments))
    carry = settings.engine.carry
    futures_share = Decimal(repr(1 - 1 / carry.capital_per_notional(1)))
    rest = capital_usd
    for number, venue in enumerate(venues):
        part = (capital_usd / len(venues)).quantize(_CENT, rounding="ROUND_DOWN") if number < len(venues) - 1 else rest
        rest -= part
        spot = any(i.venue == venue and not i.is_perp for i in world.instruments)
        futures = (part * futures_share).quantize(_CENT, rounding="ROUND_DOWN") if spot else part
        _pay(world, venue, Wallet.FUTURES, futures)
        if part > futures:
            _pay(world, venue, Wallet.SPOT, part - futures)


def _pay(world: World, venue: Venue, wallet: Wallet, amount_usd: Decimal) -> None:
    world.exchange.deposit(world.start_ns, venue, wallet, amount_usd, f"capital-{venue}-{wallet.value}")


def capital_of(settings: Settings, option: str | None) -> Decimal:
    """The starting capital: the option, else the settings."""
    return Decimal(option) if option is not None else settings.account.capital_usd


def books_at(path: Path | None) -> BooksFile | None:
    """The exchange's own file, or none for runs that leave nothing behind."""
    return BooksFile(path) if path is not None else None


def _known_listings(settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return settings.account.venues, settings.account.coins


def _of(scoped: tuple[tuple[str, ...], tuple[str, ...]], listed: Sequence[Instrument]) -> tuple[Instrument, ...]:
    """The instruments of the venues and coins asked for; all if none are named.

    Raises:
        ConfigRefused: nothing is left.
    """
    venues, coins = scoped
    chosen = tuple(i for i in listed if (not venues or i.venue in venues) and (not coins or i.coin in coins))
    if not chosen:
        known = sorted({i.venue for i in listed}), sorted({i.coin for i in listed})
        raise ConfigRefused(f"account.venues/coins: the embedded market has venues {known[0]} and coins {known[1]}")
    return chosen
