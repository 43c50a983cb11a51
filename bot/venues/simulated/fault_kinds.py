"""Every kind of fault there is: where it strikes, in which shape, and how often. A new kind is one name and one row.

A `CHANCE` is drawn at each opportunity (a request, an answer, a market event), a `WINDOW` lasts, an `INSTANT` strikes
once. Windows and instants are drawn before a run begins and stand in its plan. What a kind does is said where it
strikes: `requests` and `delivery` (the network), `blows` (a venue and our account there), and in `runtime` the market
data as we see it, the disk, the clock and the process itself.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec


class FaultKind(Enum):
    """The name of a fault; it names its random stream too, so it never changes."""

    LOST_ANSWER = "lost_answer"
    LOST_REQUEST = "lost_request"
    LATE_BOOKING = "late_booking"
    REJECTED = "rejected"
    DELAYED_ANSWER = "delayed_answer"
    DUPLICATED = "duplicated"
    DROPPED_EVENT = "dropped_event"
    READ_FAILURE = "read_failure"
    VERY_LATE_BOOKING = "very_late_booking"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    HTML_BODY = "html_body"
    EMPTY_BODY = "empty_body"
    GARBLED_BODY = "garbled_body"
    REORDERED = "reordered"
    OLD_REPORT_AGAIN = "old_report_again"
    VENUE_DOWN = "venue_down"
    RATE_STORM = "rate_storm"
    BANNED = "banned"
    MAINTENANCE = "maintenance"
    READS_DOWN = "reads_down"
    ANSWERS_LOST = "answers_lost"
    READ_LAG = "read_lag"
    PRIVATE_DEAD = "private_dead"
    PRIVATE_LOSSY = "private_lossy"
    RECONNECT_GAP = "reconnect_gap"
    CLOCK_DRIFT = "clock_drift"
    QUOTE_SPIKE = "quote_spike"
    QUOTE_CROSSED = "quote_crossed"
    QUOTE_EMPTY = "quote_empty"
    QUOTE_LOST = "quote_lost"
    MARK_SPIKE = "mark_spike"
    MARK_LOST = "mark_lost"
    MARK_NONSENSE = "mark_nonsense"
    MARKET_SILENT = "market_silent"
    ONE_SILENT = "one_silent"
    QUOTES_FROZEN = "quotes_frozen"
    MARK_APART = "mark_apart"
    DISK_FULL = "disk_full"
    COMMIT_FAILED = "commit_failed"
    SLOW_DISK = "slow_disk"
    PAUSED = "paused"
    CLOCK_JUMP = "clock_jump"
    TAKEN_OVER = "taken_over"

    FOREIGN_ORDER = "foreign_order"
    MANUAL_TRADE = "manual_trade"
    CASH_MOVED = "cash_moved"
    ADL = "adl"
    LIQUIDATION = "liquidation"
    ACCOUNT_MODE = "account_mode"
    KEY_REVOKED = "key_revoked"
    FUNDING_LATE = "funding_late"
    FUNDING_RESTATED = "funding_restated"
    FUNDING_MISSING = "funding_missing"
    TRANSFER_DELAYED = "transfer_delayed"
    TRANSFER_LOST = "transfer_lost"
    TRANSFER_RETURNED = "transfer_returned"
    DELISTING = "delisting"
    GRID_CHANGED = "grid_changed"
    INTERVAL_CHANGED = "interval_changed"
    IDENTITY_CHANGED = "identity_changed"
    DEPEG = "depeg"
    THIN_BOOK = "thin_book"
    CRASH_WITH_VENUE_DOWN = "crash_with_venue_down"
    FAT_FINGER = "fat_finger"


class Shape(Enum):
    """How long a fault lasts."""

    CHANCE = "chance"
    WINDOW = "window"
    INSTANT = "instant"


class Place(Enum):
    """Where a fault strikes; for a window or an instant also who carries it out."""

    NETWORK = "network"
    """Between us and a venue."""
    ACCOUNT = "account"
    """At a venue: an instant of this place has a row in `blows.BLOWS`."""
    MARKET = "market"
    """The market data as we see it; the venue sees the true market."""
    STORAGE = "storage"
    PROCESS = "process"


class FaultRow(msgspec.Struct, frozen=True, kw_only=True):
    """One kind: its place, its shape, how often it strikes, how far it goes."""

    kind: FaultKind
    place: Place
    shape: Shape
    says: str
    """What happens, for people."""
    share: float = 1.0
    """CHANCE: this multiple of the profile's probability at each opportunity."""
    per_day: float = 0.0
    """WINDOW and INSTANT: so many a day in the profile `normal`; times the profile's `storms` in others."""
    length_s: tuple[float, float] = (0.0, 0.0)
    """WINDOW: least and greatest length."""
    size_max: float = 0.0
    """The most of what the kind has a size for (seconds of delay, a share, ...); drawn uniformly below it."""
    of_venue: bool = True
    """WINDOW and INSTANT: it strikes one venue; else the whole process."""


def _chance(kind: FaultKind, place: Place, says: str, *, share: float = 1.0, size_max: float = 0.0) -> FaultRow:
    return FaultRow(kind=kind, place=place, shape=Shape.CHANCE, says=says, share=share, size_max=size_max)


_CHANCES: Final = (
    _chance(FaultKind.LOST_ANSWER, Place.NETWORK, "booked, but the answer never comes: unknown after the time limit"),
    _chance(FaultKind.LOST_REQUEST, Place.NETWORK, "never booked: unknown after the time limit"),
    _chance(FaultKind.LATE_BOOKING, Place.NETWORK, "a create or cancel is booked up to `size_max` s later, within its "
            "validity", size_max=4.9),
    _chance(FaultKind.REJECTED, Place.NETWORK, "the venue is busy and says no"),
    _chance(FaultKind.DELAYED_ANSWER, Place.NETWORK, "an event towards us comes up to `size_max` s later, overtaken by "
            "others", size_max=10.0),
    _chance(FaultKind.DUPLICATED, Place.NETWORK, "an order or trade event comes twice, up to `size_max` s apart",
            size_max=10.0),
    _chance(FaultKind.DROPPED_EVENT, Place.NETWORK, "an event of the private stream never comes; the books have it",
            share=2.0),
    _chance(FaultKind.READ_FAILURE, Place.NETWORK, "a read gets no answer in time"),
    _chance(FaultKind.VERY_LATE_BOOKING, Place.NETWORK, "a create is booked 5 s and up to `size_max` s more later, "
            "where the venue has no validity window", size_max=40.0),
    _chance(FaultKind.RATE_LIMITED, Place.NETWORK, "429: nothing was done; try again in 1 to 11 s", share=0.5),
    _chance(FaultKind.SERVER_ERROR, Place.NETWORK, "5xx: status unknown, an order is booked half of the times",
            share=0.5),
    _chance(FaultKind.HTML_BODY, Place.NETWORK, "a gateway's page of HTML instead of the answer; orders are booked",
            share=0.3),
    _chance(FaultKind.EMPTY_BODY, Place.NETWORK, "an empty body instead of the answer; orders are booked", share=0.3),
    _chance(FaultKind.GARBLED_BODY, Place.NETWORK, "a 200 that is not JSON; orders are booked", share=0.3),
    _chance(FaultKind.REORDERED, Place.NETWORK, "an event towards us is overtaken by the next ones, up to `size_max` s",
            size_max=0.3),
    _chance(FaultKind.QUOTE_SPIKE, Place.MARKET, "one quote is 60 % too low to 100 % too high", share=0.1),
    _chance(FaultKind.QUOTE_CROSSED, Place.MARKET, "one quote's bid stands above its ask", share=0.1),
    _chance(FaultKind.QUOTE_EMPTY, Place.MARKET, "one quote has nothing on a side", share=0.1),
    _chance(FaultKind.QUOTE_LOST, Place.MARKET, "one quote is missing (a gap in its book)", share=0.2),
    _chance(FaultKind.MARK_SPIKE, Place.MARKET, "one mark is 60 % too low to 100 % too high", share=0.1),
    _chance(FaultKind.MARK_LOST, Place.MARKET, "one mark is missing", share=0.2),
    _chance(FaultKind.MARK_NONSENSE, Place.MARKET, "one mark is NaN, 0, negative or endless", share=0.1),
    _chance(FaultKind.OLD_REPORT_AGAIN, Place.NETWORK, "the answer to a read comes again up to `size_max` s later",
            size_max=10.0),
)
_STRIKES: Final = (
    FaultRow(kind=FaultKind.VENUE_DOWN, place=Place.NETWORK, shape=Shape.WINDOW, per_day=1.0, length_s=(5.0, 905.0),
             says="the venue cannot be reached; it goes on matching"),
    FaultRow(kind=FaultKind.RATE_STORM, place=Place.NETWORK, shape=Shape.WINDOW, per_day=1.0, length_s=(10.0, 600.0),
             size_max=0.95, says="429 to a share `size` of all requests"),
    FaultRow(kind=FaultKind.BANNED, place=Place.NETWORK, shape=Shape.WINDOW, per_day=0.3, length_s=(30.0, 600.0),
             says="418 to every request until the ban is over"),
    FaultRow(kind=FaultKind.MAINTENANCE, place=Place.NETWORK, shape=Shape.WINDOW, per_day=0.5, length_s=(60.0, 1800.0),
             says="cancels and reads only: every create is refused"),
    FaultRow(kind=FaultKind.READS_DOWN, place=Place.NETWORK, shape=Shape.WINDOW, per_day=0.7, length_s=(10.0, 900.0),
             says="503 to every read; orders go through"),
    FaultRow(kind=FaultKind.ANSWERS_LOST, place=Place.NETWORK, shape=Shape.WINDOW, per_day=0.7, length_s=(5.0, 300.0),
             says="creates and cancels are booked and never answered"),
    FaultRow(kind=FaultKind.READ_LAG, place=Place.NETWORK, shape=Shape.WINDOW, per_day=1.0, length_s=(60.0, 1800.0),
             size_max=9.9, says="reads show the account as it was up to `size` s ago"),
    FaultRow(kind=FaultKind.PRIVATE_DEAD, place=Place.NETWORK, shape=Shape.WINDOW, per_day=1.0, length_s=(30.0, 3600.0),
             says="the private stream tells nothing any more and stays connected"),
    FaultRow(kind=FaultKind.PRIVATE_LOSSY, place=Place.NETWORK, shape=Shape.WINDOW, per_day=1.0,
             length_s=(300.0, 7200.0), size_max=0.2, says="a share `size` of the private events is never told"),
    FaultRow(kind=FaultKind.RECONNECT_GAP, place=Place.NETWORK, shape=Shape.WINDOW, per_day=2.0, length_s=(0.5, 60.0),
             says="the private stream is torn and comes back; what it would have told is lost"),
)
_OF_DATA: Final = (
    FaultRow(kind=FaultKind.CLOCK_DRIFT, place=Place.NETWORK, shape=Shape.WINDOW, per_day=1.0,
             length_s=(600.0, 14_400.0), size_max=0.95,
             says="the venue's clock is up to `size` s off ours, before or behind"),
    FaultRow(kind=FaultKind.MARKET_SILENT, place=Place.MARKET, shape=Shape.WINDOW, per_day=1.0, length_s=(30.0, 1200.0),
             says="quotes and marks of a venue stop; pongs and the private stream live"),
    FaultRow(kind=FaultKind.ONE_SILENT, place=Place.MARKET, shape=Shape.WINDOW, per_day=1.0, length_s=(60.0, 3600.0),
             says="one market of many stops"),
    FaultRow(kind=FaultKind.QUOTES_FROZEN, place=Place.MARKET, shape=Shape.WINDOW, per_day=1.0,
             length_s=(60.0, 1200.0), says="the same old quotes come again and again"),
    FaultRow(kind=FaultKind.MARK_APART, place=Place.MARKET, shape=Shape.WINDOW, per_day=0.7, length_s=(60.0, 900.0),
             size_max=0.09, says="all marks of a venue stand up to `size` off its market"),
)
_OF_PROCESS: Final = (
    FaultRow(kind=FaultKind.DISK_FULL, place=Place.STORAGE, shape=Shape.WINDOW, per_day=0.7, length_s=(5.0, 900.0),
             of_venue=False, says="no commit succeeds until there is room again"),
    FaultRow(kind=FaultKind.COMMIT_FAILED, place=Place.STORAGE, shape=Shape.WINDOW, per_day=1.0, length_s=(0.5, 1.5),
             of_venue=False, says="EIO at a sync, mended by the next try"),
    FaultRow(kind=FaultKind.SLOW_DISK, place=Place.STORAGE, shape=Shape.WINDOW, per_day=1.0, length_s=(10.0, 1200.0),
             size_max=0.95, of_venue=False, says="a commit takes up to `size` s, and what it lets go leaves later"),
    FaultRow(kind=FaultKind.PAUSED, place=Place.PROCESS, shape=Shape.WINDOW, per_day=1.0, length_s=(2.1, 600.0),
             of_venue=False, says="the process stands still (SIGSTOP, a sleeping laptop); all waits until it goes on"),
    FaultRow(kind=FaultKind.CLOCK_JUMP, place=Place.PROCESS, shape=Shape.INSTANT, per_day=1.0, size_max=3600.0,
             of_venue=False, says="the wall clock jumps by up to `size` s, either way"),
    FaultRow(kind=FaultKind.TAKEN_OVER, place=Place.PROCESS, shape=Shape.INSTANT, per_day=0.7, of_venue=False,
             says="a second instance takes over with a newer epoch while requests of the first are under way"),
)
_BOOKINGS: Final = (
    _chance(FaultKind.FUNDING_LATE, Place.ACCOUNT, "a funding payment is booked up to `size_max` s late", share=10.0,
            size_max=1500.0),
    _chance(FaultKind.FUNDING_RESTATED, Place.ACCOUNT, "funding is paid at another rate than was published", share=5.0,
            size_max=0.5),
    _chance(FaultKind.FUNDING_MISSING, Place.ACCOUNT, "a funding payment is never made", share=3.0),
    _chance(FaultKind.TRANSFER_DELAYED, Place.ACCOUNT, "a transfer lands up to `size_max` s late", share=10.0,
            size_max=2400.0),
    _chance(FaultKind.TRANSFER_LOST, Place.ACCOUNT, "a transfer is asked for and never leaves", share=5.0),
    _chance(FaultKind.TRANSFER_RETURNED, Place.ACCOUNT, "a transfer comes back after up to `size_max` s", share=5.0,
            size_max=1200.0),
)
_ACCOUNT: Final = (
    FaultRow(kind=FaultKind.FOREIGN_ORDER, place=Place.ACCOUNT, shape=Shape.WINDOW, per_day=0.5, length_s=(90.0, 900.0),
             says="an order that is not ours rests on the account"),
    FaultRow(kind=FaultKind.MANUAL_TRADE, place=Place.ACCOUNT, shape=Shape.WINDOW, per_day=0.5, length_s=(90.0, 900.0),
             says="somebody trades on the account by hand, and takes it back later", size_max=500.0),
    FaultRow(kind=FaultKind.CASH_MOVED, place=Place.ACCOUNT, shape=Shape.INSTANT, per_day=0.5, size_max=500.0,
             says="cash is deposited or withdrawn"),
    FaultRow(kind=FaultKind.ADL, place=Place.ACCOUNT, shape=Shape.INSTANT, per_day=1.0, size_max=1.0,
             says="a share of a position is closed by auto-deleveraging"),
    FaultRow(kind=FaultKind.LIQUIDATION, place=Place.ACCOUNT, shape=Shape.INSTANT, per_day=0.3,
             says="a position is liquidated at the venue's own spike of the mark"),
    FaultRow(kind=FaultKind.ACCOUNT_MODE, place=Place.ACCOUNT, shape=Shape.WINDOW, per_day=0.5, length_s=(90.0, 1800.0),
             says="somebody sets margin mode, position mode or leverage otherwise"),
    FaultRow(kind=FaultKind.KEY_REVOKED, place=Place.ACCOUNT, shape=Shape.WINDOW, per_day=0.5, length_s=(30.0, 1800.0),
             says="the venue refuses our key, the private stream is silent"),
)
_LISTINGS: Final = (
    FaultRow(kind=FaultKind.DELISTING, place=Place.MARKET, shape=Shape.INSTANT, per_day=0.15, size_max=10_800.0,
             says="the end of an instrument is announced, up to `size_max` s ahead"),
    FaultRow(kind=FaultKind.GRID_CHANGED, place=Place.MARKET, shape=Shape.INSTANT, per_day=0.7,
             says="tick and lot of an instrument change, tenfold either way"),
    FaultRow(kind=FaultKind.INTERVAL_CHANGED, place=Place.MARKET, shape=Shape.INSTANT, per_day=0.5,
             says="a funding interval is halved"),
    FaultRow(kind=FaultKind.IDENTITY_CHANGED, place=Place.MARKET, shape=Shape.WINDOW, per_day=0.3,
             length_s=(60.0, 900.0), says="an instrument is another thing for a while"),
)
_DAYS: Final = (
    FaultRow(kind=FaultKind.CRASH_WITH_VENUE_DOWN, place=Place.NETWORK, shape=Shape.WINDOW, per_day=0.1,
             length_s=(1800.0, 3600.0), size_max=0.3, says="the market falls, and a venue is away for an hour"),
    FaultRow(kind=FaultKind.THIN_BOOK, place=Place.MARKET, shape=Shape.WINDOW, per_day=4.0, length_s=(300.0, 5400.0),
             size_max=0.01, says="only a share `size` of what is shown is still there when an order arrives"),
    FaultRow(kind=FaultKind.DEPEG, place=Place.MARKET, shape=Shape.WINDOW, per_day=0.1, length_s=(900.0, 5400.0),
             size_max=0.12, says="a quote currency falls up to `size` below a dollar, or one venue alone says so"),
    FaultRow(kind=FaultKind.FAT_FINGER, place=Place.PROCESS, shape=Shape.INSTANT, per_day=1.0, of_venue=False,
             says="an operator orders one thing after another within a second"),
)
ROWS: Final = (*_CHANCES, *_BOOKINGS, *_STRIKES, *_OF_DATA, *_OF_PROCESS, *_ACCOUNT, *_LISTINGS, *_DAYS)
"""All kinds."""
ROW_OF: Final = {row.kind: row for row in ROWS}
