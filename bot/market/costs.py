"""What it costs to enter and to leave a pair: fees, half-spreads and slippage of the four fills, in bp of notional."""

from __future__ import annotations

import msgspec

from bot.domain.events import Quote
from bot.domain.instrument import Instrument
from bot.domain.values import Side
from bot.market.book import LADDER_BPS


class LegCosts(msgspec.Struct, frozen=True, gc=False):
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


class PairCosts(msgspec.Struct, frozen=True, gc=False):
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


class LegPrices:
    """One leg's costs at one quote for any quantity: what does not depend on the quantity is worked out once.

    The same sums as `walk(ladder(quote, side))`, without building a ladder for each: this runs for every leg of every
    decision. `empty`: a side has no quantity, so nothing can be said.
    """

    __slots__ = (
        "_buy_levels", "_half_spread_bps", "_instrument", "_quote", "_sell_levels", "_taker_fee_bps", "_visible_lots",
        "empty",
    )

    def __init__(self, instrument: Instrument, quote: Quote) -> None:
        bid, ask = quote.bid_ticks, quote.ask_ticks
        self.empty = bid <= 0 or ask < bid or quote.bid_lots <= 0 or quote.ask_lots <= 0
        if self.empty:
            return
        self._instrument = instrument
        self._quote = quote
        self._visible_lots = max(min(quote.bid_lots, quote.ask_lots), quote.depth_lots)
        self._taker_fee_bps = float(instrument.taker_fee) * 1e4
        self._half_spread_bps = (ask - bid) / (ask + bid) * 1e4
        self._buy_levels: list[tuple[int, int]] | None = None
        self._sell_levels: list[tuple[int, int]] | None = None

    def costs(self, side: Side, quantity_lots: int, maker: bool = False) -> LegCosts | None:
        """Costs of opening `quantity_lots` on `side` and closing them; None: a side has no quantity.

        What the ladder cannot fill is priced at its worst level; `depth_multiple` then lies below 1. A maker pays the
        maker fee, no spread and no slippage.
        """
        if self.empty:
            return None
        wanted = max(quantity_lots, 1)
        multiple = self._visible_lots / wanted
        if maker:
            fee_bps = float(self._instrument.maker_fee) * 1e4
            return LegCosts(fee_bps, fee_bps, 0.0, 0.0, 0.0, multiple)
        buying, selling = self._slippage_bps(True, wanted), self._slippage_bps(False, wanted)
        if side is Side.SELL:
            buying, selling = selling, buying
        return LegCosts(self._taker_fee_bps, self._taker_fee_bps, self._half_spread_bps, buying, selling, multiple)

    def _slippage_bps(self, buy: bool, quantity_lots: int) -> float:
        """Average price beyond the touch when walking the ladder, in bp of the touch."""
        quote = self._quote
        touch, first = (quote.ask_ticks, quote.ask_lots) if buy else (quote.bid_ticks, quote.bid_lots)
        if quantity_lots <= first:
            return 0.0
        left = quantity_lots - first
        levels = self._buy_levels if buy else self._sell_levels
        if levels is None:
            levels = _levels(touch, max(quote.depth_lots - first, 0), buy)
            if buy:
                self._buy_levels = levels
            else:
                self._sell_levels = levels
        beyond = worst = 0
        for step, size in levels:
            worst = step
            if left <= size:
                return (beyond + left * step) / (quantity_lots * touch) * 1e4
            beyond += size * step
            left -= size
        return (beyond + left * worst) / (quantity_lots * touch) * 1e4


def _levels(touch_ticks: int, behind_lots: int, buy: bool) -> list[tuple[int, int]]:
    """(ticks beyond the touch, lots) of the levels behind it; one at or below a price of zero is none."""
    share, rest = divmod(behind_lots, len(LADDER_BPS))
    step, found = 0, []
    for index, bps in enumerate(LADDER_BPS):
        step = max(touch_ticks * bps // 10_000, step + 1)
        size = share + 1 if index < rest else share
        if size > 0 and (buy or step < touch_ticks):
            found.append((step, size))
    return found


def leg_costs(
    instrument: Instrument, quote: Quote, side: Side, quantity_lots: int, maker: bool = False,
) -> LegCosts | None:
    """`LegPrices.costs` of one quantity."""
    return LegPrices(instrument, quote).costs(side, quantity_lots, maker)


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
