"""A small run told event by event, and a long synthetic one to look at."""

from __future__ import annotations

import math
import random
from decimal import Decimal

from bot.domain.events import DeadlineReached
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, Nanos
from bot.engine.step import CandidateRecord, DecisionRecord, Note, Step
from bot.engine.view import AttributionView
from bot.research.equity_curve import RunOutcome
from bot.research.run_document import RunIdentity, RunReport
from bot.research.run_recorder import RunRecorder
from bot.research.run_report import build_report

START_NS = 1_609_459_200 * 1_000_000_000
"""2021-01-01 00:00 UTC."""
IDENTITY = RunIdentity(version="0.1.0", config_hash="c0ffee12" * 8, data_hash="dada5e7" * 9, code_hash="c0de" * 16,
                       seed=7, fill_model="taker on bars", kind="backtest")


def note(name: str, **keys: object) -> Note:
    """A note as the engine writes it: all values are text."""
    return Note(name, tuple((key, str(value)) for key, value in keys.items()))


def attribution(*, price: str = "0", basis: str = "0", funding: str = "0", fees: str = "0", slippage: str = "0",
                borrow: str = "0") -> AttributionView:
    """Parts with their sum."""
    total = sum((Decimal(part) for part in (price, basis, funding, fees, slippage, borrow)), Decimal(0))
    return AttributionView(price=price, basis=basis, funding=funding, fees=fees, slippage=slippage, borrow=borrow,
                           total=str(total))


def day_closed(day: int, equity: str, *, btc: str = "30000", **parts: str) -> Note:
    """The note of the day that ends `day` days after the start."""
    values = {name: parts.get(name, "0") for name in ("price", "basis", "funding", "fees", "slippage", "borrow")}
    return note("day_closed", at_ns=START_NS + day * NS_PER_DAY, equity_usd=equity, **values, unhedged_usd="0",
                gross_usd="0", btc_price=btc)


def tell(recorder: RunRecorder, at_ns: int, *notes: Note, record: DecisionRecord | None = None) -> None:
    """One deadline that led to these notes."""
    recorder.seen(DeadlineReached(Nanos(at_ns)), Step(notes=notes, record=record))


def decision(at_ns: int, *reasons: str) -> DecisionRecord:
    """A rebalance with one candidate per reason."""
    candidates = tuple(CandidateRecord(coin="BTC", long_leg="a:BTC/USDT", short_leg="a:BTC/USDT:USDT", verdict="idle",
                                       reason=reason, terms_bps=()) for reason in reasons)
    return DecisionRecord(decision_id="d", at_ns=Nanos(at_ns), mode="RUN", mode_reasons=(), equity_usd="1", actions=(),
                          candidates=candidates, binding=(), data_age_ns_max=0)


def long_run(days: int = 1_641, seed: int = 3) -> RunReport:
    """Years of made-up carry: rich in 2021, idle in 2022, to see how the report looks."""
    rng = random.Random(seed)
    recorder = RunRecorder()
    funding, basis, fees, slip, btc = 0.0, 0.0, 0.0, 0.0, 30_000.0
    start = 100_000.0
    for day in range(1, days):
        at = START_NS + day * NS_PER_DAY
        year = 2021 + day // 365
        rich = {2021: 0.9, 2022: 0.15, 2023: 0.5, 2024: 0.7}.get(year, 0.2)
        active = rng.random() < rich
        funding += 25.0 * rich * (1 + rng.gauss(0, 0.4)) if active else 0.0
        basis += rng.gauss(0, 28) - 0.03 * basis
        fees -= 3.1 * rich if active else 0.0
        slip -= 0.4 * rich if active else 0.0
        btc *= math.exp(rng.gauss(0.0005, 0.03))
        equity = start + funding + basis + fees + slip
        hours = [note("idle_hours", at_ns=at + h * NS_PER_HOUR, idle="0" if active else "1",
                      reason="" if active else rng.choice(("carry_below_costs", "carry_below_costs", "basis_unknown",
                                                           "cooling_down"))) for h in range(24)]
        closed = day_closed(day, f"{equity:.2f}", btc=f"{btc:.2f}", basis=f"{basis:.2f}", funding=f"{funding:.2f}",
                            fees=f"{fees:.2f}", slippage=f"{slip:.2f}")
        tell(recorder, at, closed, *hours, record=decision(at, "carry_below_costs", "held"))
        if day % 45 == 0:
            tell(recorder, at, *pair_story(day, rng))
    parts = attribution(basis=f"{basis:.2f}", funding=f"{funding:.2f}", fees=f"{fees:.2f}", slippage=f"{slip:.2f}")
    end = f"{Decimal(parts.total) + 100_000:.2f}"
    outcome = RunOutcome(start_ns=START_NS, end_ns=START_NS + days * NS_PER_DAY, start_equity_usd="100000",
                         end_equity_usd=end, attribution=parts, venue_equity_change_usd=parts.total, wall_s=18.24,
                         cpu_s=17.9)
    return build_report(recorder, IDENTITY, outcome, coverage_rows())


def pair_story(day: int, rng: random.Random) -> tuple[Note, Note]:
    """One imbalance and one pair that closed."""
    coin = rng.choice(("BTC", "ETH", "SOL"))
    net = rng.gauss(40, 80)
    pair = note("pair_closed", pair_id=f"pair-{day}", coin=coin, long_leg=f"binance:{coin}/USDT",
                short_leg=f"bybit:{coin}/USDT:USDT", notional_usd="24900.50",
                open_ns=START_NS + (day - 30) * NS_PER_DAY,
                close_ns=START_NS + day * NS_PER_DAY, funding_usd=f"{net + 30:.2f}", forecast_usd="90.00",
                fees_usd="-28.10", net_usd=f"{net:.2f}", exit_reason="carry_below_exit")
    return note("unhedged", seconds=rng.randrange(1, 45), notional_pct=rng.random()), pair


def coverage_rows() -> list[dict[str, object]]:
    """Coverage as the history reader might state it."""
    return [{"series": f"{venue}:{coin} {kind}", "rows": 39_384, "covered_pct": 100.0 - 0.01 * place, "gaps": place,
             "stand_in": "own close" if place == 2 else None}
            for place, (venue, coin, kind) in enumerate(
                (v, c, k) for v in ("binance", "bybit") for c in ("BTC", "ETH") for k in ("spot", "perp", "funding"))]
