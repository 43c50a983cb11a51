"""What a cut in size implies: for the volatility that asked for it, for liquidation, and for CAPM's risk-free rate.

The worked example is "12 % expected, 7 % premium, size cut by 30 %" (quant-reference 17.4); see `SizeCut`.
"""

from __future__ import annotations

import math

import msgspec

from bot.quant.leverage_cap import Side, distance_of


class SizeCut(msgspec.Struct, frozen=True, kw_only=True):
    """A position cut by a share of its notional while its margin stays.

    Under volatility targeting, cutting by c means that volatility stands 1 / (1 - c) - 1 above target: 30 % cut, 43 %.
    At 5x with 0.4 % maintenance the cut to 3.5x moves a long's liquidation from -19.7 % to -28.3 %: it survives a
    shock of -25 %, not one of -45 %.
    """

    volatility_over_target: float
    leverage_after: float
    move_before: float
    """Signed relative move of the mark that liquidates, before and after; NaN where no move does."""
    move_after: float

    def survives(self, move: float) -> bool:
        """Whether the position after the cut outlives this relative move of the mark."""
        if math.isnan(self.move_after):
            return True
        return move > self.move_after if self.move_after < 0 else move < self.move_after


def size_cut(cut: float, leverage: float, maintenance_rate: float, side: Side = "long") -> SizeCut:
    """The implications of cutting notional by `cut` with margin left in place.

    Raises:
        ValueError: for a cut outside [0, 1) or a leverage not above 0.
    """
    if not 0.0 <= cut < 1.0:
        raise ValueError(f"cut {cut} must be at least 0 and below 1")
    if not leverage > 0.0:
        raise ValueError(f"leverage {leverage} must be above 0")
    after = leverage * (1.0 - cut)
    return SizeCut(
        volatility_over_target=1.0 / (1.0 - cut) - 1.0, leverage_after=after,
        move_before=_liquidating_move(side, leverage, maintenance_rate),
        move_after=_liquidating_move(side, after, maintenance_rate),
    )


def _liquidating_move(side: Side, leverage: float, maintenance_rate: float) -> float:
    """Signed relative move that liquidates; NaN if none does."""
    distance = distance_of(side, 1.0 / leverage, maintenance_rate)
    if math.isinf(distance):
        return math.nan
    return math.expm1(distance) if side == "short" else math.expm1(-distance)


def beta_limit(expected: float, market_premium: float) -> float:
    """The beta beyond which the implied risk-free rate is negative: 12 % over 7 % is 1.71.

    Raises:
        ValueError: unless the premium is above 0.
    """
    if not market_premium > 0:
        raise ValueError(f"market premium {market_premium} must be above 0")
    return expected / market_premium
