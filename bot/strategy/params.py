"""The carry core's parameters: what each one means, its unit, its default, and the range it may take."""

from __future__ import annotations

import msgspec

from bot.domain.errors import ConfigRefused


class CarryParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides whether a pair is entered, kept, left, and how large it is.

    Rates are fractions per year of capital where the name says `_annual`, basis points of notional where it says
    `_bps`; spans are hours. Raises `ConfigRefused` for impossible values.
    """

    # ---------------------------------------------------------------------------------------- the forecast
    horizon_h: int = 720
    """Over how long the expected net carry is judged (30 days: long enough to pay four fills at normal rates)."""
    forecast_half_life_h: float = 25.0
    """Half-life of the fast mean of funding: span 9 of 8 h settlements is alpha 0.2, so 8 h * ln 2 / -ln 0.8 = 25 h."""
    slow_half_life_h: float = 504.0
    """Half-life of the slow mean (mean age 30 days)."""
    mean_weight: float = 0.7
    """How much of the slow mean's distance from the hurdle persists. The rest is taken as competed away: in the long
    run carry pays what idle capital earns (quant reference 4; regressions of the next 30 days ask for 0.4 to 1)."""
    mean_doubt_h: float = 240.0
    """With so many hours of history the slow mean gets half of that weight (`hours / (hours + this)` of it)."""
    phi_8h: float = 0.97
    """Persistence of the fast mean about the slow one, per 8 h (quant reference 3.1: 0.95-0.97)."""
    funding_correlation: float = 0.6
    """Between two venues' funding of one coin: their surprises largely cancel in the difference (measured 0.5-0.8)."""
    phi_8h_spread: float = 0.85
    """The same for the difference of two venues' funding, which returns to its mean within days, not weeks."""
    sd_8h_bps_min: float = 0.1
    """Floor of the measured sd of the fast mean's change per 8 h; the sd prices the option to wait."""
    sd_8h_bps_max: float = 5.0
    """Its ceiling."""
    observations_min: int = 9
    """Settlements needed before a series may be forecast."""
    history_h_min: float = 72.0
    """Hours the settlements must span before a series may be forecast."""
    forecast_age_h_max: float = 17.0
    """Oldest last settlement a forecast may stand on: two 8 h intervals and an hour."""
    basis_observations_min: int = 4
    """Hourly basis samples needed before its median may be used."""
    basis_window_h: int = 720
    """Window of the rolling median of the basis."""
    basis_half_life_h: float = 5.0
    """Half-life of the basis about its median (quant reference 1.5: 4-6 h)."""
    basis_timing_bps: float = 10.0
    """Most that the basis' distance from its median may move the two thresholds: it times a trade, never makes one."""

    # ------------------------------------------------------------------------------------ entry and exit
    entry_buffer_bps: float = 10.0
    """Expected net carry over the horizon must exceed this."""
    exit_buffer_bps: float = 0.0
    """How far beyond the cost of leaving the expected loss of staying must be."""
    hurdle_annual: float = 0.04
    """What idle capital would earn, where no rate series is given (the verdict says which was used)."""
    risk_premium_annual: float = 0.02
    """Demanded on top of the hurdle for what no return series shows: venue failure, ADL, liquidation."""
    min_hold_h: float = 72.0
    """No soft exit before, unless waiting for it would cost more than leaving: four fills need days to earn back."""
    cool_down_h: float = 24.0
    """No entry into the same pair for so long after leaving it."""

    # ------------------------------------------------------------------------------------------ hard exits
    cap_share: float = 0.95
    """A rate beyond this share of its cap or floor counts as pinned there."""
    cap_exit_bps_8h: float = 5.0
    """Leave at once when a rate is pinned against us and the pair pays more than this per 8 h."""
    interval_change_exit_bps_8h: float = 5.0
    """Leave at once when the interval got shorter and the pair pays more than this per 8 h."""
    basis_blowout_sd: float = 20.0
    """Leave at once when the basis stands so many robust sd beyond its median, against us ..."""
    basis_blowout_bps: float = 300.0
    """... and at least so many bp: smaller ones have come back within hours; leaving would only realise them."""

    # -------------------------------------------------------------------------------------------- sizing
    leverage: float = 3.0
    """Leverage ceiling of the perp legs."""
    reserve_rho: float = 0.1
    """Reserve for top-ups, per unit of notional."""
    coin_share_max: float = 0.40
    """Most of the equity that the pairs of one coin may bind."""
    venue_share_max: float = 0.50
    """Most of the equity bound at one venue, once two venues are configured."""
    pairs_max: int = 4
    """Most pairs held at a time."""
    equity_share_max: float = 0.98
    """Most of the equity bound by all pairs; the rest pays fees and rounding."""
    depth_multiple_min: float = 2.0
    """The visible depth of each leg must be this multiple of the order."""
    pair_share_min: float = 0.05
    """A pair is opened, and changed in size, only by at least this share of equity in notional."""
    resize_share_min: float = 0.20
    """A held pair is resized only when off by more than this share ..."""
    resize_gain_bps_min: float = 0.0
    """... and, to grow, when the expected net of the addition exceeds this."""
    lot_waste_steps: int = 20
    """Below so many joint steps of notional the rounding waste is named."""
    tail_floor_bps: float = 50.0
    """Smallest tail loss assumed of a pair when ranking."""
    maker_harder_leg: bool = False
    """Price the leg with less at the touch as maker: its fee, no spread, no slippage. Needs `execution.makers`, and
    counts on every fill: what the wait leaves over is taken and costs more than was judged."""

    def __post_init__(self) -> None:
        """Refuse impossible values in one line naming the key."""
        for key, (low, high) in _RANGES.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise ConfigRefused(f"carry.{key} = {value}: must lie between {low} and {high}")
        if self.sd_8h_bps_max < self.sd_8h_bps_min:
            raise ConfigRefused("carry.sd_8h_bps_max must not lie below carry.sd_8h_bps_min")
        if self.slow_half_life_h <= self.forecast_half_life_h:
            raise ConfigRefused("carry.slow_half_life_h must exceed carry.forecast_half_life_h")

    def capital_per_notional(self, perp_legs: int) -> float:
        """Capital bound per unit of notional: 1 + 1/L + rho for spot against perp, 2/L + rho for two perps."""
        return (2 - perp_legs) + perp_legs / self.leverage + self.reserve_rho


_RANGES: dict[str, tuple[float, float]] = {
    "horizon_h": (1, 8760),
    "forecast_half_life_h": (1.0, 1000.0),
    "slow_half_life_h": (24.0, 8760.0),
    "funding_correlation": (0.0, 0.99),
    "phi_8h_spread": (0.1, 0.995),
    "pair_share_min": (0.0, 1.0),
    "phi_8h": (0.5, 0.995),
    "mean_weight": (0.0, 1.0),
    "mean_doubt_h": (0.0, 8760.0),
    "sd_8h_bps_min": (0.02, 5.0),
    "sd_8h_bps_max": (0.05, 100.0),
    "observations_min": (2, 1000),
    "history_h_min": (0.0, 8760.0),
    "forecast_age_h_max": (1.0, 72.0),
    "basis_observations_min": (1, 10_000),
    "basis_window_h": (24, 8760),
    "basis_half_life_h": (0.5, 240.0),
    "basis_timing_bps": (0.0, 1000.0),
    "entry_buffer_bps": (0.0, 1000.0),
    "exit_buffer_bps": (0.0, 1000.0),
    "hurdle_annual": (0.0, 1.0),
    "risk_premium_annual": (0.0, 1.0),
    "min_hold_h": (0.0, 8760.0),
    "cool_down_h": (0.0, 8760.0),
    "cap_share": (0.5, 1.0),
    "cap_exit_bps_8h": (0.0, 1000.0),
    "interval_change_exit_bps_8h": (0.0, 1000.0),
    "basis_blowout_sd": (3.0, 1000.0),
    "basis_blowout_bps": (10.0, 10_000.0),
    "leverage": (1.0, 5.0),
    "reserve_rho": (0.0, 1.0),
    "coin_share_max": (0.01, 1.0),
    "venue_share_max": (0.01, 1.0),
    "pairs_max": (1, 50),
    "equity_share_max": (0.1, 1.0),
    "depth_multiple_min": (1.0, 100.0),
    "resize_share_min": (0.01, 10.0),
    "resize_gain_bps_min": (0.0, 1000.0),
    "lot_waste_steps": (1, 1000),
    "tail_floor_bps": (1.0, 10_000.0),
}
