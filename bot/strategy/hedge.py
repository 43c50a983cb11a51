"""The beta hedge: bring the book's beta to a target with one overlay position, if the gap is worth an order.

The rest of the book has beta exposure B = sum of beta_i N_i in USD. A hedge of signed notional x in an instrument of
beta b makes it B + b x, and the target is beta* times the capital V: x = (beta* V - B) / b. With a proportional cost
nothing is done inside a band, and outside it the order goes to the band's edge, where its last dollar is just worth its
cost.
Source: quant reference section 10.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from bot.domain.errors import ConfigRefused
from bot.domain.values import InstrumentId

ROUNDING: Final = 1e-9
"""A beta so little beyond its band stands on the edge that the last order went to."""


class HedgeParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the beta hedge aims at and how far it may go.

    Raises `ConfigRefused` for impossible values.
    """

    enabled: bool = True
    """Off: beta is reported and nothing is hedged."""
    target_beta: float = 0.0
    """Beta of the whole book per unit of equity to bring it to."""
    benchmark: str = "BTC"
    """The coin whose perpetual is the market that beta is measured against."""
    band: float = 0.05
    """No order while the beta stands within this of the target; outside, the order goes to the edge."""
    notional_share_max: float = 1.0
    """Most notional of the hedge, as a share of equity."""
    leverage: float = 2.0
    """Leverage ceiling of the hedge's leg: notional over the margin set aside for it."""
    risk_weight_bps: float = 150.0
    """k: what a beta gap of one is worth avoiding over a week (aversion 2 times a year's market variance of 0.4, times
    7 / 365). A dear instrument widens the band to c / (k beta), c its cost one way; 150 leaves 0.05 up to 7.5 bp."""
    horizon_h: float = 168.0
    """How long a hedge is expected to stay: over it its funding is counted beside what opening and closing cost."""
    switch_gain_share: float = 0.3
    """The instrument in use is left for another only if that one scores better by this share."""

    def __post_init__(self) -> None:
        """Refuse impossible values in one line naming the key."""
        if not (self.benchmark and self.benchmark == self.benchmark.strip().upper()):
            raise ConfigRefused(f"hedge.benchmark = {self.benchmark!r}: a coin, upper case (\"BTC\")")
        for key, (low, high) in _RANGES.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise ConfigRefused(f"hedge.{key} = {value}: must lie between {low} and {high}")


_RANGES: dict[str, tuple[float, float]] = {
    "target_beta": (-3.0, 3.0),
    "band": (0.0, 1.0),
    "notional_share_max": (0.0, 10.0),
    "leverage": (1.0, 5.0),
    "risk_weight_bps": (1.0, 10_000.0),
    "horizon_h": (1.0, 8760.0),
    "switch_gain_share": (0.0, 10.0),
}


class HedgeInstrument(msgspec.Struct, frozen=True, kw_only=True):
    """One perp that could carry the hedge: everything the choice needs. Unknown numbers keep it out of the choice."""

    instrument: InstrumentId
    beta: float | None
    cost_bps: float | None
    """Of opening and closing, of notional: fees, half spreads, impact."""
    funding_bps_h: float | None
    """Expected rate per hour; longs pay a positive one, shorts receive it."""
    notional_max_usd: float
    """The most it may carry by its own caps: depth, margin, leverage, limits."""
    step_usd: float = 0.0
    """One lot in USD; sizes are cut to whole lots."""
    smallest_usd: float = 0.0
    """The venue's smallest order."""


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """The hedge to hold, and why. `notional_usd` is what to hold, not what to trade."""

    instrument: InstrumentId | None
    """None: no position is held and none is wanted."""
    notional_usd: float
    """Signed: negative is short."""
    reason: str
    """`to_edge`, `capped`, `switched_off`; or what is held stays: `in_band`, `below_smallest`, `no_instrument`,
    `beta_unknown`, `equity_unknown`."""
    beta_before: float | None
    """Of the whole book with the hedge as held, per unit of equity."""
    beta_after: float | None
    """With the hedge as wanted."""
    band: float
    """The half-width used: the larger of the setting and what the instrument's cost asks for."""
    cap_usd: float | None = None
    """What capped it, if it was."""


class HedgeHeld(msgspec.Struct, frozen=True):
    """The hedge as it is."""

    instrument: InstrumentId | None = None
    notional_usd: float = 0.0


def overlay_notional_usd(exposure_usd: float, target_beta: float, capital_usd: float, hedge_beta: float) -> float:
    """Signed notional of a hedge of beta b that brings the exposure to beta* V: (beta* V - B) / b.

    100 M long at beta 1.4, target 1.1, hedge beta 0.9: -33.3 M (gross 133.3 M); to be neutral: -155.6 M.

    Raises:
        ValueError: if the hedge has no beta.
    """
    if hedge_beta == 0.0 or not math.isfinite(hedge_beta):
        raise ValueError(f"hedge beta {hedge_beta}: an instrument without beta hedges nothing")
    return (target_beta * capital_usd - exposure_usd) / hedge_beta


def weights_for_beta(first_beta: float, second_beta: float, target_beta: float) -> tuple[float, float]:
    """Weights of two assets that sum to one and have the target beta; both long if it lies between theirs.

    Betas 1.4 and 0.9, target 1.1: 40 % and 60 %.

    Raises:
        ValueError: if both betas are equal.
    """
    if first_beta == second_beta:
        raise ValueError(f"both betas are {first_beta}: no weights change the book's")
    first = (target_beta - second_beta) / (first_beta - second_beta)
    return first, 1.0 - first


def minimum_variance_ratio(correlation: float, book_sd: float, hedge_sd: float) -> tuple[float, float]:
    """Hedge notional per unit of book that leaves least variance, rho s_p / s_h, and the volatility left.

    Args:
        correlation: of the book's and the hedge's returns, in [-1, 1].
        book_sd, hedge_sd: volatilities over the same period; the hedge's positive.
    """
    return correlation * book_sd / hedge_sd, book_sd * math.sqrt(max(1.0 - correlation**2, 0.0))


def choose_instrument(
    candidates: tuple[HedgeInstrument, ...], side: float, params: HedgeParams, in_use: InstrumentId | None = None,
) -> HedgeInstrument | None:
    """The candidate with the most |beta| per unit of cost, counting the funding it pays or earns on that side.

    The score is |beta| / (cost + funding over the horizon), the denominator never below a tenth of the cost: funding
    that pays for the hedge makes an instrument better, not free. The one in use is kept unless another is clearly
    better. Ties go to the name.

    Args:
        side: sign of the beta that the hedge must add; a negative-beta instrument takes the other side.
    """
    scored: list[tuple[float, InstrumentId, HedgeInstrument]] = []
    for each in candidates:
        if each.beta is None or each.cost_bps is None or each.funding_bps_h is None or each.notional_max_usd <= 0.0:
            continue
        if not (abs(each.beta) > 1e-6 and math.isfinite(each.beta) and math.isfinite(each.funding_bps_h)):
            continue
        position_side = math.copysign(1.0, side * each.beta)
        cost_bps = max(each.cost_bps, 0.01)
        price_bps = max(cost_bps + position_side * each.funding_bps_h * params.horizon_h, 0.1 * cost_bps)
        scored.append((abs(each.beta) / price_bps, each.instrument, each))
    if not scored:
        return None
    best = min(scored, key=lambda row: (-row[0], row[1]))
    for score, name, each in scored:
        if name == in_use and best[0] <= score * (1.0 + params.switch_gain_share):
            return each
    return best[2]


def plan_hedge(
    exposure_usd: float | None, equity_usd: float | None, held: HedgeHeld, candidates: tuple[HedgeInstrument, ...],
    params: HedgeParams,
) -> Hedge:
    """The hedge to hold for a book whose other positions have this beta exposure.

    Args:
        exposure_usd: sum of beta_i times signed notional over everything but the hedge; None if a beta is unknown.
        equity_usd: the capital that the target speaks of; None if unknown.
    """
    if not params.enabled:
        return _result(HedgeHeld(), "switched_off", None, None, params.band)
    if exposure_usd is None or not math.isfinite(exposure_usd):
        return _result(held, "beta_unknown", None, None, params.band)
    if equity_usd is None or not (math.isfinite(equity_usd) and equity_usd > 0.0):
        return _result(held, "equity_unknown", None, None, params.band)
    beta_of = {each.instrument: each.beta for each in candidates}
    held_beta = 0.0 if held.instrument is None or held.notional_usd == 0.0 else beta_of.get(held.instrument)
    if held_beta is None:
        return _result(held, "beta_unknown", None, None, params.band)
    before = (exposure_usd + held_beta * held.notional_usd) / equity_usd
    in_use = held.instrument if held.notional_usd != 0.0 else None
    side = params.target_beta - exposure_usd / equity_usd
    chosen = choose_instrument(candidates, side, params, in_use)
    if chosen is None or chosen.beta is None:
        return _result(held, "no_instrument", before, before, params.band)
    band = max(params.band, _cost_band(chosen, chosen.beta, params))
    gap = params.target_beta - before
    if abs(gap) <= band + ROUNDING and in_use in (None, chosen.instrument):
        return _result(held, "in_band", before, before, band)
    start_usd = held.notional_usd if chosen.instrument == in_use else 0.0
    return _sized(exposure_usd, equity_usd, before, start_usd, chosen, chosen.beta, band, params)


def _result(
    held: HedgeHeld, reason: str, before: float | None, after: float | None, band: float, cap_usd: float | None = None,
) -> Hedge:
    instrument = held.instrument if held.notional_usd != 0.0 else None
    return Hedge(instrument=instrument, notional_usd=held.notional_usd, reason=reason, beta_before=before,
                 beta_after=after, band=band, cap_usd=cap_usd)


def _cost_band(chosen: HedgeInstrument, beta: float, params: HedgeParams) -> float:
    """c / (k beta): inside it, the last dollar of the order costs more than it saves."""
    return 0.5 * (chosen.cost_bps or 0.0) / (params.risk_weight_bps * abs(beta))


def _sized(
    exposure_usd: float, equity_usd: float, before: float, start_usd: float, chosen: HedgeInstrument, beta: float,
    band: float, params: HedgeParams,
) -> Hedge:
    """The hedge in the chosen instrument that brings the book to the band's nearer edge, in lots and under its cap.

    Args:
        start_usd: what is held in it already: the position moves no further than the edge asks.
    """
    def gap_with(notional_usd: float) -> float:
        return params.target_beta - (exposure_usd + beta * notional_usd) / equity_usd

    gap = gap_with(start_usd)
    edge = params.target_beta - math.copysign(min(abs(gap), band), gap)
    wanted_usd = overlay_notional_usd(exposure_usd, edge, equity_usd, beta)
    target_usd = overlay_notional_usd(exposure_usd, params.target_beta, equity_usd, beta)
    sized_usd = start_usd + _move_usd(wanted_usd - start_usd, target_usd - start_usd, chosen)
    if 0.0 < abs(sized_usd) < chosen.smallest_usd and abs(gap_with(0.0)) <= band:
        sized_usd = 0.0  # the book stays in its band without what is left of the hedge
    cap_usd = min(chosen.notional_max_usd, params.notional_share_max * equity_usd)
    capped = abs(sized_usd) > cap_usd
    if capped:
        lots = math.floor(cap_usd / chosen.step_usd + 1e-9) if chosen.step_usd > 0.0 else 0
        sized_usd = math.copysign(lots * chosen.step_usd if chosen.step_usd > 0.0 else cap_usd, sized_usd)
    elif abs(gap_with(sized_usd)) >= max(abs(gap), band + ROUNDING):
        sized_usd = start_usd
    reason = "capped" if capped else ("below_smallest" if sized_usd == start_usd else "to_edge")
    after = params.target_beta - gap_with(sized_usd)
    return _result(HedgeHeld(chosen.instrument, sized_usd), reason, before, after, band, cap_usd if capped else None)


def _move_usd(to_edge_usd: float, to_target_usd: float, chosen: HedgeInstrument) -> float:
    """The move to the band's edge as an order: at least the smallest, in whole lots rounded up.

    A lot less is taken where rounding up overshoots the target by more than that would leave.
    """
    move_usd = max(abs(to_edge_usd), chosen.smallest_usd)
    if chosen.step_usd > 0.0:
        lots = math.ceil(move_usd / chosen.step_usd - 1e-9)
        over_usd = lots * chosen.step_usd - abs(to_target_usd)
        short_usd = chosen.step_usd - over_usd
        fits = (lots - 1) * chosen.step_usd >= chosen.smallest_usd
        move_usd = (lots - 1 if over_usd > max(short_usd, 0.0) and fits else lots) * chosen.step_usd
    return math.copysign(move_usd, to_edge_usd if to_edge_usd != 0.0 else to_target_usd)
