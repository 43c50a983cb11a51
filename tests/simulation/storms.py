"""Stormy markets for the bot as it comes: planted crashes and melt-ups over calm, usual and wild months."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.events import ForcedFill
from bot.domain.values import NS_PER_DAY
from bot.engine.engine import Engine
from bot.engine.params import EngineParams
from bot.engine.step import DecisionRecord, Step
from bot.runtime.sim_world import small_market
from bot.venues.simulated.market.params import ALL_COINS, EmbeddedParams, Scenario
from tests.embedded_world import START, embedded_world

MONTH_DAYS: Final = 31
CALM, USUAL, WILD = 0.35, 0.69, 1.2
"""Hourly volatility of the market factor in per cent: three regimes."""
HALVED, PLUS_40, PLUS_80 = math.log(0.5), math.log(1.4), math.log(1.8)
CAPS: Final = frozenset({"coin_share", "bucket_share", "venue_share", "venue_funds", "equity", "drawdown", "depth"})
"""Reasons of the allocation that are limits; the strategy's own reasons to leave are no cuts."""
GOVERNOR: Final = frozenset({"es", "es_soft", "stress", "stress_soft"})
"""Before the colon of the governor's reasons."""


class Month(msgspec.Struct, frozen=True):
    """A month of the year: its seed, its volatility, and what is planted in it."""

    seed: int
    market_vol_1h_pct: float
    scenarios: tuple[Scenario, ...]


class Run(msgspec.Struct):
    """What a run came to."""

    forced: list[ForcedFill] = []
    records: list[DecisionRecord] = []
    notes: list[str] = []
    opened: int = 0
    held_in: list[int] = []
    """Days on which something was held at some rebalance."""
    cuts: int = 0
    """Times a limit made a held pair smaller."""
    unexplained: list[str] = []
    betas: list[float] = []
    """Of the book to the market factor, per unit of equity, at each rebalance: by the market's own coefficients."""


def crash(day: int, hours: float = 24.0, hour: float = 6.0) -> tuple[Scenario, ...]:
    """The market halves within so many hours; every coin by its beta."""
    return (Scenario(day=day, coin=ALL_COINS, log_jump=HALVED, duration_h=hours, hour=hour),)


def melt_up(day: int, hours: float = 24.0, hour: float = 6.0) -> tuple[Scenario, ...]:
    """+40 % on the major and +80 % on the alt."""
    return (Scenario(day=day, coin="XRP", log_jump=PLUS_80, duration_h=hours, hour=hour),
            Scenario(day=day, coin="BTC", log_jump=PLUS_40, duration_h=hours, hour=hour))


def storm(seed: int, days: float, scenarios: tuple[Scenario, ...], *, governed: bool, vol_1h_pct: float = USUAL,
          params: EngineParams | None = None, until_forced: bool = False) -> Run:
    """The bot on a small market with planted moves; the governor on or off, all else at its defaults."""
    usual = EngineParams() if params is None else params
    governor = msgspec.structs.replace(usual.governor, enabled=governed)
    engine = Engine(msgspec.structs.replace(usual, governor=governor))
    end = START + int(days * NS_PER_DAY)
    embedded = small_market(EmbeddedParams(scenarios=scenarios, market_vol_1h_pct=vol_1h_pct))
    beta_of = {coin.coin: coin.beta for coin in embedded.coins}
    schedule = embedded_world(embedded, seed, end).schedule
    run = Run()
    while (event_now := schedule.pop()) is not None:
        step = engine.step(event_now)
        if step.commands:
            schedule.handle(event_now.at_ns, step.commands)
        schedule.wake(step.wake_ns)
        if isinstance(event_now, ForcedFill):
            run.forced.append(event_now)
            if until_forced:
                break
        _look(run, step, engine, event_now.at_ns, beta_of)
    run.opened = run.notes.count("pair_opened")
    return run


def _look(run: Run, step: Step, engine: Engine, at_ns: int, beta_of: dict[str, float]) -> None:
    run.notes += [note.name for note in step.notes]
    for text, known in cuts(step):
        run.cuts += 1
        if not known:
            run.unexplained.append(f"{at_ns}: {text}")
    if step.record is None:
        return
    run.records.append(step.record)
    rows = [(row.value_usd, engine.state.market.instruments[row.instrument].coin) for row in engine.ledger.holdings()]
    if rows:
        run.held_in.append((at_ns - START) // NS_PER_DAY)
    equity = float(engine.ledger.equity_usd())
    run.betas.append(sum(float(usd) * beta_of[coin] for usd, coin in rows) / equity)


def cuts(step: Step) -> Iterator[tuple[str, bool]]:
    """Pairs that a limit makes smaller, and whether the step's notes tell the limit, its value and what was allowed."""
    told = {(keys["pair"], keys["limit"]) for keys in _notes(step, "governor_cut", "size_capped") if _is_whole(keys)}
    told |= {(keys["pair_id"], "margin") for keys in _notes(step, "margin_reduce") if _is_whole(keys)}
    stopped = any(keys.get("limit") == "drawdown_stop_pct" and _is_whole(keys) for keys in _notes(step, "mode_changed"))
    for keys in _notes(step, "parent_started"):
        reason = keys["reason"]
        limited = reason in CAPS or reason.partition(":")[0] in GOVERNOR or reason == "margin"
        if limited and Decimal(keys["target_base"]) < Decimal(keys["held_base"]):
            known = (keys["candidate"], reason) in told or (keys["pair_id"], reason) in told
            yield (f"{keys['pair_id']} to {keys['target_base']} of {keys['held_base']}: {reason}",
                   known or (reason == "drawdown" and stopped))


def _notes(step: Step, *names: str) -> Iterator[dict[str, str]]:
    for note in step.notes:
        if note.name in names:
            yield dict(note.keys)


def _is_whole(keys: dict[str, str]) -> bool:
    return bool(keys.get("limit")) and all(math.isfinite(float(keys[name])) for name in ("value", "allowed"))
