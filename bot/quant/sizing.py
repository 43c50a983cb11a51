"""How large: volatility targeting, a fixed fraction at risk per trade, the band inside which nothing is traded.

Sizes are notional over equity, or USD where the name says so; volatilities annual. Source: quant reference sections 8,
9 and 11.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.no_answer import NoAnswer

Vector = npt.NDArray[np.float64]

VOLATILITY_BAND: Final = 0.10
"""A target scale changes only if it is off by more than this share."""
REBALANCE_BAND: Final = 0.15
"""A weight is traded only if it is off by more than this share of its target."""


class TradeSize(msgspec.Struct, frozen=True):
    """A position whose stop costs a given share of equity."""

    notional_usd: float
    loss_at_stop_usd: float
    """Without slippage and fees."""
    leverage: float
    """Notional over equity."""


class VolatilityScale(msgspec.Struct, frozen=True):
    """By how much to scale a book, and what decided it."""

    scale: float
    reason: str
    """`target`, `leverage_cap`, or `in_band`: the scale in use is near enough."""


def volatility_scale(
    target_annual: float, forecast_annual: float, scale_max: float, in_use: float | None = None,
    band: float = VOLATILITY_BAND,
) -> VolatilityScale | NoAnswer:
    """min(cap, target / forecast), kept as it is while it is off by no more than the band.

    Args:
        in_use: the scale now; one above the cap is always brought down.
    Returns:
        `NoAnswer("volatility_unknown")` for a forecast that is not positive: calm is not the absence of a number.
    """
    if not (math.isfinite(forecast_annual) and forecast_annual > 0.0):
        return NoAnswer("volatility_unknown", f"forecast {forecast_annual}")
    if not (math.isfinite(target_annual) and target_annual > 0.0 and scale_max >= 0.0 and band >= 0.0):
        return NoAnswer("out_of_range", f"target {target_annual}, cap {scale_max}, band {band}")
    wanted = target_annual / forecast_annual
    scale = min(wanted, scale_max)
    if in_use is not None and 0.0 < in_use <= scale_max and abs(scale - in_use) <= band * in_use:
        return VolatilityScale(in_use, "in_band")
    return VolatilityScale(scale, "leverage_cap" if wanted > scale_max else "target")


def fixed_fraction_size(equity_usd: float, risk_share: float, stop_distance: float) -> TradeSize | NoAnswer:
    """Notional = equity * r / d: a stop at distance d loses the share r of equity, and no more than that.

    5,000 USD, 1 % at risk, a stop 6 % away: 833 USD.

    Args:
        risk_share: in (0, 1). stop_distance: distance to the stop as a fraction of the entry price, in (0, 1).
    """
    if not (math.isfinite(equity_usd) and equity_usd > 0.0):
        return NoAnswer("equity_not_positive", f"equity {equity_usd}")
    if not 0.0 < risk_share < 1.0:
        return NoAnswer("out_of_range", f"risk share {risk_share}: must lie inside (0, 1)")
    if not 0.0 < stop_distance < 1.0:
        return NoAnswer("out_of_range", f"stop distance {stop_distance}: must lie inside (0, 1)")
    loss_usd = equity_usd * risk_share
    notional_usd = loss_usd / stop_distance
    return TradeSize(notional_usd, loss_usd, notional_usd / equity_usd)


def rebalanced(target: Vector, held: Vector, band: float = REBALANCE_BAND, smallest: float = 0.0) -> Vector:
    """Weights to hold: the target where what is held is off by more than the band, else what is held; shape (n,).

    A target of zero is always gone to: a crumb that is never worth a rebalance would stay for ever.

    Args:
        band: share of the target's size. smallest: absolute change below which nothing is traded, except to zero.
    Raises:
        ValueError: if the shapes differ or a number is unknown.
    """
    if target.shape != held.shape or not (np.isfinite(target).all() and np.isfinite(held).all()):
        raise ValueError("targets and holdings must be known, one for each asset")
    off = np.abs(target - held)
    move = ((off > band * np.abs(target)) & (off >= smallest)) | (target == 0.0)
    return np.asarray(np.where(move, target, held), dtype=np.float64)


def blend_return_annual(shares: tuple[float, ...], returns_annual: tuple[float, ...]) -> float | NoAnswer:
    """What parts of a capital earn together: the share-weighted mean of their yearly returns.

    70 % at 8 % and 30 % at 15 to 20 % make 10.1 to 11.6 %, not 18 %: that would need 41 % from the smaller part.
    """
    if len(shares) != len(returns_annual) or not shares:
        return NoAnswer("out_of_range", f"{len(shares)} shares, {len(returns_annual)} returns")
    if any(not 0.0 <= share <= 1.0 for share in shares) or abs(sum(shares) - 1.0) > 1e-9:
        return NoAnswer("shares_do_not_sum_to_one", f"shares {shares}")
    return math.fsum(share * each for share, each in zip(shares, returns_annual, strict=True))


def part_return_needed_annual(total_annual: float, share: float, rest_annual: float) -> float | NoAnswer:
    """What a part must earn so that the whole earns `total`, if the rest earns `rest_annual`."""
    if not 0.0 < share <= 1.0:
        return NoAnswer("out_of_range", f"share {share}: must lie in (0, 1]")
    return (total_annual - (1.0 - share) * rest_annual) / share


def risk_adjusted_leverage(sharpe_annual: float, volatility_annual: float, fraction: float = 0.5) -> float | NoAnswer:
    """Fractional Kelly leverage of a book known by its Sharpe ratio: c SR / sigma.

    A book of Sharpe 1 and volatility 20 % may be held 2.5 times at half Kelly; its volatility is then c SR = 50 %.
    """
    if not (math.isfinite(sharpe_annual) and math.isfinite(volatility_annual) and volatility_annual > 0.0):
        return NoAnswer("volatility_unknown", f"Sharpe {sharpe_annual}, volatility {volatility_annual}")
    if not 0.0 < fraction <= 1.0:
        return NoAnswer("out_of_range", f"fraction {fraction}: must lie in (0, 1]")
    return max(fraction * sharpe_annual / volatility_annual, 0.0)
