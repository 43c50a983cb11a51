"""Limits of the first layer. Every bound is checked on worst-case exposure before anything is sent (R5)."""

from __future__ import annotations

import msgspec

from bot.risk.breaker import BreakerParams
from bot.risk.peg import PegParams


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Order limits, stops, margin keeping and the clocks of trust."""

    order_notional_max_usd: float = 250_000.0
    """Largest single order."""
    price_collar_bps: float = 600.0
    """No opening order is priced farther than this from mark or mid."""
    gross_leverage_max: float = 3.0
    """Gross notional of all legs over equity, at worst (open and unknown orders fill)."""
    perp_leverage_max: float = 5.0
    """Perp notional of one venue over its futures wallet's equity, at worst."""
    venue_share_max: float = 1.0
    """Largest share of equity in gross notional per venue, relative to `gross_leverage_max`."""
    data_age_s_max: float = 5.0
    """Book or mark older than this blocks opens; on slower feeds twice the feed's cadence if that is longer."""
    orders_per_minute_max: int = 120
    """More opening orders within a minute of one session is a runaway: HALTED."""
    notional_per_hour_max_x: float = 20.0
    """Opening notional within an hour over equity; more is a runaway: HALTED."""
    notional_per_day_max_x: float = 60.0
    """Opening notional within a day over equity; more is a runaway: HALTED."""
    equal_orders_max: int = 3
    """So many equal opening orders may leave within a second; one more is a runaway: HALTED."""
    round_trips_per_day_max: int = 6
    """A pair left (or cut and grown again) so often within a day is not opened again; an order beyond it: HALTED."""
    passing_repeats_max: int = 6
    """So many equal rejects of a passing kind within 10 minutes block the symbol for `reject_cool_down_s`."""
    reject_cool_down_s: float = 600.0
    repeats_max: int = 3
    """So many equal permanent rejects within 10 minutes block the symbol."""
    drawdown_stop_pct: float = 15.0
    """Fall of marked equity below its peak that closes all pairs and latches REDUCE_ONLY until an operator resumes."""
    daily_loss_stop_pct: float = 2.0
    """Loss of marked equity since 00 UTC that blocks opens until the next day."""
    confirm_s: float = 60.0
    """A stop acts on two agreeing samples at least this far apart."""
    margin_top_up_share: float = 0.60
    """Distance to liquidation below this share of its value at entry moves free collateral."""
    margin_reduce_share: float = 0.40
    """Below this share both legs shrink together."""
    margin_last_share: float = 0.15
    """While the other leg's venue cannot be reached, both legs are kept down to this share; below it the leg that can
    be reached shrinks alone, for a liquidation would cost more."""
    margin_check_s: float = 60.0
    """Seconds between two looks at margin while positions are held (each mark on slower feeds)."""
    delist_urgent_s: float = 3600.0
    """An instrument whose trading ends sooner than this is left at once, not slice by slice."""
    transfer_timeout_s: float = 900.0
    """A transfer without an answer for so long is alerted."""
    reconcile_s: float = 60.0
    """Full reconciliation with every venue; on slower feeds the feed's cadence if that is longer."""
    reconcile_timeout_s: float = 10.0
    """An account read without an answer for so long is asked again."""
    read_retry_s_max: float = 10.0
    """Account reads that fail are tried again after 1 s, then twice as long each time, up to this."""
    read_lag_s_max: float = 10.0
    """What a venue's reads show may be so old: a difference counts only so long after our last trade there."""
    rate_limit_wait_s: float = 10.0
    """After a 429 or a ban without its own wait: no opens and no reads at that venue for so long."""
    maintenance_wait_s: float = 60.0
    """After an order was refused for maintenance: no opens at that venue for so long, then one may try."""
    venue_wait_s_max: float = 3600.0
    """No wait that a venue asks for is kept longer."""
    breaker: BreakerParams = BreakerParams()
    peg: PegParams = PegParams()

    def __post_init__(self) -> None:
        """Caps in code: above them a configuration is refused."""
        if not 0 < self.gross_leverage_max <= 10:
            raise ValueError("gross_leverage_max must be above 0 and at most 10")
        if not 0 < self.perp_leverage_max <= 10:
            raise ValueError("perp_leverage_max must be above 0 and at most 10")
        if not 0 < self.price_collar_bps <= 1000:
            raise ValueError("price_collar_bps must be above 0 and at most 1000 (10 %)")
        if not 0 < self.daily_loss_stop_pct <= 20:
            raise ValueError("daily_loss_stop_pct must be above 0 and at most 20")
        if not 0 < self.drawdown_stop_pct <= 50:
            raise ValueError("drawdown_stop_pct must be above 0 and at most 50")
        if not 0 < self.margin_last_share <= self.margin_reduce_share < self.margin_top_up_share < 1:
            raise ValueError("0 < margin_last_share <= margin_reduce_share < margin_top_up_share < 1 must hold")
        if not 0 < self.data_age_s_max <= 60:
            raise ValueError("data_age_s_max must be above 0 and at most 60")
        if not (1 <= self.read_retry_s_max <= 60 and 0 <= self.read_lag_s_max <= 60):
            raise ValueError("read_retry_s_max must be within 1..60, read_lag_s_max within 0..60")
        if not (1 <= self.rate_limit_wait_s <= self.venue_wait_s_max <= 86_400):
            raise ValueError("1 <= rate_limit_wait_s <= venue_wait_s_max <= 86400 must hold")
        if not 10 <= self.maintenance_wait_s <= 3600:
            raise ValueError("maintenance_wait_s must be within 10..3600")
        self._refuse_loops()
        if not 10 <= self.reconcile_s <= 3600:
            raise ValueError("reconcile_s must be within 10..3600")

    def _refuse_loops(self) -> None:
        """Caps on what a loop could do."""
        if not 0 < self.notional_per_hour_max_x <= self.notional_per_day_max_x <= 1_000:
            raise ValueError("0 < notional_per_hour_max_x <= notional_per_day_max_x <= 1000 must hold")
        if not (1 <= self.equal_orders_max <= 10 and 1 <= self.orders_per_minute_max <= 1_000):
            raise ValueError("equal_orders_max must be within 1..10 and orders_per_minute_max within 1..1000")
        if not (1 <= self.round_trips_per_day_max <= 1_000 and self.passing_repeats_max >= self.repeats_max >= 1):
            raise ValueError("round_trips_per_day_max must be within 1..1000, 1 <= repeats_max <= passing_repeats_max")
        if not 10 <= self.reject_cool_down_s <= 86_400:
            raise ValueError("reject_cool_down_s must be within 10..86400")
