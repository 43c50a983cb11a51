"""The sizing options in the engine: a decision that adds asks them, names what bound, and can be repeated."""

from __future__ import annotations

import pytest

from bot.engine import sizing_desk
from bot.engine.params import EngineParams
from bot.quant.allocation_problem import Allocation as Weights
from bot.quant.allocation_problem import AllocationProblem
from bot.strategy import sizing
from bot.strategy.sizing import SizingParams
from tests.unit.engine.driving import Drive

WEIGHED = SizingParams(rule="mean_variance", kelly_fraction=0.05)


def opened(params: SizingParams) -> Drive:
    """A rich pair, decided and opened under these options."""
    return Drive(params=EngineParams(sizing=params)).run_to_note("pair_opened")


def binding(drive: Drive) -> tuple[str, ...]:
    """What bound the newest decision that opened something."""
    return next(record.binding for record in reversed([s.record for s in drive.steps if s.record is not None])
                if any(action.startswith("open") for action in record.actions))


def test_the_plain_rule_asks_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Default settings never reach the solver or the covariance."""
    monkeypatch.setattr(sizing_desk, "sized", None)
    assert binding(opened(SizingParams()))[0].startswith("coin_share:")


@pytest.mark.parametrize(("params", "limit"), [
    (WEIGHED, "kelly"), (SizingParams(rule="mean_variance", risk_aversion=40.0), "mean_variance"),
])
def test_kelly_and_the_program_size_a_pair_and_the_record_names_them(params: SizingParams, limit: str) -> None:
    """87 % a year of funding, but 38 % of unknown basis volatility: they allow less than the coin's cap."""
    plain, weighed = opened(SizingParams()), opened(params)
    assert 0 < weighed.pair.target_base < plain.pair.target_base
    assert binding(weighed)[0] == f"{limit}:{weighed.pair.long_leg}|{weighed.pair.short_leg}"
    assert weighed.engine.state.governor.not_sized == ""


def test_a_volatility_target_scales_the_book_and_is_kept_in_the_state() -> None:
    """Two per cent a year of a book whose failures alone make more: a scale below one, in the snapshot."""
    target = opened(SizingParams(volatility_target_annual=0.02))
    assert binding(target)[0].startswith("volatility_target:")
    scale = target.engine.state.governor.volatility_scale
    assert scale is not None
    assert 0 < scale < 1


def test_the_same_events_give_the_same_sizes() -> None:
    """Two runs, one record."""
    one, two = opened(WEIGHED), opened(WEIGHED)
    assert [step.record for step in one.steps] == [step.record for step in two.steps]


def test_a_program_without_an_optimum_opens_nothing_and_tells_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hour after hour the reason is noted; the operator is alerted when it begins."""
    def unsolved(problem: AllocationProblem) -> Weights:
        return Weights(weights=problem.held.copy(), optimal=False, reason="infeasible", method="hold",
                              conflict=("margin",))

    monkeypatch.setattr(sizing, "mean_variance", unsolved)
    drive = Drive(params=EngineParams(sizing=WEIGHED)).run(4.0)
    assert drive.orders == []
    assert drive.alerts.count("sizing_not_solved") == 1
    notes = [note for step in drive.steps for note in step.notes if note.name == "sizing_held"]
    assert len(notes) > 1
    assert dict(notes[0].keys)["reason"] == "infeasible (margin)"
    assert drive.engine.state.governor.not_sized == "infeasible"
