"""What the simulated exchange is told about itself: latency, transfers, margin, makers. All units last in the names."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import msgspec

from bot.domain.errors import ConfigRefused


class MarginMode(Enum):
    """Cross: one pool per venue's futures wallet. Isolated: every position has a pool of its own."""

    CROSS = "cross"
    ISOLATED = "isolated"


class SimulatedParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the simulated venues behave; the defaults are a usual retail account.

    Raises:
        ConfigRefused: for a negative time or fee, a share outside [0, 1], a leverage below 1.
    """

    latency_out_ms: float = 40.0
    """From us to the venue's matching."""
    latency_back_ms: float = 40.0
    """From the venue's matching to us."""
    latency_jitter_ms: float = 0.0
    """Added to each way, uniform in [0, jitter), from a stream per venue and way; order is kept."""
    request_timeout_ms: float = 5_000.0
    """After so long without an answer the request counts as unknown."""
    transfer_internal_s: float = 2.0
    """Between the two wallets of one venue."""
    transfer_venues_s: float = 120.0
    """Between two venues."""
    transfer_venues_fee_usd: Decimal = Decimal(1)
    """Taken from the amount that arrives at another venue."""
    margin_mode: MarginMode = MarginMode.CROSS
    leverage_max: int = 10
    """Initial margin = notional / leverage; a tier's own maximum binds where it is lower."""
    liquidation_penalty_bps: float = 50.0
    """A liquidation trades so far beyond mark, but never beyond the pool's bankruptcy price."""
    price_band_pct: float = 10.0
    """Limits further than this from mark (spot: mid) are rejected."""
    maker_bar_s_max: int = 300
    """On longer bars a post-only order expires at the bar's close."""
    maker_bar_volume_share: float = 0.05
    """Of a bar's volume our resting orders get at most this share."""
    cancels_ahead_share: float = 0.5
    """Of a displayed size that shrinks without trades, the part that stood ahead of us in the queue."""

    def __post_init__(self) -> None:
        times = (self.latency_out_ms, self.latency_back_ms, self.latency_jitter_ms, self.request_timeout_ms,
                 self.transfer_internal_s, self.transfer_venues_s, self.liquidation_penalty_bps)
        if not all(0 <= value < float("inf") for value in times):
            raise ConfigRefused("simulated venue: times and penalties must be 0 or more")
        if not self.transfer_venues_fee_usd.is_finite() or self.transfer_venues_fee_usd < 0:
            raise ConfigRefused("simulated venue: transfer_venues_fee_usd must be 0 or more")
        if self.leverage_max < 1:
            raise ConfigRefused("simulated venue: leverage_max must be at least 1")
        if not all(0 <= share <= 1 for share in (self.maker_bar_volume_share, self.cancels_ahead_share)):
            raise ConfigRefused("simulated venue: maker_bar_volume_share and cancels_ahead_share must be in [0, 1]")
        if not 0 < self.price_band_pct < 100 or self.maker_bar_s_max < 0:
            raise ConfigRefused("simulated venue: price_band_pct must be in (0, 100), maker_bar_s_max 0 or more")
