"""The governor's limits: what the book may lose, how far it may be levered, how it may be concentrated."""

from __future__ import annotations

import msgspec

from bot.quant.garch import Model
from bot.quant.leverage_cap import CapRules
from bot.quant.volatility import VolatilityParams
from bot.risk.stress import StressLimits
from bot.risk.var_record import RecordLimits


class GovernorParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the whole book, and how its models are kept."""

    enabled: bool = True
    """Off: no caps, no cuts and no margin keeping. For studies of what it is good for, never for money."""

    # -------------------------------------------------------------------------------------------- the models
    models: tuple[Model, ...] = ("garch_t",)
    """Volatility models that workers fit, told apart by BIC. Empty: none is fitted, the fallbacks serve."""
    volatility: VolatilityParams = VolatilityParams()
    fit_points_min: int = 250
    """Daily closes below which no fit is asked for."""
    hours_min: int = 168
    """Hourly closes that stand in for a volatility where daily ones are too few. With neither a coin is not traded."""
    implied_coins: tuple[str, ...] = ()
    """Coins whose implied volatility is expected (`implied_volatility_BTC` among the rates of a data folder): its
    absence is told. Whatever is fed joins the largest forecast, behind the caps."""
    implied_age_h_max: float = 72.0
    """Hours after which an implied volatility says nothing any more."""

    # ------------------------------------------------------------------------------------------------ leverage
    caps: CapRules = CapRules()
    young_days: int = 365
    """A coin with fewer daily closes has not shown its worst move yet ..."""
    young_jump_log: float = 0.35
    """... so its jump floor is at least this log move within 8 h, either way."""
    leverage_floor: float = 0.5
    """No known cap is lower: a short of 0.5 outlasts a tripling, and what moves more is left to the margin keeper."""
    transfer_own_h: float = 0.05
    """Worst hours until money of a venue's other wallet is there: a top-up that could come later is not begun."""
    transfer_venues_h: float = 1.0
    """The same for money of another venue."""

    # ------------------------------------------------------------------------------------------------- the tail
    es_limit_share: float = 0.025
    """Expected shortfall of one day at `es_level`, as a share of equity: at it the book is cut pro rata ..."""
    soft_share: float = 0.80
    """... and from this share of any limit on no new risk is taken."""
    es_level: float = 0.975
    tail_days: int = 500
    """Joint daily rows that the tail is read from."""
    stress_loss_max_pct: float = 10.0
    """Per cent of equity that the worst standard scenario may cost; nor may any history liquidate a leg."""
    stress_accepted: tuple[str, ...] = ("venue_lost", "stablecoin")
    """Scenarios accepted by name: no size of a carry book withstands them, so they are shown and do not limit."""

    record: RecordLimits = RecordLimits()

    # -------------------------------------------------------------------------------------------- concentration
    bucket_correlation: float = 0.70
    """Coins whose daily returns correlate at least so much form one bucket ..."""
    bucket_share_max: float = 0.85
    """... and their pairs bind together at most this share of equity."""

    # ------------------------------------------------------------------------------------------------- the ladder
    drawdown_scale_from_pct: float = 5.0
    """From this drawdown on the capital that pairs may bind shrinks ..."""
    drawdown_scale_to_pct: float = 15.0
    """... linearly, to nothing at this one."""

    def __post_init__(self) -> None:
        """Bounds of what makes sense."""
        if not 0 < self.soft_share <= 1:
            raise ValueError("soft_share must be above 0 and at most 1")
        if not 0 <= self.drawdown_scale_from_pct < self.drawdown_scale_to_pct <= 100:
            raise ValueError("0 <= drawdown_scale_from_pct < drawdown_scale_to_pct <= 100 must hold")
        StressLimits(stress_accepted=self.stress_accepted)
        for key, (low, high) in _RANGES.items():
            if not low <= getattr(self, key) <= high:
                raise ValueError(f"{key} must be within {low}..{high}")


_RANGES: dict[str, tuple[float, float]] = {
    "fit_points_min": (250, 2_000),
    "hours_min": (48, 800),
    "implied_age_h_max": (1.0, 240.0),
    "young_days": (0, 750),
    "young_jump_log": (0.0, 3.0),
    "leverage_floor": (0.05, 1.0),
    "transfer_own_h": (0.0, 24.0),
    "transfer_venues_h": (0.0, 72.0),
    "es_limit_share": (0.001, 0.5),
    "es_level": (0.5, 0.999),
    "tail_days": (200, 750),
    "stress_loss_max_pct": (0.5, 50.0),
    "bucket_correlation": (0.0, 1.0),
    "bucket_share_max": (0.01, 1.0),
}
