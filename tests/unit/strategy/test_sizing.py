"""Sizing options: Kelly's bound, the program against a search, its caps, hold without an optimum, the target."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from bot.domain.errors import ConfigRefused
from bot.domain.values import Coin
from bot.quant.allocation_problem import Allocation as Weights
from bot.quant.allocation_problem import AllocationProblem
from bot.quant.kelly import kelly_with_jumps
from bot.strategy import sizing
from bot.strategy.allocation import Book, allocate, capital_of
from bot.strategy.params import CarryParams
from bot.strategy.sizing import PairRisk, SizingParams, cost_annual, expected_annual, sized
from bot.strategy.verdict import Action, Candidate, PairKind, Verdict
from tests.unit.strategy.test_allocation import book, verdict
from tests.unit.strategy.worked_pair import candidate

CARRY = CarryParams()
BTC, ETH = candidate(), candidate(coin="ETH")
JUMPS = 0.035 * 0.4**2
YEARLY = 8760 / 720
"""Horizons of 30 days in a year."""


def worth(pair: Candidate, annual: float, action: Action = Action.OPEN, fills_bps: float = 33.0, **more: object
          ) -> Verdict:
    """A judged pair that is expected to earn so much a year over its hurdle, before its fills."""
    terms = (("funding", annual / YEARLY * 1e4 + 32.0), ("basis", 1.0), ("fees", 3.0 - fills_bps), ("spread", -3.0),
             ("slippage", 0.0), ("borrow", 0.0), ("hurdle", -33.0), ("net", 1.0), ("threshold", 10.0))
    return verdict(pair, action=action, terms_bps=terms, **more)  # type: ignore[arg-type]


def risk(verdicts: Sequence[Verdict], sd: float = 0.01, correlation: float = 0.0) -> PairRisk:
    """Pairs of equal volatility."""
    keys = tuple(sorted(each.candidate.key for each in verdicts))
    matrix = sd**2 * (correlation + (1.0 - correlation) * np.eye(len(keys)))
    return PairRisk(keys=keys, covariance=matrix)


def sizes(found: sizing.Sized) -> dict[str, float]:
    return {target.candidate.key: target.notional_usd for target in found.allocation.targets}


def asked(verdicts: list[Verdict], params: SizingParams, at: Book | None = None, *, sd: float = 0.01,
          scale: float | None = None, carry: CarryParams = CARRY) -> sizing.Sized:
    return sized(verdicts, at or book(), carry, params, risk(verdicts, sd), scale)


def test_expected_and_cost_are_the_terms_per_year() -> None:
    """12 % over the hurdle before fills; 33 bp for four fills are 16.5 bp one way, twelve times a year and a bit."""
    one = worth(BTC, 0.12)
    assert expected_annual(one, CARRY) == pytest.approx(0.12)
    assert cost_annual(one, CARRY) == pytest.approx(0.00165 * YEARLY)


def test_without_an_option_rank_and_caps_alone_decide() -> None:
    """The plain rule, to the last digit."""
    verdicts = [worth(BTC, 0.12), worth(ETH, 0.08, rank=0.5)]
    assert SizingParams().plain
    assert asked(verdicts, SizingParams()).allocation == allocate(verdicts, book(), CARRY)


def test_kelly_bounds_a_pair_by_its_own_edge_and_is_named() -> None:
    """A quarter of the growth-optimal size at most: no carry's edge is proven; below the jumps' cost nothing."""
    found = asked([worth(BTC, 0.02)], SizingParams(kelly_fraction=0.5))
    full = kelly_with_jumps(0.02, 0.01, 0.035, 0.4)
    assert isinstance(full, float)
    assert sizes(found) == {BTC.key: pytest.approx(0.25 * full * 10_000)}
    assert found.allocation.binding == (f"kelly:{BTC.key}",)
    nothing = asked([worth(BTC, 0.013)], SizingParams(kelly_fraction=0.5))
    assert [(each.candidate.key, each.reason) for each in nothing.allocation.passed] == [(BTC.key, "kelly")]


def test_a_rich_pair_is_bound_by_its_caps_not_by_kelly() -> None:
    """At 20 % a year a quarter of Kelly is more than the coin may bind."""
    found = asked([worth(BTC, 0.20)], SizingParams(kelly_fraction=0.5))
    assert found.allocation.binding == (f"coin_share:{BTC.key}",)


def test_an_edge_that_cannot_be_sized_adds_nothing_to_what_is_held() -> None:
    """Kelly has no answer to a volatility that is not a number: the pair stays, and a new one is passed."""
    held = worth(BTC, 0.20, Action.HOLD, may_grow=True)
    unknown = PairRisk(keys=tuple(sorted((BTC.key, ETH.key))), covariance=np.full((2, 2), math.nan))
    verdicts = [held, worth(ETH, 0.20)]
    at = book(held={BTC.key: 1_000.0})
    found = sized(verdicts, at, CARRY, SizingParams(kelly_fraction=0.5), unknown)
    assert sizes(found) == {BTC.key: 1_000.0}
    program = sized(verdicts, at, CARRY, SizingParams(rule="mean_variance"), unknown)
    assert program.not_solved == "covariance_unknown"
    assert sizes(program) == {BTC.key: 1_000.0}


def test_the_program_gives_what_a_search_finds() -> None:
    """Two pairs inside their caps, costs counted: no point of a fine grid is worth more."""
    params = SizingParams(rule="mean_variance", risk_aversion=40.0)
    verdicts = [worth(BTC, 0.09), worth(ETH, 0.07, rank=0.5)]
    found = asked(verdicts, params, sd=0.05)
    assert found.not_solved == ""
    weights = [sizes(found)[key] / 10_000 for key in (BTC.key, ETH.key)]
    cost, variance = cost_annual(verdicts[0], CARRY), 0.05**2 + JUMPS

    def worth_of(one: float, two: float) -> float:
        return (0.09 - cost) * one + (0.07 - cost) * two - 20.0 * variance * (one**2 + two**2)

    grid = np.linspace(0.0, 0.27, 100)
    best = max(worth_of(one, two) for one in grid for two in grid)
    assert worth_of(*weights) >= best - 1e-9
    assert weights[0] == pytest.approx((0.09 - cost) / (40.0 * variance), rel=1e-4)
    assert [name.partition(":")[0] for name in found.allocation.binding] == ["mean_variance", "mean_variance"]


def test_the_program_keeps_the_caps_and_names_what_bound_it() -> None:
    """Rich pairs of three coins at two venues: what the program gives passes the caps that `allocate` reads too."""
    pairs = [candidate(kind, coin) for coin in ("BTC", "ETH", "SOL") for kind in (PairKind.SPOT_PERP,
                                                                                PairKind.PERP_PERP)]
    verdicts = [worth(pair, 0.30 + 0.01 * place) for place, pair in enumerate(pairs)]
    at = msgspec.structs.replace(book(venues={"alpha": 5_000.0, "beta": 5_000.0}),
                                 buckets={Coin("BTC"): 0, Coin("ETH"): 0}, bucket_share_max=0.5)
    found = asked(verdicts, SizingParams(rule="mean_variance", turnover_max=10.0), at)
    assert found.not_solved == ""
    plain = allocate(verdicts, at, CARRY)
    assert sum(sizes(found).values()) >= 0.5 * sum(target.notional_usd for target in plain.targets)
    assert {each.partition(":")[0] for each in found.allocation.binding} == {"mean_variance"}
    assert any(each.startswith("mean_variance:group:coin_share:") for each in found.allocation.binding)
    capital: dict[str, float] = {}
    for target in found.allocation.targets:
        bound = target.notional_usd * capital_of(target.candidate, CARRY)
        capital[target.candidate.coin] = capital.get(target.candidate.coin, 0.0) + bound
    assert capital["BTC"] + capital["ETH"] <= 5_000.1
    assert max(capital.values()) <= 4_000.1
    assert sum(capital.values()) <= 9_800.1


def test_turnover_bounds_what_one_decision_moves() -> None:
    """A tenth of equity in notional, whatever there is to earn."""
    found = asked([worth(BTC, 0.30)], SizingParams(rule="mean_variance", turnover_max=0.1))
    assert sum(sizes(found).values()) == pytest.approx(1_000.0, rel=1e-3)


def test_kelly_inside_the_program_is_named_where_it_binds() -> None:
    """The program would take more; its box ends at Kelly's size."""
    found = asked([worth(BTC, 0.05)], SizingParams(rule="mean_variance", kelly_fraction=0.1, risk_aversion=0.5))
    full = kelly_with_jumps(0.05, 0.01, 0.035, 0.4)
    assert isinstance(full, float)
    assert sizes(found)[BTC.key] == pytest.approx(0.1 * full * 10_000, rel=1e-4)
    assert found.allocation.binding[0] == f"kelly:{BTC.key}"


def test_without_an_optimum_the_book_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held pairs keep their size, nothing opens, and the reason is told; never a partial answer."""
    def unsolved(problem: AllocationProblem) -> Weights:
        return Weights(weights=problem.held.copy(), optimal=False, reason="not_solved", method="hold",
                              conflict=("gross",))

    monkeypatch.setattr(sizing, "mean_variance", unsolved)
    held = worth(BTC, 0.20, Action.HOLD, may_grow=True)
    found = asked([held, worth(ETH, 0.20)], SizingParams(rule="mean_variance"), book(held={BTC.key: 1_500.0}))
    assert (found.not_solved, found.conflict) == ("not_solved", ("gross",))
    assert sizes(found) == {BTC.key: 1_500.0}
    assert [each.reason for each in found.allocation.passed] == ["mean_variance_not_solved"]


def test_what_leaves_is_blind_or_in_motion_is_not_resized_by_the_program() -> None:
    """It keeps its capital in the program, even beyond a cap, and the others take what is left."""
    leaving = worth(BTC, -0.10, Action.CLOSE)
    blind = verdict(candidate(coin="SOL"), action=Action.HOLD, reason="leg_halted")
    at = book(held={BTC.key: 3_500.0, candidate(coin="SOL").key: 1_500.0})
    found = asked([leaving, blind, worth(ETH, 0.30)], SizingParams(rule="mean_variance", turnover_max=10.0), at)
    assert found.not_solved == ""
    assert sizes(found)[BTC.key] == 0.0
    assert sizes(found)[blind.candidate.key] == 1_500.0
    assert 0.0 < sizes(found)[ETH.key] < 2_800.0


def test_a_book_too_wild_is_scaled_down_to_its_target() -> None:
    """Failures make 7.5 % a year and unit of notional; half of what the caps give is left at half the volatility."""
    verdicts = [worth(BTC, 0.20), worth(ETH, 0.20, rank=0.5)]
    plain = asked(verdicts, SizingParams())
    wild = asked(verdicts, SizingParams(volatility_target_annual=1.0))
    assert wild.volatility_annual is not None
    assert wild.volatility_annual == pytest.approx(
        math.sqrt(sum((usd / 1e4) ** 2 for usd in sizes(plain).values()) * (1e-4 + JUMPS)))
    assert wild.scale == 1.0
    assert sizes(wild) == sizes(plain)
    target = wild.volatility_annual / 2
    half = asked(verdicts, SizingParams(volatility_target_annual=target))
    assert half.scale == pytest.approx(0.5)
    assert sizes(half) == {key: pytest.approx(usd / 2) for key, usd in sizes(plain).items()}
    assert {each.partition(":")[0] for each in half.allocation.binding} == {"volatility_target"}
    kept = asked(verdicts, SizingParams(volatility_target_annual=target), scale=0.52)
    assert kept.scale == 0.52


def test_the_target_scales_what_the_program_gives() -> None:
    """After the program each stage only shrinks; both are named."""
    params = SizingParams(rule="mean_variance", risk_aversion=40.0, volatility_target_annual=0.005)
    found = asked([worth(BTC, 0.09)], params, sd=0.05)
    assert found.scale is not None
    assert found.volatility_annual is not None
    assert found.scale * found.volatility_annual == pytest.approx(0.005)
    assert found.allocation.binding[0] == f"volatility_target:{BTC.key}"


def test_no_book_and_no_equity_have_no_volatility_to_target() -> None:
    """Nothing would be held: no scale is made up; without equity the plain rule passes everything."""
    params = SizingParams(rule="mean_variance", volatility_target_annual=0.1, kelly_fraction=0.5)
    empty = asked([worth(BTC, 0.0001)], params)
    assert (sizes(empty), empty.scale) == ({}, None)
    broke = asked([worth(BTC, 0.2)], params, book(equity_usd=0.0))
    assert (sizes(broke), broke.volatility_annual) == ({}, None)


@pytest.mark.parametrize("change", [{"kelly_fraction": 1.5}, {"volatility_target_annual": -0.1}, {"risk_aversion": 0.0},
                                    {"jumps_per_year": math.nan}, {"jump_loss": 0.0}, {"turnover_max": 0.0}])
def test_an_impossible_option_is_refused_by_name(change: dict[str, float]) -> None:
    """In one line."""
    with pytest.raises(ConfigRefused, match=f"sizing.{next(iter(change))}"):
        SizingParams(**change)  # type: ignore[arg-type]
