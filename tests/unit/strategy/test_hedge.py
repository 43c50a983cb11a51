"""The beta hedge: worked cases, the band, the choice of instrument, and what it does when it does not know."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec.structs import replace

from bot.domain.errors import ConfigRefused
from bot.domain.values import InstrumentId
from bot.strategy.hedge import (
    Hedge,
    HedgeHeld,
    HedgeInstrument,
    HedgeParams,
    choose_instrument,
    minimum_variance_ratio,
    overlay_notional_usd,
    plan_hedge,
    weights_for_beta,
)

BTC = HedgeInstrument(instrument=InstrumentId("binance:BTC-PERP"), beta=1.0, cost_bps=12.0, funding_bps_h=0.0,
                      notional_max_usd=1e6)
ETH = replace(BTC, instrument=InstrumentId("binance:ETH-PERP"), beta=1.25)
NOTHING = HedgeHeld()
PARAMS = HedgeParams()


def plan(exposure_usd: float | None, held: HedgeHeld = NOTHING, *candidates: HedgeInstrument,
         equity_usd: float | None = 10_000.0, params: HedgeParams = PARAMS) -> Hedge:
    """A plan for 10,000 USD, with BTC to hedge in unless said."""
    return plan_hedge(exposure_usd, equity_usd, held, candidates or (BTC,), params)


def test_a_hundred_million_long_at_beta_1_4_to_1_1_is_short_33_million() -> None:
    """B = 140 M; x = (110 - 140) / 0.9 = -33.3 M: gross 133.3 M, beta (140 - 30) / 100."""
    x = overlay_notional_usd(1.4 * 100e6, 1.1, 100e6, 0.9)
    assert x == pytest.approx(-33.33e6, rel=1e-3)
    assert 100e6 + abs(x) == pytest.approx(133.33e6, rel=1e-3)
    assert (1.4 * 100e6 + 0.9 * x) / 100e6 == pytest.approx(1.1)


def test_neutral_takes_155_million_short() -> None:
    """A target of 1.1 is not neutral: zero needs 140 / 0.9."""
    assert overlay_notional_usd(1.4 * 100e6, 0.0, 100e6, 0.9) == pytest.approx(-155.56e6, rel=1e-4)


def test_weights_that_sum_to_one_are_forty_sixty_and_both_long() -> None:
    """The same target without an overlay: 0.4 x 1.4 + 0.6 x 0.9 = 1.1."""
    assert weights_for_beta(1.4, 0.9, 1.1) == pytest.approx((0.4, 0.6))
    with pytest.raises(ValueError, match="both betas"):
        weights_for_beta(1.0, 1.0, 0.5)


def test_the_seeds_case_planned_as_one_order() -> None:
    """100 M at 1.4, hedge beta 0.9, band 0: the whole overlay at once."""
    params = HedgeParams(target_beta=1.1, band=0.0, risk_weight_bps=10_000.0)
    eth = HedgeInstrument(instrument=InstrumentId("okx:ETH-PERP"), beta=0.9, cost_bps=0.0, funding_bps_h=0.0,
                          notional_max_usd=1e9)
    found = plan(140e6, NOTHING, eth, equity_usd=100e6, params=params)
    assert found.notional_usd == pytest.approx(-33.33e6, rel=1e-3)
    assert (found.beta_before, found.beta_after) == pytest.approx((1.4, 1.1))


def test_minimum_variance_ratio_is_the_regression_slope() -> None:
    """rho s_p / s_h on samples equals the slope; what is left has volatility s_p sqrt(1 - rho^2)."""
    rng = np.random.default_rng(0)
    hedge = rng.standard_normal(5_000)
    book = 0.7 * hedge + rng.standard_normal(5_000)
    rho = float(np.corrcoef(book, hedge)[0, 1])
    ratio, left = minimum_variance_ratio(rho, float(book.std()), float(hedge.std()))
    assert ratio == pytest.approx(float(np.polyfit(hedge, book, 1)[0]))
    assert left == pytest.approx(float((book - ratio * hedge).std()))


def test_inside_the_band_nothing_is_done() -> None:
    """Beta 0.049 of equity with band 0.05."""
    found = plan(490.0)
    assert (found.reason, found.instrument, found.notional_usd) == ("in_band", None, 0.0)
    assert found.beta_after == found.beta_before == pytest.approx(0.049)


def test_outside_the_band_the_order_goes_to_its_edge() -> None:
    """Beta 0.20: short 1,500 of 10,000, which leaves 0.05; short books are hedged long."""
    assert plan(2_000.0).notional_usd == pytest.approx(-1_500.0)
    assert plan(2_000.0).beta_after == pytest.approx(0.05)
    assert plan(-2_000.0).notional_usd == pytest.approx(1_500.0)
    assert plan(2_000.0).reason == "to_edge"


def test_a_hedge_held_is_adjusted_from_where_it_is() -> None:
    """Exposure falls to 500: the short of 1,500 is cut to where the other edge is; a small drift does nothing."""
    held = HedgeHeld(BTC.instrument, -1_500.0)
    assert plan(1_000.0, held).notional_usd == pytest.approx(-1_500.0)
    assert plan(500.0, held).notional_usd == pytest.approx(-1_000.0)
    assert plan(500.0, held).beta_after == pytest.approx(-0.05)
    assert plan(1_600.0, held).reason == "in_band"


def test_a_dear_instrument_widens_the_band() -> None:
    """60 bp for a round trip: 30 / (150 x 1) = 0.2; twice the beta halves it."""
    dear = replace(BTC, cost_bps=60.0)
    assert plan(2_000.0, NOTHING, dear).band == pytest.approx(0.2)
    assert plan(2_000.0, NOTHING, replace(dear, beta=2.0)).band == pytest.approx(0.1)


def test_the_cost_band_is_where_one_more_dollar_costs_what_it_saves() -> None:
    """Minimise k gap^2 / 2 + c |trade| over a fine grid: the minimum is where the plan goes."""
    dear = replace(BTC, cost_bps=60.0, beta=1.3)
    found = plan(5_000.0, NOTHING, dear)
    x = np.linspace(-6_000.0, 0.0, 600_001)
    gap = (5_000.0 + 1.3 * x) / 10_000.0
    cost = PARAMS.risk_weight_bps / 2 * gap**2 + 30.0 * np.abs(x) / 10_000.0
    assert found.notional_usd == pytest.approx(float(x[int(np.argmin(cost))]), abs=0.1)


def test_the_cheaper_beta_is_chosen() -> None:
    """At equal cost the higher beta needs less notional; dearer by more than its beta it loses."""
    assert choose_instrument((BTC, ETH), -1.0, PARAMS) == ETH
    assert choose_instrument((BTC, replace(ETH, cost_bps=16.0)), -1.0, PARAMS) == BTC


def test_funding_counts_on_the_side_that_is_taken() -> None:
    """A short receives positive funding, a long pays it: the same rates choose differently."""
    paying = replace(ETH, funding_bps_h=0.1)
    assert choose_instrument((BTC, paying), -1.0, PARAMS) == paying
    assert choose_instrument((BTC, paying), 1.0, PARAMS) == BTC
    inverse = replace(BTC, beta=-1.0, funding_bps_h=0.1)
    assert choose_instrument((BTC, inverse), -1.0, PARAMS) == BTC


def test_ties_go_to_the_name_and_the_one_in_use_stays_unless_clearly_worse() -> None:
    """Equal scores: alphabetical. A fifth better is not worth two more trades; half better is."""
    twin = replace(BTC, instrument=InstrumentId("a:BTC-PERP"))
    assert choose_instrument((BTC, twin), -1.0, PARAMS) == twin
    assert choose_instrument((BTC, replace(ETH, beta=1.2)), -1.0, PARAMS, BTC.instrument) == BTC
    assert choose_instrument((BTC, replace(ETH, beta=1.5)), -1.0, PARAMS, BTC.instrument) == replace(ETH, beta=1.5)


def test_switching_moves_the_whole_hedge() -> None:
    """The better instrument carries all of it: 1,500 of beta in one of 1.5 are 1,000."""
    better = replace(ETH, beta=1.5)
    found = plan(2_000.0, HedgeHeld(BTC.instrument, -1_500.0), BTC, better)
    assert found.instrument == better.instrument
    assert found.notional_usd == pytest.approx(-1_000.0)
    assert found.beta_after == pytest.approx(0.05)


def test_instruments_that_are_not_known_are_no_choice() -> None:
    """No beta, no cost, no funding, no room, or a beta of nothing: the hedge stays as it is and says so."""
    for hole in ({"beta": None}, {"cost_bps": None}, {"funding_bps_h": None}, {"notional_max_usd": 0.0}, {"beta": 0.0},
                 {"beta": math.nan}, {"funding_bps_h": math.nan}):
        found = plan(2_000.0, NOTHING, replace(BTC, **hole))
        assert (found.reason, found.notional_usd) == ("no_instrument", 0.0)


def test_unknown_beta_or_equity_holds_what_is_held() -> None:
    """Never a trade on a missing number."""
    held = HedgeHeld(BTC.instrument, -700.0)
    for found, reason in (
        (plan(None, held), "beta_unknown"), (plan(math.nan, held), "beta_unknown"),
        (plan(2_000.0, held, equity_usd=None), "equity_unknown"),
        (plan(2_000.0, held, equity_usd=0.0), "equity_unknown"),
        (plan(2_000.0, held, ETH), "beta_unknown"), (plan(2_000.0, held, replace(BTC, beta=None)), "beta_unknown"),
    ):
        assert (found.reason, found.notional_usd, found.instrument) == (reason, -700.0, BTC.instrument)
        assert found.beta_after is None


def test_caps_bound_the_hedge_and_are_named() -> None:
    """By the instrument's room or by the share of equity: what is left unhedged shows in beta_after."""
    small = plan(2_000.0, NOTHING, replace(BTC, notional_max_usd=600.0))
    assert (small.reason, small.notional_usd, small.cap_usd) == ("capped", -600.0, 600.0)
    assert small.beta_after == pytest.approx(0.14)
    share = plan(20_000.0, params=HedgeParams(notional_share_max=0.5))
    assert (share.notional_usd, share.cap_usd) == (-5_000.0, 5_000.0)


def test_whole_lots_end_inside_the_band() -> None:
    """1,500 in lots of 400 is 1,600; one lot of 3,000 overshoots by less than it helps, one of 5,000 does not."""
    assert plan(2_000.0, NOTHING, replace(BTC, step_usd=400.0)).notional_usd == pytest.approx(-1_600.0)
    assert plan(2_000.0, NOTHING, replace(BTC, step_usd=3_000.0)).notional_usd == pytest.approx(-3_000.0)
    coarse = plan(2_000.0, NOTHING, replace(BTC, step_usd=5_000.0))
    assert (coarse.notional_usd, coarse.reason) == (0.0, "below_smallest")
    assert plan(2_000.0, NOTHING, replace(BTC, step_usd=400.0, notional_max_usd=1_550.0)).notional_usd == -1_200.0


def test_a_gap_smaller_than_the_smallest_order_takes_the_smallest_order() -> None:
    """50 USD beyond the band with a smallest order of 100 goes 50 into the band: beta is inside at every rebalance."""
    found = plan(550.0, NOTHING, replace(BTC, smallest_usd=100.0))
    assert (found.reason, found.notional_usd) == ("to_edge", -100.0)
    assert found.beta_after == pytest.approx(0.045)


def test_an_order_that_would_leave_the_band_on_the_other_side_is_not_made() -> None:
    """Beta 0.055 and a smallest order of 0.11 of equity: it would only turn the gap around."""
    found = plan(550.0, NOTHING, replace(BTC, smallest_usd=1_100.0))
    assert (found.reason, found.notional_usd, found.instrument) == ("below_smallest", 0.0, None)


def test_a_hedge_that_became_too_small_is_closed_if_the_book_stays_in_band() -> None:
    """Held short 600, exposure gone: the edge asks for -500, which is no order of its own; flat is in the band."""
    found = plan(0.0, HedgeHeld(BTC.instrument, -600.0), replace(BTC, smallest_usd=550.0))
    assert (found.notional_usd, found.instrument, found.beta_after) == (0.0, None, 0.0)


def test_switched_off_it_wants_nothing() -> None:
    """What was held is closed; nothing is opened."""
    off = HedgeParams(enabled=False)
    assert plan(2_000.0, HedgeHeld(BTC.instrument, -700.0), params=off).notional_usd == 0.0
    assert plan(2_000.0, params=off).reason == "switched_off"


def test_an_instrument_without_beta_hedges_nothing() -> None:
    """Dividing by it is a caller's mistake."""
    with pytest.raises(ValueError, match="hedges nothing"):
        overlay_notional_usd(1.0, 0.0, 1.0, 0.0)


def test_impossible_settings_are_refused_with_their_bound() -> None:
    """One line with key, value and range."""
    with pytest.raises(ConfigRefused, match=r"hedge.band = 2.0: must lie between 0.0 and 1.0"):
        HedgeParams(band=2.0)
