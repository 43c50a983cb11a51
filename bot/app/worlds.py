"""Worlds to trade in: a market, the simulated exchange on it, and what a session must be told about both."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.domain.errors import ConfigRefused
from bot.domain.events import MarketEvent
from bot.domain.instrument import Instrument
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
    """Events before `start_ns` that warm the forecasts."""
    start_ns: Nanos
    """Trading begins here."""
    end_ns: Nanos | None
    cadence_s: float
    coverage: tuple[Any, ...]
    data_hash: str
    fill_model: str

    @property
    def first_ns(self) -> Nanos:
        """Before everything."""
        return Nanos(min((event.at_ns for event in self.warmup), default=self.start_ns) - 1)


def demo_world(settings: Settings, *, end_ns: int | None, books: BooksFile | None, resume_ns: int | None) -> World:
    """The embedded market and its exchange; with `resume_ns` the exchange comes back from its own books."""
    from bot.venues.simulated.market.source import EmbeddedMarket

    seed = settings.embedded.seed
    embedded = settings.embedded
    scoped = _known_listings(settings)
    if resume_ns is None:
        market = EmbeddedMarket(embedded, seed, DEMO_START_NS, end_ns)
        instruments = _of(scoped, market.instruments())
        exchange = SimulatedExchange(instruments, settings.simulated, settings.engine.seed, books)
        warmup: tuple[MarketEvent, ...] = tuple(market.funding_history())
    else:
        if books is None:
            raise ValueError("resuming needs the exchange's books")
        instruments = _of(scoped, EmbeddedMarket(embedded, seed, DEMO_START_NS, end_ns).instruments())
        exchange = SimulatedExchange.reopen(books, instruments, settings.simulated, settings.engine.seed)
        market = EmbeddedMarket(embedded, seed, DEMO_START_NS, end_ns, resume_ns=max(exchange.now_ns, DEMO_START_NS))
        warmup = ()
    return World(
        market=market, exchange=exchange, instruments=instruments, warmup=warmup, start_ns=Nanos(DEMO_START_NS),
        end_ns=Nanos(end_ns) if end_ns is not None else None, cadence_s=DEMO_CADENCE_S,
        coverage=({"series": "embedded market", "seed": seed, "pct": 100.0},),
        data_hash=f"embedded-{seed}", fill_model="taker fills on the displayed ladder; 1 s ticks around our orders",
    )


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
    from_ns = scope.from_ns if resume_ns is None else resume_ns - resume_ns % NS_PER_DAY
    feed = open_history(scope.data, venues, coins, from_ns, scope.to_ns, load_table())
    instruments = feed.instruments(from_ns)
    cadence_s = float(feed.cadence_s)
    if resume_ns is None:
        exchange = SimulatedExchange(instruments, settings.simulated, settings.engine.seed, books)
    elif books is None:
        raise ValueError("resuming needs the exchange's books")
    else:
        exchange = SimulatedExchange.reopen(books, instruments, settings.simulated, settings.engine.seed)
    return World(
        market=WithReferenceRate(feed, "tbill_3m_usd", feed.hurdle_annual, from_ns), exchange=exchange,
        instruments=instruments, warmup=feed.warmup() if resume_ns is None else (), start_ns=Nanos(scope.from_ns),
        end_ns=Nanos(scope.to_ns), cadence_s=cadence_s, coverage=tuple(feed.coverage()), data_hash=feed.data_hash,
        fill_model=f"all taker, on the open of bars of up to {cadence_s / 3600:g} h with the stated spread and depth",
    )


def catch_up(world: World, to_ns: int) -> list[Any]:
    """Bring a reopened exchange to where the bot's journal ends: the market goes by, what was under way arrives.

    Returns:
        Answers of the exchange on the way, to be given to the engine (again: it knows which it has had).
    """
    answers: list[Any] = []
    clock_ns = world.exchange.now_ns
    while True:
        market_due, exchange_due = world.market.next_due(), world.exchange.next_due()
        dues = [due for due in (market_due, exchange_due) if due is not None and due[0] <= to_ns]
        if not dues:
            return answers
        if market_due is not None and market_due == min(dues):
            event = world.market.pop()
            if event.at_ns > clock_ns:
                world.exchange.observe(event)
        else:
            answer = world.exchange.pop()
            if answer is not None:
                answers.append(answer)


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
