"""Parameters of execution; bounds of the failure catalogue are the defaults."""

from __future__ import annotations

import msgspec


class ExecutionParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How orders are worked and how unknown outcomes are resolved."""

    slice_s: float = 30.0
    """Seconds between two slices of a TWAP, before jitter."""
    slices_max: int = 12
    """A parent is cut into at most so many slices."""
    slice_touch_share: float = 0.5
    """A slice takes at most this share of the smaller leg's displayed touch."""
    slice_usd_max: float = 5_000.0
    """A slice is worth at most so much, unless `slices_max` would be exceeded: bounds what is unhedged at a time."""
    time_jitter: float = 0.2
    """Slice times move by up to this share of `slice_s`."""
    size_jitter: float = 0.3
    """Slice sizes vary by up to this share."""
    entry_bound_bps: float = 3.0
    """A slice's first leg pays at most this much beyond the touch."""
    hedge_collar_bps: float = 20.0
    """A hedge crosses within this collar from the second try (R9: after 3 s)."""
    unwind_collar_bps: float = 50.0
    """Collar of the first trimming order; doubles with each try up to the maximum."""
    collar_max_bps: float = 500.0
    """No collar is ever wider."""
    cross_after_s: float = 3.0
    """R9: cross within the collar after so long."""
    cross_tries_max: int = 3
    """R9: at most so many crossing tries before the unwind."""
    unwind_after_s: float = 10.0
    """R9: one leg alone for so long starts the unwind."""
    page_after_s: float = 60.0
    """R9: page the operator, and go on."""
    retry_s: float = 1.0
    """Pause between two tries of a hedge or trim."""
    retry_max_s: float = 60.0
    """The pause doubles with every try that fills nothing, up to this."""
    parent_deadline_s: float = 1200.0
    """A parent that is not done by then is finished at the size it has."""
    settlement_quiet_s: float = 60.0
    """No new parents and slices within so long of a settlement."""
    answer_overdue_s: float = 5.0
    """An order without any answer for so long is in doubt and queried."""
    unknown_first_query_s: float = 0.5
    unknown_query_max_s: float = 10.0
    unknown_alert_s: float = 30.0
    """UNKNOWN for so long: alert, and no opens at that venue."""
    absence_after_s: float = 18.0
    """R3: validity window (5 s) + clock error (1 s) + 2 s + how far reads may lag (10 s); only then "not found"
    can prove absence."""
    venues_without_validity: tuple[str, ...] = ()
    """Venues at which a create never grows too old: it may be booked a minute after it was sent."""
    absence_without_validity_s: float = 120.0
    """There "not found" proves absence only after so long, and the order is cancelled at each query until then."""
    makers: bool = False
    """Work the harder leg as maker where the market shows ticks; off on bars (all taker)."""
    maker_wait_s: float = 20.0
    """A maker slice that has not filled by then is cancelled and taken."""
    maker_limit_share: float = 0.02
    """A resting order is at most so large a share of the target (one joint step, and what both venues take, at least):
    what a maker's fill can leave unhedged."""
    dead_man_s: float = 60.0
    """Where a venue has a dead-man switch, what rests there is cancelled so long after we fell silent; 0: not used."""
    dead_man_refresh_s: float = 20.0
    """It is armed again this often while something rests."""
    orders_kept_days: float = 8.0
    """Finished orders stay in memory so long; their trades are remembered for ever."""

    def __post_init__(self) -> None:
        """Refuse what would disable a promise."""
        if not 1 <= self.slices_max <= 200:
            raise ValueError("slices_max must be within 1..200")
        if not 0 < self.collar_max_bps <= 1000:
            raise ValueError("collar_max_bps must be above 0 and at most 1000 (10 %)")
        if self.absence_after_s < 8:
            raise ValueError("absence_after_s must be at least 8 (validity 5 s + clock 1 s + 2 s)")
        if not self.absence_after_s <= self.absence_without_validity_s <= 3600:
            raise ValueError("absence_without_validity_s must be within absence_after_s..3600")
        if not 0 < self.unwind_after_s <= self.page_after_s <= 60:
            raise ValueError("0 < unwind_after_s <= page_after_s <= 60 must hold")
        if self.dead_man_s != 0 and not 5 <= 2 * self.dead_man_refresh_s <= self.dead_man_s <= 300:
            raise ValueError("5 <= 2 x dead_man_refresh_s <= dead_man_s <= 300 must hold (dead_man_s = 0: not used)")
        if not self.maker_wait_s > 0:
            raise ValueError("maker_wait_s must be above 0 (makers = false turns makers off)")
        if not 0 < self.maker_limit_share <= 1:
            raise ValueError("maker_limit_share must be above 0 and at most 1")
        if not (0 <= self.time_jitter < 1 and 0 <= self.size_jitter < 1):
            raise ValueError("time_jitter and size_jitter must be within [0, 1)")
