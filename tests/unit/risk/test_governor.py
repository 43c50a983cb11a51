"""The governor of a book: nothing is added beyond the soft share, the book is cut at the limit, every cut says why."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bot.domain.values import InstrumentId
from bot.risk.governor import Bounds, TailFigures, cut_pro_rata, largest_share, review
from bot.risk.stress import StressLimits, StressResult, StressSheet

RATES = {"a": 0.01, "b": 0.03, "c": -0.005}
"""Expected shortfall per unit of each pair; `c` lowers it."""


def tail_of(sizes: Mapping[str, float]) -> TailFigures:
    parts = {key: RATES[key] * size for key, size in sizes.items()}
    return TailFigures(es_usd=sum(parts.values()), var_usd=0.0, by_pair=parts, method="fhs")


def unknown_tail(sizes: Mapping[str, float]) -> TailFigures:
    return TailFigures(es_usd=float("nan"), var_usd=float("nan"), by_pair={}, method="", reason="tail_rows_min")


def result(pnl_pct: float, *, liquidated: bool = False) -> StressResult:
    return StressResult(
        name="melt_up", text="", history=True, pnl_usd=pnl_pct * 10.0, pnl_pct=pnl_pct, margin_left_usd=None,
        liquidated=(InstrumentId("x"),) if liquidated else (), naked_usd=0.0, delta_end_usd=0.0, topped_up_usd=0.0,
        shrunk_pct=0.0, costs_usd=0.0)


def stress_of(sizes: Mapping[str, float]) -> StressSheet:
    return StressSheet(equity_usd=1_000.0, results=(result(-sum(sizes.values()) / 100.0),))


def calm(sizes: Mapping[str, float]) -> StressSheet | None:
    return None


def bounds(es_usd: float = 100.0) -> Bounds:
    return Bounds(equity_usd=1_000.0, es_limit_usd=es_usd, soft_share=0.8, stress=StressLimits(stress_accepted=()))


def test_a_book_within_its_limits_is_left_alone() -> None:
    """No cut, and the figures of the book that stays."""
    found = review({}, {"a": 1_000.0}, bounds(), tail_of, calm)
    assert found.sizes == {"a": 1_000.0}
    assert found.cuts == ()
    assert found.tail.es_usd == pytest.approx(10.0)


def test_additions_stop_at_the_soft_share() -> None:
    """What would bring the shortfall beyond 80 % of the limit is cut, what is held is not."""
    found = review({"a": 2_000.0}, {"a": 2_000.0, "b": 4_000.0}, bounds(), tail_of, calm)
    assert found.sizes["a"] == 2_000.0
    assert found.tail.es_usd == pytest.approx(80.0, rel=1e-3)
    assert [(cut.limit, cut.pair) for cut in found.cuts] == [("es_soft", "b")]
    assert found.cuts[0].value == pytest.approx(140.0)
    assert found.cuts[0].allowed == pytest.approx(80.0)


def test_a_held_book_between_soft_and_hard_stays_and_gets_nothing_new() -> None:
    """New risk is refused whole; the held pair keeps its size."""
    found = review({"a": 9_000.0}, {"a": 9_000.0, "b": 100.0}, bounds(), tail_of, calm)
    assert found.sizes == {"a": 9_000.0, "b": 0.0}


def test_a_book_over_the_hard_limit_is_cut_pro_rata_by_component() -> None:
    """Each pair gives up its own share of the shortfall; a pair that lowers it is not touched."""
    held = {"a": 3_000.0, "b": 4_000.0, "c": 2_000.0}
    found = review(held, held, bounds(), tail_of, calm)
    assert found.tail.es_usd == pytest.approx(95.0, rel=1e-3)
    assert found.sizes["c"] == 2_000.0
    assert found.sizes["a"] / 3_000.0 == pytest.approx(found.sizes["b"] / 4_000.0)
    assert {cut.limit for cut in found.cuts} == {"es"}


def test_an_unknown_tail_adds_nothing_and_cuts_nothing() -> None:
    """Fail closed: what would be added is not; what is held is left to the margin keeper."""
    found = review({"a": 1_000.0}, {"a": 1_500.0, "b": 500.0}, bounds(), unknown_tail, calm)
    assert found.sizes == {"a": 1_000.0, "b": 0.0}
    assert {cut.limit for cut in found.cuts} == {"es_soft"}


def test_pairs_that_shrink_stay_as_wanted() -> None:
    """The governor never enlarges a target, and a closing pair is no addition."""
    found = review({"a": 9_000.0}, {"a": 100.0}, bounds(), tail_of, calm)
    assert found.sizes == {"a": 100.0}
    assert not review({"a": 9_000.0}, {"a": 0.0}, bounds(), tail_of, calm).cuts


def test_stress_stops_additions_at_its_soft_share_and_names_the_scenario() -> None:
    """8 % of equity is the most an addition may bring the worst scenario to."""
    found = review({}, {"c": 1_600.0}, bounds(), tail_of, stress_of)
    assert found.cuts[0].limit == "stress_soft:melt_up"
    assert 700.0 <= found.sizes["c"] <= 800.0
    assert found.stress is not None
    assert not found.stress.breaches(StressLimits(stress_accepted=()))


def test_stress_over_the_hard_limit_cuts_every_pair_alike() -> None:
    """A held book whose worst scenario costs too much shrinks as a whole."""
    held = {"a": 900.0, "c": 600.0}
    found = review(held, held, bounds(), tail_of, stress_of)
    assert {cut.limit for cut in found.cuts} == {"stress:melt_up"}
    assert sum(found.sizes.values()) <= 950.0
    assert found.sizes["a"] / 900.0 == pytest.approx(found.sizes["c"] / 600.0)


def test_a_liquidation_in_a_history_is_a_breach_by_itself() -> None:
    """However small the loss."""
    def liquidates(sizes: Mapping[str, float]) -> StressSheet:
        return StressSheet(equity_usd=1e3, results=(result(-0.1, liquidated=sum(sizes.values()) > 500.0),))

    found = review({}, {"a": 800.0}, bounds(), tail_of, liquidates)
    assert found.cuts[0].limit == "stress_soft:melt_up"
    assert found.sizes["a"] <= 500.0


def test_an_empty_book_is_not_stressed() -> None:
    """Nothing held and nothing wanted."""
    assert review({}, {"a": 0.0}, bounds(), tail_of, stress_of).stress is None


def test_a_cut_falls_back_to_the_whole_book_when_no_component_says_where() -> None:
    """A shortfall that no pair's component explains scales everything."""
    def blind(sizes: Mapping[str, float]) -> TailFigures:
        return TailFigures(es_usd=sum(sizes.values()), var_usd=0.0, by_pair=dict.fromkeys(sizes, 0.0), method="fhs")

    cut = cut_pro_rata({"a": 60.0, "b": 40.0}, blind, 50.0)
    assert cut == {"a": pytest.approx(30.0, rel=1e-4), "b": pytest.approx(20.0, rel=1e-4)}


@pytest.mark.parametrize(("edge", "share"), [(2.0, 1.0), (0.25, 0.25), (-1.0, 0.0)])
def test_the_largest_share_that_fits(edge: float, share: float) -> None:
    """All, some, or none."""
    assert largest_share(lambda s: s <= edge) == pytest.approx(share, abs=1e-5)
