"""The whole book with its hedge: one that lowers the figures passes, one that raises them gets what limits leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from bot.risk.governor import Bounds, TailFigures
from bot.risk.hedge_fit import HedgeFit, fit_hedge
from bot.risk.stress import StressLimits, StressResult, StressSheet
from tests.unit.risk.test_governor import bounds, calm, result, unknown_tail

PAIRS = {"a": 5_000.0}
Sizes = Mapping[str, float]


def tail(rate: float, base: float = 50.0) -> Callable[[Sizes], TailFigures]:
    """Shortfall of the pairs and so much per dollar of hedge."""
    def of(sizes: Sizes) -> TailFigures:
        es = base + rate * sizes["hedge"]
        return TailFigures(es_usd=es, var_usd=0.0, by_pair={"hedge": rate * sizes["hedge"], "a": base}, method="fhs")

    return of


def stress(rate_pct: float, base_pct: float = 2.0, liquidates_from: float = 1e9) -> Callable[[Sizes], StressSheet]:
    def of(sizes: Sizes) -> StressSheet:
        size = sizes["hedge"]
        row: StressResult = result(-(base_pct + rate_pct * size), liquidated=size >= liquidates_from)
        return StressSheet(equity_usd=1_000.0, results=(row,))

    return of


def fit(kept: float, full: float, tail_of: Callable[[Sizes], TailFigures],
        stress_of: Callable[[Sizes], StressSheet | None] = calm, limits: Bounds | None = None) -> HedgeFit:
    return fit_hedge("hedge", kept, full, PAIRS, limits or bounds(), tail_of, stress_of)


def test_within_the_limits_it_stands_whole() -> None:
    """No cut, and the figures are the whole book's."""
    found = fit(0.0, 1_000.0, tail(0.01))
    assert (found.size_usd, found.cuts) == (1_000.0, ())
    assert found.tail.es_usd == pytest.approx(60.0)


def test_an_addition_gets_what_the_soft_limit_leaves() -> None:
    """50 of pairs, 80 allowed: 30 for a hedge that costs a hundredth."""
    found = fit(1_000.0, 5_000.0, tail(0.01))
    assert found.size_usd == pytest.approx(3_000.0, rel=1e-4)
    assert [(cut.limit, cut.pair) for cut in found.cuts] == [("es_soft", "hedge")]
    assert found.cuts[0].value == pytest.approx(100.0)
    assert found.cuts[0].allowed == pytest.approx(80.0)


def test_a_hedge_that_lowers_the_tail_passes_though_the_book_is_over_the_soft_limit() -> None:
    """Nothing stands in the way of what makes the book safer."""
    found = fit(0.0, 2_000.0, tail(-0.01, base=95.0))
    assert (found.size_usd, found.cuts) == (2_000.0, ())


def test_what_is_held_over_the_hard_limit_comes_back_under_it() -> None:
    """120 against 100: to 95, the hedge alone gives."""
    found = fit(7_000.0, 7_000.0, tail(0.01))
    assert found.size_usd == pytest.approx(4_500.0, rel=1e-4)
    assert [cut.limit for cut in found.cuts] == ["es"]


def test_it_never_pays_for_what_pairs_alone_are_too_much_of() -> None:
    """Pairs at 98 of 100: the hedge is cut to nothing beyond them, not below nothing."""
    found = fit(1_000.0, 1_000.0, tail(0.01, base=98.0))
    assert found.size_usd == pytest.approx(0.0, abs=1.0)
    assert found.tail.es_usd == pytest.approx(98.0, rel=1e-4)


def test_an_unknown_tail_adds_nothing_and_keeps_what_is_held() -> None:
    """Fail closed for the addition; what is held is the margin keeper's."""
    found = fit(500.0, 2_000.0, unknown_tail)
    assert found.size_usd == pytest.approx(500.0)


def test_stress_leaves_an_addition_its_soft_share() -> None:
    """2 % and 8 % allowed: 6 % at a hundredth of a per cent per dollar."""
    found = fit(0.0, 1_000.0, tail(0.0), stress(0.01))
    assert found.size_usd == pytest.approx(600.0, rel=0.04)
    assert found.cuts[0].limit == "stress_soft:melt_up"
    assert found.stress is not None
    assert -found.stress.results[0].pnl_pct <= 8.0


def test_stress_brings_what_is_held_back_under_the_hard_limit() -> None:
    """12 % against 10: to 9.5."""
    found = fit(1_000.0, 1_000.0, tail(0.0), stress(0.01))
    assert found.size_usd == pytest.approx(750.0, rel=0.04)
    assert found.cuts[0].limit == "stress:melt_up"


def test_a_hedge_that_lowers_the_stress_passes_over_the_limit() -> None:
    """The book loses 15 % without it and 14 with it."""
    found = fit(0.0, 100.0, tail(0.0), stress(-0.01, base_pct=15.0))
    assert (found.size_usd, found.cuts) == (100.0, ())


def test_a_leg_that_a_history_would_liquidate_is_too_large() -> None:
    """No loss to speak of, and still a liquidation."""
    found = fit(0.0, 1_000.0, tail(0.0), stress(0.0, liquidates_from=500.0))
    assert found.size_usd == pytest.approx(500.0, rel=0.07)
    assert found.size_usd < 500.0


def test_accepted_scenarios_do_not_limit() -> None:
    """What an operator accepts by name binds no hedge either."""
    accepted = Bounds(equity_usd=1_000.0, es_limit_usd=100.0, soft_share=0.8,
                      stress=StressLimits(stress_accepted=("venue_lost",)))

    def lost(sizes: Sizes) -> StressSheet:
        row = StressResult(name="venue_lost:alpha", text="", history=True, pnl_usd=-900.0, pnl_pct=-90.0,
                           margin_left_usd=None, liquidated=(), naked_usd=0.0, delta_end_usd=0.0, topped_up_usd=0.0,
                           shrunk_pct=0.0, costs_usd=0.0)
        return StressSheet(equity_usd=1_000.0, results=(row,))

    assert fit(0.0, 1_000.0, tail(0.0), lost, accepted).cuts == ()
