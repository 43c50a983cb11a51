"""The cost of four fills."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.events import Quote
from bot.domain.instrument import Instrument, Kind
from bot.domain.values import Coin, InstrumentId, Side, Venue
from bot.market.book import ladder, walk
from bot.market.costs import LegCosts, leg_costs, pair_costs

SPOT = Instrument(
    id=InstrumentId("alpha:BTC/USDT"), venue=Venue("alpha"), symbol="BTC/USDT", coin=Coin("BTC"), quote="USDT",
    kind=Kind.SPOT, tick_size=Decimal("0.1"), lot_size=Decimal("0.001"), lots_min=1, notional_min_usd=Decimal(5),
    maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.001"),
)
QUOTE = Quote(instrument=SPOT.id, bid_ticks=499_950, ask_ticks=500_050, bid_lots=100, ask_lots=100, depth_lots=1100)


def costs(lots: int, quote: Quote = QUOTE, side: Side = Side.BUY, maker: bool = False) -> LegCosts:
    """The leg's costs, which must be known here."""
    found = leg_costs(SPOT, quote, side, lots, maker)
    assert found is not None
    return found


def test_inside_the_touch_only_fee_and_half_spread() -> None:
    """100 ticks of spread on 500,000 are 2 bp: 1 bp a fill; nothing slips."""
    found = costs(100)
    assert found.half_spread_bps == pytest.approx(1.0)
    assert found.fee_in_bps == pytest.approx(10.0)
    assert (found.slippage_in_bps, found.slippage_out_bps) == (0.0, 0.0)
    assert found.depth_multiple == pytest.approx(11.0)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_slippage_is_what_walking_the_ladder_costs(side: Side) -> None:
    """300 lots: 100 at the touch, 200 at 10 bp; the same that the simulated exchange would take."""
    found = costs(300, side=side)
    taken = walk(ladder(QUOTE, side), side, 300)
    touch = QUOTE.ask_ticks if side is Side.BUY else QUOTE.bid_ticks
    assert found.slippage_in_bps == pytest.approx(abs(taken.cost_ticks / 300 / touch - 1) * 1e4)
    assert found.slippage_in_bps == pytest.approx(10 * 2 / 3, rel=5e-3)
    assert found.slippage_out_bps == pytest.approx(found.slippage_in_bps, rel=5e-3)


def test_more_than_the_book_holds_is_priced_at_its_worst() -> None:
    """Beyond the visible depth the cost grows on and the multiple says so."""
    found = costs(2200)
    assert found.depth_multiple == pytest.approx(0.5)
    assert costs(1100).slippage_in_bps < found.slippage_in_bps < 51.0


def test_maker_pays_its_fee_alone() -> None:
    """No spread, no slippage."""
    assert costs(300, maker=True) == LegCosts(2.0, 2.0, 0.0, 0.0, 0.0, 1100 / 300)


@pytest.mark.parametrize("change", [
    {"bid_lots": 0}, {"ask_lots": 0}, {"bid_ticks": 0}, {"ask_ticks": 499_900},
])
def test_one_sided_or_crossed_quotes_give_no_costs(change: dict[str, int]) -> None:
    """What cannot be traded has no price."""
    assert leg_costs(SPOT, msgspec.structs.replace(QUOTE, **change), Side.BUY, 10) is None


def test_binance_all_taker_round_trip_is_30_bp() -> None:
    """Spot 10 and perp 5 bp, in and out (quant reference 3.1), plus spreads."""
    perp = LegCosts(5.0, 5.0, 0.5, 0.0, 0.0, 50.0)
    both = pair_costs(costs(100), perp)
    assert both.fees_in_bps + both.fees_out_bps == pytest.approx(30.0)
    assert both.in_bps == pytest.approx(15.0 + 1.5)
    assert both.out_bps == pytest.approx(15.0 + 1.5)
    assert both.depth_multiple == pytest.approx(11.0)
