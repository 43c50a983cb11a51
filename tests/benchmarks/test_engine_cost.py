"""What the engine costs per event, beside a loop that only decodes the same events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from bot.app.engines import Engines
from bot.settings import Settings
from bot.storage.journal_codec import decode_event
from tests.benchmarks.figures import best, table
from tests.benchmarks.recorded import Recorded

pytestmark = pytest.mark.benchmark

MARKET = ("Quotes", "Marks")


def test_the_engine_beside_a_bare_decoding_loop(recorded: Recorded, show: Callable[[str], None]) -> None:
    """Events per second and core, the ratio to decoding alone, and the cost by kind of event with 20 instruments."""
    events, engines = recorded.events, Engines(Settings().engine)

    def engine_loop() -> None:
        step = engines.create().step
        for event in events:
            step(event)

    def decode_loop() -> None:
        for data, _ in recorded.pairs:
            decode_event(data)

    engine_s, decode_s = best(engine_loop), best(decode_loop)
    count = len(events)
    rows = [("loop over the same events", "events", "us each", "events/s", "ratio"),
            _row("decode only", count, decode_s, decode_s), _row("engine.step", count, engine_s, decode_s)]
    show(table(f"engine: {len(recorded.world.instruments)} instruments, {count:,} events", rows))
    assert engine_s > 0.0


def test_the_cost_of_each_kind_of_event(recorded: Recorded, show: Callable[[str], None]) -> None:
    """Folded market events, rebalances and all else, each with its own stopwatch (which costs about 0.1 us)."""
    engine = Engines(Settings().engine).create()
    spent: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for event, known in zip(recorded.events, recorded.steps, strict=True):
        kind = "rebalance" if known.record is not None else type(event).__name__
        began = time.perf_counter_ns()
        step = engine.step(event)
        spent[kind] += time.perf_counter_ns() - began
        counts[kind] += 1
        assert step == known, "the same events must give the same steps"
    whole = sum(spent.values())
    rows = [("kind", "events", "us each", "share of all")]
    rows += [(kind, f"{counts[kind]:,}", f"{ns / counts[kind] / 1e3:.1f}", f"{ns / whole:.0%}")
             for kind, ns in spent.most_common(8)]
    folded = sum(spent[kind] for kind in MARKET) / sum(counts[kind] for kind in MARKET)
    show(table("engine: cost by kind of event", rows,
               f"a folded market event: {folded / 1e3:.1f} us; a rebalance: "
               f"{spent['rebalance'] / counts['rebalance'] / 1e3:.0f} us"))


def _row(name: str, count: int, cpu_s: float, bare_s: float) -> tuple[str, ...]:
    return name, f"{count:,}", f"{cpu_s / count * 1e6:.1f}", f"{count / cpu_s:,.0f}", f"{cpu_s / bare_s:.1f}"
