"""The last gate: every limit holds at its bound, refuses beyond it and at NaN; a reducing order always passes."""

from __future__ import annotations

import math

import msgspec
import pytest

from bot.domain.orders import ApprovedOrder, Refusal
from bot.domain.values import Nanos, Side
from bot.risk.limits import RUNAWAY, Exposure, Shrunk, approve_reducing, review
from bot.risk.params import RiskLimits
from tests.unit.execution.scenes import T0, intent

LIMITS = RiskLimits()
CALM = Exposure(
    blocked="", equity_usd=100_000.0, order_notional_usd=1_000.0, distance_bps=3.0, gross_usd=0.0, venue_gross_usd=0.0,
    venue_perp_usd=0.0, venue_futures_equity_usd=50_000.0, is_perp=True, data_age_s=1.0, data_age_s_max=5.0,
    orders_last_minute=0, notional_last_hour_usd=0.0,
)
AT_BOUND: list[tuple[str, dict[str, float], str]] = [
    ("data_age_s_max", {"data_age_s": 5.0}, "data_age_s"),
    ("order_notional_max_usd", {"order_notional_usd": 250_000.0}, "order_notional_usd"),
    ("price_collar_bps", {"distance_bps": 600.0}, "distance_bps"),
    ("gross_leverage_max", {"gross_usd": 299_000.0}, "gross_usd"),
    ("venue_share_max", {"venue_gross_usd": 299_000.0}, "venue_gross_usd"),
    ("notional_per_hour_max_x", {"notional_last_hour_usd": 1_999_000.0}, "notional_last_hour_usd"),
    ("perp_leverage_max", {"venue_perp_usd": 249_000.0}, "venue_perp_usd"),
]


def judged(exposure: Exposure, lots: int = 1) -> ApprovedOrder | Shrunk | Refusal:
    return review(intent(lots), exposure, LIMITS, T0, 7)


@pytest.mark.parametrize(("limit", "bound", "field"), AT_BOUND, ids=[row[0] for row in AT_BOUND])
def test_a_limit_allows_its_bound_and_refuses_beyond_and_what_is_not_known(
    limit: str, bound: dict[str, float], field: str,
) -> None:
    """R5 and R7: worst case at the bound passes, a hair more is refused by that limit's name, and so is NaN."""
    at = msgspec.structs.replace(CALM, **bound)
    room = {"venue_futures_equity_usd": 1e9} if field != "venue_perp_usd" else {}
    wide = msgspec.structs.replace(at, **room)
    assert isinstance(judged(wide), ApprovedOrder)
    for worse in (math.nextafter(bound[field], math.inf) + 1e-6, math.nan, math.inf):
        verdict = judged(msgspec.structs.replace(wide, **{field: worse}))
        assert isinstance(verdict, Refusal)  # one lot cannot be shrunk
        assert verdict.limit == limit


SIZES: list[tuple[str, dict[str, float]]] = [
    ("gross_leverage_max", {"gross_usd": 299_500.0, "venue_futures_equity_usd": 1e9}),
    ("venue_share_max", {"venue_gross_usd": 299_500.0, "venue_futures_equity_usd": 1e9}),
    ("perp_leverage_max", {"venue_perp_usd": 249_500.0}),
    ("leverage_cap", {"pool_needs_usd": 50_400.0, "pool_needs_without_usd": 49_600.0}),
]


@pytest.mark.parametrize(("limit", "change"), SIZES, ids=[row[0] for row in SIZES])
def test_an_order_beyond_a_limit_on_size_is_shrunk_to_what_is_left(limit: str, change: dict[str, float]) -> None:
    """Half of each fits: the limit, its value and what is allowed are on record, and what leaves is just below half."""
    verdict = judged(msgspec.structs.replace(CALM, **change), lots=1_000)
    assert isinstance(verdict, Shrunk)
    assert (verdict.cut.limit, verdict.cut.shrunk_to_lots) == (limit, verdict.order.intent.quantity_lots)
    assert verdict.cut.intent.quantity_lots == 1_000
    assert verdict.cut.value > verdict.cut.allowed
    assert 499 <= verdict.order.intent.quantity_lots <= 500


def test_the_tightest_limit_says_how_much_is_left() -> None:
    """Two limits are broken: what leaves obeys both, and the tighter one is named."""
    verdict = judged(msgspec.structs.replace(CALM, gross_usd=299_500.0, venue_perp_usd=249_900.0), lots=1_000)
    assert isinstance(verdict, Shrunk)
    assert verdict.cut.limit == "perp_leverage_max"
    assert 99 <= verdict.order.intent.quantity_lots <= 100


@pytest.mark.parametrize(("change", "lots"), [({"lots_step": 150}, 450), ({"lots_least": 499}, 499),
                                              ({"lots_least": 501}, None), ({"lots_step": 600}, None)])
def test_a_shrunk_size_is_one_that_both_venues_take(change: dict[str, int], lots: int | None) -> None:
    """Whole steps of the pair's grid, and no less than the venue's minimum: else the order is refused."""
    verdict = judged(msgspec.structs.replace(CALM, gross_usd=299_500.0, venue_futures_equity_usd=1e9, **change), 1_000)
    if lots is None:
        assert isinstance(verdict, Refusal)
        assert (verdict.limit, verdict.shrunk_to_lots) == ("gross_leverage_max", 0)
    else:
        assert isinstance(verdict, Shrunk)
        assert verdict.order.intent.quantity_lots in (lots, lots + 1)


@pytest.mark.parametrize("change", [
    {"gross_usd": 300_000.0}, {"gross_usd": 400_000.0}, {"gross_usd": math.nan}, {"orders_last_minute": 500},
    {"distance_bps": 1e4}, {"notional_last_hour_usd": 1e9}, {"order_notional_usd": 260_000.0},
])
def test_no_size_helps_where_nothing_is_left_or_size_is_not_the_matter(change: dict[str, float]) -> None:
    """Room of nothing, an unknown, a runaway, a price: refused, although a limit on size is broken beside."""
    exposure = msgspec.structs.replace(CALM, venue_futures_equity_usd=1e9, venue_gross_usd=299_500.0)
    assert isinstance(judged(exposure, 1_000), Shrunk)
    assert isinstance(judged(msgspec.structs.replace(exposure, **change), 1_000), Refusal)


def test_the_hundred_and_twentieth_order_of_a_minute_is_the_last() -> None:
    """F29; it is a runaway, as is too much notional within an hour."""
    assert isinstance(judged(msgspec.structs.replace(CALM, orders_last_minute=119)), ApprovedOrder)
    verdict = judged(msgspec.structs.replace(CALM, orders_last_minute=120))
    assert isinstance(verdict, Refusal)
    assert (verdict.limit, verdict.value, verdict.allowed) == ("orders_per_minute_max", 121.0, 120.0)
    assert {"orders_per_minute_max", "notional_per_hour_max_x", "notional_per_day_max_x", "equal_orders_max",
            "round_trips_per_day_max"} == RUNAWAY


@pytest.mark.parametrize("equity", [-1.0, math.nan])
def test_an_account_without_equity_opens_nothing(equity: float) -> None:
    """Below zero, or not known."""
    verdict = judged(msgspec.structs.replace(CALM, equity_usd=equity))
    assert isinstance(verdict, Refusal)
    assert verdict.limit == "equity_min_usd"


def test_spot_does_not_count_against_the_perp_leverage() -> None:
    """A coin bought needs no futures collateral."""
    exposure = msgspec.structs.replace(CALM, venue_futures_equity_usd=0.0, is_perp=False)
    assert isinstance(judged(exposure), ApprovedOrder)
    assert isinstance(judged(msgspec.structs.replace(exposure, is_perp=True)), Refusal)


def test_a_mode_refuses_by_its_reason() -> None:
    """The reason is part of the limit's name."""
    verdict = judged(msgspec.structs.replace(CALM, blocked="kill"))
    assert isinstance(verdict, Refusal)
    assert verdict.limit == "mode_kill"


@pytest.mark.parametrize(("lots", "ticks"), [(0, 1), (-1, 1), (1, 0)])
def test_an_order_of_nothing_is_refused(lots: int, ticks: int) -> None:
    """No lots or no price is no order."""
    verdict = review(intent(lots, ticks=ticks), CALM, LIMITS, T0, 7)
    assert isinstance(verdict, Refusal)
    assert verdict.limit == "order_lots_min"


def test_a_reducing_order_is_never_refused() -> None:
    """I19: whatever the mode, the equity, the age of data or the number of orders."""
    worst = msgspec.structs.replace(
        CALM, blocked="kill", equity_usd=math.nan, order_notional_usd=1e12, distance_bps=math.nan, data_age_s=math.inf,
        orders_last_minute=10**6, gross_usd=math.nan, notional_last_hour_usd=math.inf)
    verdict = review(intent(side=Side.SELL, reduces=True), worst, LIMITS, Nanos(9), 7)
    assert verdict == ApprovedOrder(intent(side=Side.SELL, reduces=True), Nanos(9), 7)


@pytest.mark.parametrize("wrong", [intent(), intent(0, reduces=True), intent(reduces=True, ticks=0)])
def test_the_open_door_takes_reducing_orders_only(wrong: object) -> None:
    """What is approved unseen must be what it says."""
    with pytest.raises(ValueError, match="not a reducing order"):
        approve_reducing(wrong, T0, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [
    {"gross_leverage_max": 10.1}, {"perp_leverage_max": 0.0}, {"price_collar_bps": 1001.0},
    {"daily_loss_stop_pct": 21.0}, {"drawdown_stop_pct": 51.0}, {"margin_reduce_share": 0.7},
    {"data_age_s_max": 61.0}, {"reconcile_s": 5.0},
])
def test_a_limit_beyond_the_cap_in_code_is_refused(change: dict[str, float]) -> None:
    """No configuration takes the guard rails away; the message names the key."""
    with pytest.raises(ValueError, match=next(iter(change))):
        RiskLimits(**change)  # type: ignore[arg-type]


def test_the_hedge_has_a_cap_of_its_own_and_is_shrunk_to_it() -> None:
    """Others' orders know nothing of it; beyond it an order gets what is left; an unknown size refuses."""
    hedge = msgspec.structs.replace(CALM, hedge_usd=10_000.0, hedge_allowed_usd=10_000.0)
    assert isinstance(judged(hedge), ApprovedOrder)
    beyond = judged(msgspec.structs.replace(hedge, hedge_usd=10_500.0), lots=10)
    assert isinstance(beyond, Shrunk)
    assert beyond.cut.limit == "hedge_notional_share_max"
    assert beyond.order.intent.quantity_lots < 10
    for unknown in (math.nan, 12_000.0):
        verdict = judged(msgspec.structs.replace(hedge, hedge_usd=unknown))
        assert isinstance(verdict, Refusal)
        assert verdict.limit == "hedge_notional_share_max"
