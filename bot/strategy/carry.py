"""The judgement of a pair: is its expected net carry worth four fills, and is staying worth more than leaving?

All terms are bp of notional over the horizon (quant reference 3.1), expectations at the instant of the inputs.
"""

from __future__ import annotations

import msgspec

from bot.domain.values import HOURS_PER_YEAR, NS_PER_HOUR
from bot.market.basis import BasisTracker
from bot.market.costs import PairCosts
from bot.market.funding import FundingHistory
from bot.strategy.allocation import capital_of
from bot.strategy.funding_forecast import PairForecast, cap_binding, mean_over, pair_forecast, pinned_against
from bot.strategy.params import CarryParams
from bot.strategy.thresholds import bands
from bot.strategy.verdict import Action, PairInputs, Verdict

TAIL_FUNDING_H = 72.0
"""A pair's tail loss is its own worst recent move of the basis plus so many hours at its own worst recent funding."""


class _Waiting(msgspec.Struct, frozen=True):
    """Being in against being flat, both with the right to change later."""

    value_bps: float
    enter_bps: float
    """Value above which entering pays."""
    exit_bps: float
    """Value below which leaving pays."""


class _Sums:
    """The arithmetic common to both judgements; lives for one judgement."""

    __slots__ = (
        "_solve", "away_bps", "capital", "forecast_annual", "funding_bps", "hurdle_bps", "net_bps", "rank", "source",
        "state_8h_bps", "waiting",
    )

    def __init__(
        self, inputs: PairInputs, forecast: PairForecast, costs: PairCosts, basis: BasisTracker, basis_now_bps: float,
        params: CarryParams,
    ) -> None:
        self.capital = capital_of(inputs.candidate, params, inputs.margin)
        given = inputs.hurdle_annual
        self.source = "default" if given is None else "series"
        yearly = (params.hurdle_annual if given is None else given) + params.risk_premium_annual
        hurdle_h = yearly * self.capital / HOURS_PER_YEAR
        horizon_h = params.horizon_h
        # What exceeds the hurdle is taken to be competed away in part: that is the mean the state returns to.
        weight = params.mean_weight * forecast.hours / (forecast.hours + params.mean_doubt_h)
        mean_h = hurdle_h + weight * (forecast.slow_h - hurdle_h)
        phi_8h = params.phi_8h if inputs.candidate.perp_legs == 1 else params.phi_8h_spread
        expected_h = mean_over(forecast.fast_h, mean_h, phi_8h, horizon_h)
        self.forecast_annual = expected_h * HOURS_PER_YEAR
        self.funding_bps = expected_h * horizon_h * 1e4
        self.hurdle_bps = -hurdle_h * horizon_h * 1e4
        expected_basis = basis.expected_bps(basis_now_bps, horizon_h)
        self.away_bps = basis_now_bps - (basis_now_bps if expected_basis is None else expected_basis)
        in_bps, out_bps = costs.in_bps, costs.out_bps
        self.net_bps = self.funding_bps + self.away_bps + self.hurdle_bps - in_bps - out_bps
        self.state_8h_bps = (forecast.fast_h - hurdle_h) * 8e4
        sd_bps = min(max(forecast.sd_8h * 1e4, params.sd_8h_bps_min), params.sd_8h_bps_max)
        self._solve = ((mean_h - hurdle_h) * 8e4, sd_bps, phi_8h, in_bps, out_bps)
        self.waiting: _Waiting | None = None
        tail_bps = (basis.worst_bps or 0.0) - forecast.worst_h * TAIL_FUNDING_H * 1e4
        self.rank = self.net_bps / (self.capital * max(tail_bps, params.tail_floor_bps))

    def against_waiting(self, params: CarryParams) -> _Waiting:
        """What being in is worth beyond being flat: solved only where the cheap gates have not decided already."""
        if self.waiting is None:
            solution = bands(*self._solve)
            timing = params.basis_timing_bps
            self.waiting = _Waiting(
                value_bps=solution.value_bps(self.state_8h_bps) + min(max(self.away_bps, -timing), timing),
                enter_bps=solution.cost_in_bps, exit_bps=-solution.cost_out_bps - params.exit_buffer_bps,
            )
        return self.waiting

    def terms(self, costs: PairCosts, threshold_bps: float) -> tuple[tuple[str, float], ...]:
        """The sum term by term, all four fills counted, then what was compared with the threshold.

        Borrow is 0 because nothing is borrowed; `value` is there if waiting was weighed.
        """
        value = () if self.waiting is None else (("value", self.waiting.value_bps),)
        return (
            ("funding", self.funding_bps),
            ("basis", self.away_bps),
            ("fees", -costs.fees_in_bps - costs.fees_out_bps),
            ("spread", -costs.spread_in_bps - costs.spread_out_bps),
            ("slippage", -costs.slippage_in_bps - costs.slippage_out_bps),
            ("borrow", 0.0),
            ("hurdle", self.hurdle_bps),
            ("net", self.net_bps),
            *value,
            ("threshold", threshold_bps),
        )


def judge(inputs: PairInputs, params: CarryParams) -> Verdict:
    """The judgement that fits: of staying if the pair is held, else of entering."""
    return judge_entry(inputs, params) if inputs.held is None else judge_hold(inputs, params)


def judge_entry(inputs: PairInputs, params: CarryParams) -> Verdict:
    """Open if expected net over the horizon exceeds the buffer and being in is worth entering now rather than waiting.

    `value` in the terms is what being in is worth beyond being flat; it must exceed `threshold`, the cost of entering.
    Where net alone decides there is no `value`, and the threshold is the buffer that net had to exceed.
    """
    known = _known(inputs, params)
    if isinstance(known, str):
        return _idle(inputs, known)
    sums, costs = known
    held_back = _held_back(inputs, costs, params)
    if held_back is not None:
        action, reason = Action.IDLE, held_back
    elif sums.net_bps <= params.entry_buffer_bps:
        action, reason = Action.IDLE, "carry_below_costs"
    else:
        waiting = sums.against_waiting(params)
        pays = waiting.value_bps > waiting.enter_bps
        action, reason = (Action.OPEN, "carry_clears_costs") if pays else (Action.IDLE, "carry_below_threshold")
    threshold = params.entry_buffer_bps if sums.waiting is None else sums.waiting.enter_bps
    return _verdict(inputs, action, reason, sums, costs, threshold)


def judge_hold(inputs: PairInputs, params: CarryParams) -> Verdict:
    """Stay unless the expected loss of staying until the rate recovers exceeds the cost of leaving, or on a hard exit.

    A pair judged blind (no quote, stale funding) is held: nothing is changed on what is not known. `value` in the terms
    is what staying is worth beyond being flat; below `threshold` (minus the cost of leaving) the pair is left. `net` is
    that of a new entry: it says whether the pair may grow.
    """
    if inputs.held is None:
        raise ValueError("judge_hold needs a held pair")
    if inputs.delisting:
        return Verdict(candidate=inputs.candidate, action=Action.CLOSE, reason="delisting", hard=True)
    if not inputs.tradable:
        return Verdict(candidate=inputs.candidate, action=Action.HOLD, reason="leg_halted")
    hard = _hard_exit(inputs, params)
    known = _known(inputs, params)
    if isinstance(known, str):
        if hard is None:
            return Verdict(candidate=inputs.candidate, action=Action.HOLD, reason="data_missing")
        return Verdict(candidate=inputs.candidate, action=Action.CLOSE, reason=hard, hard=True)
    sums, costs = known
    waiting = sums.against_waiting(params)
    threshold = waiting.exit_bps
    if hard is not None:
        return _verdict(inputs, Action.CLOSE, hard, sums, costs, threshold, hard=True)
    if waiting.value_bps > threshold:
        grow = (
            sums.net_bps > params.entry_buffer_bps and waiting.value_bps > waiting.enter_bps
            and _held_back(inputs, costs, params) is None
        )
        return _verdict(inputs, Action.HOLD, "carry_holds", sums, costs, threshold, may_grow=grow)
    remaining_h = params.min_hold_h - (inputs.now_ns - inputs.held.opened_ns) / NS_PER_HOUR
    if remaining_h > 0.0 and -sums.state_8h_bps * remaining_h / 8.0 < costs.out_bps:
        return _verdict(inputs, Action.HOLD, "min_hold", sums, costs, threshold)
    return _verdict(inputs, Action.CLOSE, "carry_gone", sums, costs, threshold)


def _known(inputs: PairInputs, params: CarryParams) -> tuple[_Sums, PairCosts] | str:
    """The sums, or the first reason why they cannot be formed."""
    if inputs.candidate.blocked:
        return inputs.candidate.blocked
    if inputs.delisting:
        return "delisting"
    if not inputs.tradable:
        return "leg_halted"
    forecast = pair_forecast(inputs.candidate, inputs.long_funding, inputs.short_funding, inputs.now_ns, params)
    if isinstance(forecast, str):
        return forecast
    basis, basis_now_bps, costs = inputs.basis, inputs.basis_now_bps, inputs.costs
    if basis is None or basis_now_bps is None:
        return "basis_unknown"
    if basis.count < params.basis_observations_min:
        return "basis_warming_up"
    if costs is None:
        return "costs_unknown"
    return _Sums(inputs, forecast, costs, basis, basis_now_bps, params), costs


def _held_back(inputs: PairInputs, costs: PairCosts, params: CarryParams) -> str | None:
    """What forbids adding to the pair whatever it would earn."""
    if inputs.closed_ns is not None and inputs.now_ns - inputs.closed_ns < params.cool_down_h * NS_PER_HOUR:
        return "cool_down"
    if costs.depth_multiple < params.depth_multiple_min:
        return "depth_thin"
    if cap_binding(inputs.candidate, inputs.long_funding, inputs.short_funding, params.cap_share):
        return "cap_binding"
    return None


def _hard_exit(inputs: PairInputs, params: CarryParams) -> str | None:
    """The condition that ends a pair whatever was expected of it; None if there is none. Judges the last prints."""
    long_leg, short_leg = _seen(inputs.long_funding), _seen(inputs.short_funding)
    received_h = (0.0 if short_leg is None else short_leg.last_h) - (0.0 if long_leg is None else long_leg.last_h)
    paid_8h_bps = -received_h * 8e4
    if paid_8h_bps > params.cap_exit_bps_8h and (
        pinned_against(inputs.candidate, long_leg, short_leg, params.cap_share)
    ):
        return "funding_floor"
    if paid_8h_bps > params.interval_change_exit_bps_8h and any(
        leg is not None and leg.interval_shortened_within(24.0, inputs.now_ns) for leg in (long_leg, short_leg)
    ):
        return "interval_shortened"
    return "basis_blowout" if _basis_blown_out(inputs, params) else None


def _seen(history: FundingHistory | None) -> FundingHistory | None:
    return history if history is not None and history.count else None


def _basis_blown_out(inputs: PairInputs, params: CarryParams) -> bool:
    """Whether the basis stands beyond both bounds against the pair; unknown is not blown out."""
    basis = inputs.basis
    if basis is None or inputs.basis_now_bps is None:
        return False
    median, sd = basis.median_bps, basis.robust_sd_bps
    if median is None or sd is None:
        return False
    beyond = inputs.basis_now_bps - median
    return beyond > params.basis_blowout_bps and beyond > params.basis_blowout_sd * sd


def _idle(inputs: PairInputs, reason: str) -> Verdict:
    return Verdict(candidate=inputs.candidate, action=Action.IDLE, reason=reason)


def _verdict(
    inputs: PairInputs, action: Action, reason: str, sums: _Sums, costs: PairCosts, threshold_bps: float,
    hard: bool = False, may_grow: bool = False,
) -> Verdict:
    return Verdict(
        candidate=inputs.candidate,
        action=action,
        reason=reason,
        terms_bps=sums.terms(costs, threshold_bps),
        net_bps=sums.net_bps,
        rank=sums.rank,
        forecast_annual=sums.forecast_annual,
        capital_per_notional=sums.capital,
        may_grow=may_grow,
        hurdle_source=sums.source,
        hard=hard,
    )
