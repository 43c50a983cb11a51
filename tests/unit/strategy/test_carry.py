"""The judgement of a pair: what opens it, keeps it, ends it, and what it says when it cannot know."""

from __future__ import annotations

import msgspec
import pytest

from bot.domain.values import NS_PER_HOUR, Nanos
from bot.market.basis import BasisTracker
from bot.strategy.carry import judge, judge_entry, judge_hold
from bot.strategy.params import CarryParams
from bot.strategy.verdict import REASONS, Action, PairInputs, PairKind, Verdict
from tests.unit.strategy.worked_pair import START_NS, TAKER, candidate, flat_basis, history, inputs

PARAMS = CarryParams()
RICH = [4.0] * 200
POOR = [0.3] * 200


def term(verdict: Verdict, name: str) -> float:
    """One term of the arithmetic."""
    return dict(verdict.terms_bps)[name]


def test_rich_funding_opens() -> None:
    """Four times the interest component for two months clears four taker fills."""
    verdict = judge_entry(inputs(RICH), PARAMS)
    assert (verdict.action, verdict.reason) == (Action.OPEN, "carry_clears_costs")


def test_poor_funding_stays_idle() -> None:
    """0.3 bp per 8 h never earns back 33 bp within the horizon."""
    verdict = judge_entry(inputs(POOR), PARAMS)
    assert (verdict.action, verdict.reason) == (Action.IDLE, "carry_below_costs")


def test_terms_sum_to_net() -> None:
    """The seven terms of quant reference 3.1 add up to the net that is judged."""
    for verdict in (judge_entry(inputs(RICH, basis_now_bps=4.0), PARAMS), judge(inputs(POOR, held_h=100.0), PARAMS)):
        parts = ("funding", "basis", "fees", "spread", "slippage", "borrow", "hurdle")
        assert sum(term(verdict, name) for name in parts) == pytest.approx(verdict.net_bps, abs=1e-9)
        assert term(verdict, "net") == verdict.net_bps


def test_worked_entry() -> None:
    """Flat 4 bp per 8 h for ever, no hurdle, all of the mean trusted: 90 settlements of 4 bp."""
    params = CarryParams(risk_premium_annual=0.0, mean_weight=1.0, mean_doubt_h=0.0)
    verdict = judge_entry(inputs(RICH), params)
    assert term(verdict, "funding") == pytest.approx(360.0)
    assert term(verdict, "fees") == -30.0
    assert term(verdict, "spread") == -3.0
    assert verdict.net_bps == pytest.approx(360.0 - 33.0, abs=0.6)
    assert verdict.forecast_annual == pytest.approx(4e-4 * 1095)


def test_hurdle_is_charged_on_the_capital() -> None:
    """5 % a year on 1 + 1/3 + 0.1 of capital over 30 days is 58.9 bp of notional."""
    params = CarryParams(risk_premium_annual=0.0)
    verdict = judge_entry(inputs(RICH, hurdle_annual=0.05), params)
    assert term(verdict, "hurdle") == pytest.approx(-0.05 * (1 + 1 / 3 + 0.1) * 720 / 8760 * 1e4)
    assert verdict.hurdle_source == "series"


def test_missing_hurdle_series_uses_the_stated_default() -> None:
    """Without a rate series the parameter is charged, and the verdict says so."""
    verdict = judge_entry(inputs(RICH, hurdle_annual=None), CarryParams(risk_premium_annual=0.0, hurdle_annual=0.05))
    assert verdict.hurdle_source == "default"
    assert term(verdict, "hurdle") == pytest.approx(-0.05 * (1 + 1 / 3 + 0.1) * 720 / 8760 * 1e4)


def test_rich_basis_is_income_and_discount_is_cost() -> None:
    """Entering 12 bp above the median earns it, 12 bp below pays it."""
    rich, poor = (judge_entry(inputs(RICH, basis_now_bps=-3.0 + by), PARAMS) for by in (12.0, -12.0))
    assert term(rich, "basis") == pytest.approx(12.0, abs=0.6)
    assert term(poor, "basis") == pytest.approx(-12.0, abs=0.6)
    assert rich.net_bps - poor.net_bps == pytest.approx(24.0)


def test_the_last_print_is_not_chased() -> None:
    """One settlement at 20 bp after a poor month does not open a pair; two months at 4 bp do."""
    assert judge_entry(inputs([*POOR, 20.0]), PARAMS).action is Action.IDLE


def test_first_negative_print_does_not_close() -> None:
    """Leaving at the first negative print loses more in fees than it saves."""
    verdict = judge_hold(inputs([*RICH, -1.0], held_h=1000.0), PARAMS)
    assert (verdict.action, verdict.reason) == (Action.HOLD, "carry_holds")


def test_persistently_poor_regime_closes() -> None:
    """Half a year below the hurdle closes the pair although funding never turned negative."""
    verdict = judge_hold(inputs([0.2] * 500, held_h=4000.0, hurdle_annual=0.05), PARAMS)
    assert (verdict.action, verdict.reason, verdict.hard) == (Action.CLOSE, "carry_gone", False)


def test_between_the_thresholds_each_stays_as_it_is() -> None:
    """Funding at the hurdle: not entered if flat, not left if in."""
    level = [0.7] * 300
    assert judge(inputs(level), PARAMS).action is Action.IDLE
    assert judge(inputs(level, held_h=500.0), PARAMS).action is Action.HOLD


def test_minimum_hold_delays_a_soft_exit() -> None:
    """A day after opening, four fills have not had their time."""
    poor = [0.2] * 500
    verdict = judge_hold(inputs(poor, held_h=24.0, hurdle_annual=0.05), PARAMS)
    assert (verdict.action, verdict.reason) == (Action.HOLD, "min_hold")


def test_minimum_hold_ends_where_waiting_costs_more_than_leaving() -> None:
    """At -6 bp per 8 h two days of waiting cost more than the way out."""
    bad = [0.5] * 300 + [-9.0] * 15
    assert judge_hold(inputs(bad, held_h=24.0), PARAMS).reason == "carry_gone"


def test_cool_down_blocks_reentry_until_it_has_passed() -> None:
    """23 h after leaving it waits, 25 h after it may open."""
    assert judge_entry(inputs(RICH, closed_h=23.0), PARAMS).reason == "cool_down"
    assert judge_entry(inputs(RICH, closed_h=25.0), PARAMS).action is Action.OPEN


def test_funding_at_the_floor_is_a_hard_exit() -> None:
    """-0.3 % against a short at its floor leaves at once, inside the minimum hold."""
    verdict = judge_hold(inputs([*RICH, -30.0], held_h=1.0), PARAMS)
    assert (verdict.action, verdict.reason, verdict.hard) == (Action.CLOSE, "funding_floor", True)


def test_funding_at_the_cap_in_our_favour_blocks_entry_and_keeps_the_pair() -> None:
    """A capped income is truncated and its market in distress: no entry; a held pair goes on collecting."""
    assert judge_entry(inputs([*RICH, 30.0]), PARAMS).reason == "cap_binding"
    assert judge_hold(inputs([*RICH, 30.0], held_h=500.0), PARAMS).action is Action.HOLD


def test_shortened_interval_against_us_is_a_hard_exit() -> None:
    """The venue moves a falling contract from 8 h to 2 h: what it charges now counts, not what was expected."""
    given = inputs(RICH, held_h=10.0)
    assert given.short_funding is not None
    at_ns = Nanos(given.short_funding.settled_ns + 2 * NS_PER_HOUR)
    given.short_funding.observe(-0.0005, 2, at_ns)
    verdict = judge_hold(msgspec.structs.replace(given, now_ns=at_ns), PARAMS)
    assert (verdict.reason, verdict.hard) == ("interval_shortened", True)


def test_basis_blowout_is_a_hard_exit() -> None:
    """400 bp above a median that moves by half a bp is no noise."""
    assert judge_hold(inputs(RICH, held_h=500.0, basis_now_bps=397.0), PARAMS).reason == "basis_blowout"


def test_basis_in_our_favour_is_never_a_blowout() -> None:
    """A perp 400 bp under spot is a gift to a short."""
    assert judge_hold(inputs(RICH, held_h=500.0, basis_now_bps=-403.0), PARAMS).reason != "basis_blowout"


def test_delisting_closes_even_when_halted() -> None:
    """A leg about to vanish is left, whatever it earns."""
    verdict = judge_hold(inputs(RICH, held_h=5.0, delisting=True, tradable=False), PARAMS)
    assert (verdict.action, verdict.reason, verdict.hard) == (Action.CLOSE, "delisting", True)


def test_halted_leg_blocks_entry_and_keeps_the_pair() -> None:
    """No quote: nothing opens, nothing is sold into nothing."""
    assert judge(inputs(RICH, tradable=False), PARAMS).reason == "leg_halted"
    held = judge(inputs(RICH, tradable=False, held_h=100.0), PARAMS)
    assert (held.action, held.reason) == (Action.HOLD, "leg_halted")


def test_held_pair_judged_blind_is_kept() -> None:
    """Unknown costs change nothing of what is held."""
    given = msgspec.structs.replace(inputs(POOR, held_h=1000.0), costs=None)
    assert judge_hold(given, PARAMS).reason == "data_missing"


def test_held_pair_without_a_known_basis_is_kept() -> None:
    """Neither a missing basis nor one with too few samples blows out."""
    for basis in (None, flat_basis(samples=2)):
        given = msgspec.structs.replace(inputs(POOR, held_h=1000.0, basis_now_bps=900.0), basis=basis)
        assert judge_hold(given, PARAMS).reason == "data_missing"


def test_floor_ends_a_pair_even_without_costs() -> None:
    """What is known suffices for a hard exit."""
    given = msgspec.structs.replace(inputs([*RICH, -30.0], held_h=100.0), costs=None)
    assert judge_hold(given, PARAMS).reason == "funding_floor"


@pytest.mark.parametrize(("change", "reason"), [
    ({"short_funding": None}, "funding_unknown"),
    ({"short_funding": history([3.0] * 5)}, "funding_stale"),
    ({"basis": None}, "basis_unknown"),
    ({"basis_now_bps": None}, "basis_unknown"),
    ({"basis": BasisTracker(long_leg=candidate().long_leg, short_leg=candidate().short_leg)}, "basis_warming_up"),
    ({"basis": flat_basis(samples=3)}, "basis_warming_up"),
    ({"costs": None}, "costs_unknown"),
    ({"costs": msgspec.structs.replace(TAKER, depth_multiple=1.5)}, "depth_thin"),
    ({"delisting": True}, "delisting"),
    ({"candidate": candidate(PairKind.REVERSE)}, "borrow_unknown"),
])
def test_what_is_missing_is_a_reason(change: dict[str, object], reason: str) -> None:
    """A missing input never becomes a zero: it is idle, with the reason."""
    verdict = judge_entry(msgspec.structs.replace(inputs(RICH), **change), PARAMS)
    assert (verdict.action, verdict.reason) == (Action.IDLE, reason)
    assert reason in REASONS


def test_short_history_is_warming_up() -> None:
    """Eight settlements are no history."""
    assert judge_entry(inputs([4.0] * 8), PARAMS).reason == "funding_warming_up"


def test_short_history_trusts_its_mean_less() -> None:
    """The same rate for five days promises less than for two months."""
    assert judge_entry(inputs([4.0] * 15), PARAMS).net_bps < judge_entry(inputs(RICH), PARAMS).net_bps


def two_perps(long_8h_bps: float, short_8h_bps: float) -> PairInputs:
    """An hourly short leg against an 8 h long leg, both 60 days old."""
    base = inputs([long_8h_bps] * 180)
    return msgspec.structs.replace(
        base, candidate=candidate(PairKind.PERP_PERP), long_funding=base.short_funding,
        short_funding=history([short_8h_bps] * (179 * 8 + 1), interval_h=1),
        costs=msgspec.structs.replace(TAKER, fees_in_bps=9.5, fees_out_bps=9.5),
    )


def test_two_perps_are_compared_on_one_clock() -> None:
    """An hourly 3 bp per 8 h against an 8-hourly 1 bp per 8 h earns 2 bp per 8 h, not 3 / 8 - 1."""
    params = CarryParams(risk_premium_annual=0.0, mean_weight=1.0, mean_doubt_h=0.0)
    verdict = judge_entry(two_perps(1.0, 3.0), params)
    assert term(verdict, "funding") == pytest.approx(180.0)
    assert verdict.action is Action.OPEN
    assert verdict.capital_per_notional == pytest.approx(2 / 3 + 0.1)


def test_equal_rates_on_two_venues_earn_nothing() -> None:
    """No spread, no trade."""
    verdict = judge_entry(two_perps(3.0, 3.0), PARAMS)
    assert verdict.reason == "carry_below_costs"


def test_perp_pair_needs_both_histories() -> None:
    """The long leg's funding is a cost that must be known."""
    given = msgspec.structs.replace(two_perps(1.0, 3.0), long_funding=None)
    assert judge_entry(given, PARAMS).reason == "funding_unknown"


def test_wilder_pair_ranks_lower() -> None:
    """Equal net carry, but a basis that recently moved 200 bp: rank is per tail loss."""
    wild = flat_basis()
    wild.observe(Nanos(START_NS + 300 * NS_PER_HOUR), 100.0, 102.0)
    calm_verdict = judge_entry(inputs(RICH), PARAMS)
    wild_verdict = judge_entry(msgspec.structs.replace(inputs(RICH), basis=wild), PARAMS)
    assert wild_verdict.net_bps == pytest.approx(calm_verdict.net_bps, abs=1.1)
    assert wild_verdict.rank < 0.5 * calm_verdict.rank


def test_held_pair_may_grow_only_when_it_would_be_entered() -> None:
    """Growth pays entry costs of its own."""
    assert judge_hold(inputs(RICH, held_h=500.0), PARAMS).may_grow
    assert not judge_hold(inputs([0.7] * 300, held_h=500.0), PARAMS).may_grow
    assert not judge_hold(inputs([*RICH, 30.0], held_h=500.0), PARAMS).may_grow


def test_judging_changes_nothing() -> None:
    """A verdict leaves the states it read as they were, and says the same twice."""
    given = inputs(RICH)
    before = msgspec.msgpack.encode((given.short_funding, given.basis))
    assert judge(given, PARAMS) == judge(given, PARAMS)
    assert msgspec.msgpack.encode((given.short_funding, given.basis)) == before


def test_holding_needs_a_held_pair() -> None:
    """Asking whether to keep nothing is a mistake of the caller."""
    with pytest.raises(ValueError, match="held pair"):
        judge_hold(inputs(RICH), PARAMS)
