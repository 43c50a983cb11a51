"""What it costs to enter and to leave a pair: fees, half-spreads and slippage of the four fills, in bp of notional."""

from __future__ import annotations

import msgspec

from bot.domain.events import Quote
from bot.domain.instrument import Instrument
from bot.domain.values import Side
from bot.market.book import LADDER_BPS


class LegCosts(msgspec.Struct, frozen=True):
    """One leg, in and out, in bp of its notional."""

    fee_in_bps: float
    fee_out_bps: float
    half_spread_bps: float
    """Paid by each of the two fills; 0 for a maker leg."""
    slippage_in_bps: float
    """Beyond the touch, from walking the ladder at the intended size."""
    slippage_out_bps: float
    depth_multiple: float
    """Visible depth per lot wanted, the thinner side."""


class PairCosts(msgspec.Struct, frozen=True):
    """Both legs: four fills, in bp of the pair's notional. Computed once per pair and decision."""

    fees_in_bps: float
    fees_out_bps: float
    spread_in_bps: float
    spread_out_bps: float
    slippage_in_bps: float
    slippage_out_bps: float
    depth_multiple: float

    @property
    def in_bps(self) -> float:
        """All of entering."""
        return self.fees_in_bps + self.spread_in_bps + self.slippage_in_bps

    @property
    def out_bps(self) -> float:
        """All of leaving."""
        return self.fees_out_bps + self.spread_out_bps + self.slippage_out_bps


def leg_costs(
    instrument: Instrument, quote: Quote, side: Side, quantity_lots: int, maker: bool = False,
) -> LegCosts | None:
    """Costs of opening `quantity_lots` on `side` and closing them, on this quote; None: a side has no quantity.

    What the ladder cannot fill is priced at its worst level; `depth_multiple` then lies below 1. A maker pays the maker
    fee, no spread and no slippage.
    """
    if quote.bid_ticks <= 0 or quote.ask_ticks < quote.bid_ticks or quote.bid_lots <= 0 or quote.ask_lots <= 0:
        return None
    wanted = max(quantity_lots, 1)
    multiple = max(min(quote.bid_lots, quote.ask_lots), quote.depth_lots) / wanted
    if maker:
        fee_bps = float(instrument.maker_fee) * 1e4
        return LegCosts(fee_bps, fee_bps, 0.0, 0.0, 0.0, multiple)
    fee_bps = float(instrument.taker_fee) * 1e4
    half_spread = (quote.ask_ticks - quote.bid_ticks) / (quote.ask_ticks + quote.bid_ticks) * 1e4
    return LegCosts(
        fee_bps, fee_bps, half_spread,
        _slippage_bps(quote, side, wanted), _slippage_bps(quote, side.opposite, wanted), multiple,
    )


def pair_costs(long_leg: LegCosts, short_leg: LegCosts) -> PairCosts:
    """The four fills together."""
    spread = long_leg.half_spread_bps + short_leg.half_spread_bps
    return PairCosts(
        fees_in_bps=long_leg.fee_in_bps + short_leg.fee_in_bps,
        fees_out_bps=long_leg.fee_out_bps + short_leg.fee_out_bps,
        spread_in_bps=spread,
        spread_out_bps=spread,
        slippage_in_bps=long_leg.slippage_in_bps + short_leg.slippage_in_bps,
        slippage_out_bps=long_leg.slippage_out_bps + short_leg.slippage_out_bps,
        depth_multiple=min(long_leg.depth_multiple, short_leg.depth_multiple),
    )


def _slippage_bps(quote: Quote, side: Side, quantity_lots: int) -> float:
    """Average price beyond the touch when walking the ladder, in bp of the touch.

    The same sum as `walk(ladder(quote, side))`, without building the ladder: this runs for every leg of every decision.
    """
    touch, left = (quote.ask_ticks, quote.ask_lots) if side is Side.BUY else (quote.bid_ticks, quote.bid_lots)
    if quantity_lots <= left:
        return 0.0
    left = quantity_lots - left
    share, rest = divmod(max(quote.depth_lots - (quantity_lots - left), 0), len(LADDER_BPS))
    beyond = step = worst = 0
    for index, bps in enumerate(LADDER_BPS):
        step = max(touch * bps // 10_000, step + 1)
        size = share + (1 if index < rest else 0)
        if size <= 0 or touch + side * step <= 0:
            continue
        worst = step
        taken = size if size < left else left
        beyond += taken * step
        left -= taken
        if not left:
            break
    return (beyond + left * worst) / (quantity_lots * touch) * 1e4
