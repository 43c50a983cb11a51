"""What the governor costs: a whole book reviewed, one order, a decision that changes nothing, the longest rebalance."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from bot.app.engines import Engines
from bot.domain.orders import OrderIntent, TimeInForce
from bot.domain.values import Coin, InstrumentId, Nanos, OrderId, Owner, Side
from bot.engine import caps_desk, governing
from bot.engine.engine import Engine
from bot.engine.exposure import exposure_of
from bot.engine.turn import Turn
from bot.risk import limits
from bot.risk.book_tail import BookTail, PairLegs, book_tail, coin_path
from bot.risk.governor import Bounds, review
from bot.risk.governor_params import GovernorParams
from bot.risk.stress import StressLimits, StressSheet, stress
from bot.risk.stress_book import StressBook
from bot.settings import Settings
from bot.strategy.allocation import Allocation, Target
from bot.strategy.candidates import enumerate_pairs
from bot.strategy.verdict import Action
from tests.benchmarks.figures import best, table
from tests.benchmarks.recorded import Recorded
from tests.unit.risk.made_stress import pair, pool
from tests.unit.risk.test_book_tail import panel

pytestmark = pytest.mark.benchmark

PAIRS, ROUNDS = 20, 100


def each(work: Callable[[], object], times: int = ROUNDS) -> float:
    """CPU seconds of one of many rounds."""
    def rounds() -> None:
        for _ in range(times):
            work()

    return best(rounds) / times


def test_the_review_of_a_40_leg_book(show: Callable[[str], None]) -> None:
    """Tail and stress of 20 new pairs: one that passes, one that both limits cut; the goal is 20 ms."""
    keys = [f"C{number}|" for number in range(PAIRS)]
    rows = np.random.default_rng(1).standard_t(4, size=(470, PAIRS)) * 1e-3
    tail = BookTail([PairLegs(key, Coin(key[:-1]), InstrumentId("l"), InstrumentId("s")) for key in keys], rows, "",
                    0.975)
    pools = (pool(60_000.0, 40_000.0),)

    def stress_of(sizes: Mapping[str, float]) -> StressSheet:
        legs = tuple(leg for key, size in sizes.items() if size for leg in pair(key[:-1], size, "binance", 5e-4))
        return stress(StressBook(legs=legs, pools=pools), StressLimits())

    def reviewed(usd: float) -> object:
        bounds = Bounds(equity_usd=1e5, es_limit_usd=2_500.0, soft_share=0.8, stress=StressLimits())
        return review({}, dict.fromkeys(keys, usd), bounds, tail.figures, stress_of)

    small = dict.fromkeys(keys, 500.0)
    bare = each(lambda: stress_of(small), 10) + each(lambda: tail.figures(small))
    figures = [("work", "ms", "ratio")]
    for name, usd in (("tail and stress once", 0.0), ("a review that passes", 500.0), ("a review that cuts", 50_000.0)):
        spent = bare if not usd else each(lambda usd=usd: reviewed(usd), 5)  # type: ignore[misc]
        figures.append((name, f"{spent * 1e3:.2f}", f"{spent / bare:.1f}"))
    show(table(f"governor: {2 * PAIRS} legs, all new (goal of the whole review 20 ms)", figures))
    assert bare > 0.0


def test_the_scenarios_of_a_book(show: Callable[[str], None]) -> None:
    """Once a day for each set of pairs, beside one projection of a book on them."""
    figures = [("pairs", "scenarios ms", "figures ms", "ratio")]
    for count in (2, 5, 20):
        whole, pairs, paths = panel(500), [], {}
        for number in range(count):
            known = panel(500, 10 * number + 1)
            legs = InstrumentId(f"{number}s"), InstrumentId(f"{number}p")
            whole.series[legs[0]], whole.series[legs[1]] = known.series.values()
            pairs.append(PairLegs(f"{number}|", Coin(str(number)), *legs))
            paths[Coin(str(number))] = coin_path(whole, legs[1])
        made = book_tail(whole, pairs, paths, GovernorParams())
        assert made.method == "fhs"
        sizes = dict.fromkeys(made.keys, 1_000.0)
        build = each(lambda pairs=pairs, whole=whole, paths=paths:  # type: ignore[misc]
                     book_tail(whole, pairs, paths, GovernorParams()), 10)
        asked = each(lambda made=made, sizes=sizes: made.figures(sizes))  # type: ignore[misc]
        figures.append((str(count), f"{build * 1e3:.2f}", f"{asked * 1e3:.3f}", f"{build / asked:.0f}"))
    show(table("governor: the scenarios of a book, 500 days", figures))


def at_work(recorded: Recorded) -> tuple[Engine, Nanos]:
    """The engine of the recording after its last event."""
    engine = Engines(Settings().engine).create()
    for event in recorded.events:
        engine.step(event)
    return engine, recorded.events[-1].at_ns


def an_order(engine: Engine) -> OrderIntent:
    """One lot more of a perp that a pair is short of, at the touch."""
    held = next(one for one in engine.state.pairs.values() if one.live)
    quote = engine.state.market.quotes[held.short_leg][1]
    rules = engine.state.market.instruments[held.short_leg]
    return OrderIntent(
        order_id=OrderId("b"), owner=Owner(held.pair_id), venue=rules.venue, instrument=rules.id, side=Side.SELL,
        quantity_lots=max(rules.lots_min, 1), limit_price_ticks=quote.bid_ticks, time_in_force=TimeInForce.IOC,
        reduces_owner=False, reduce_only=False, parent_id="b", purpose="open", data_age_ns=0)


def test_the_review_of_one_order(recorded: Recorded, show: Callable[[str], None]) -> None:
    """Worst-case exposure and every limit for a perp order beside its venue's pool; the goal is 0.1 ms."""
    engine, now_ns = at_work(recorded)
    intent = an_order(engine)
    turn = Turn(engine.state, engine.ledger, engine.params, now_ns)
    known = exposure_of(turn, intent)

    def checks() -> object:
        return limits.review(intent, known, engine.params.risk, now_ns, 1)

    bare, equity = each(checks, 500), each(turn.equity_usd, 200)
    pools, whole = each(lambda: caps_desk.pool_legs(turn, intent.venue), 500), each(lambda: exposure_of(turn, intent))
    figures = [("work", "us", "ratio"), ("the limits alone", f"{bare * 1e6:.1f}", "1.0")]
    figures += [(name, f"{spent * 1e6:.1f}", f"{spent / bare:.1f}")
                for name, spent in (("equity at newest prices", equity), ("the pool at its caps", pools),
                                    ("exposure and limits", whole + bare))]
    pairs = sum(one.live for one in engine.state.pairs.values())
    show(table(f"governor: one order, {pairs} pairs held (goal 100 us)", figures))
    assert whole > 0.0


def test_a_decision_that_changes_nothing(recorded: Recorded, show: Callable[[str], None]) -> None:
    """The governor's gate for a book that was reviewed, and whole rebalances by whether they acted.

    Goals: the gate within 0.2 ms, no rebalance that holds the loop for more than 50 ms. CPU time.
    """
    engine, now_ns = at_work(recorded)
    turn = Turn(engine.state, engine.ledger, engine.params, now_ns, engine._memory)
    state = engine.state.governor
    state.day, held = engine.state.panel.days_closed, dict(state.sizes)
    listed = {one.key: one for one in enumerate_pairs(engine.state.market.instruments.values())}
    same = Allocation(passed=(), binding=(), targets=tuple(
        Target(candidate=listed[key], notional_usd=usd, action=Action.HOLD, reason="carry_holds")
        for key, usd in held.items()))
    assert held
    assert not governing.govern(turn, same, held, state.equity_usd, {})[1].reviewed
    gate = each(lambda: governing.govern(turn, same, held, state.equity_usd, {}))
    rows = [("rebalances", "number", "mean ms", "longest ms")]
    spent: dict[str, list[float]] = {"that act": [], "that change nothing": []}
    replayed = Engines(Settings().engine).create()
    for event, known in zip(recorded.events, recorded.steps, strict=True):
        began = time.process_time_ns()
        replayed.step(event)
        if known.record is not None:
            acted = any(not action.startswith("pass ") for action in known.record.actions)
            spent["that act" if acted else "that change nothing"].append((time.process_time_ns() - began) / 1e6)
    rows += [(name, str(len(times)), f"{np.mean(times):.2f}", f"{max(times):.2f}")
             for name, times in spent.items() if times]
    show(table(f"governor: decisions over {len(recorded.world.instruments)} instruments", rows,
               f"the governor's gate on a book it has seen: {gate * 1e6:.0f} us (goal 200)"))
    assert spent["that change nothing"]
