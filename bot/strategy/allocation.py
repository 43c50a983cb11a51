"""Which pairs get how much: by rank under caps, and without churning what is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from bot.domain.values import Coin, Venue
from bot.strategy.params import CarryParams
from bot.strategy.verdict import Action, Candidate, PairKind, PairMargin, Verdict

UNTOUCHED = ("leg_halted", "data_missing", "in_motion")
"""Verdicts on held pairs that say nothing about their size."""


CRUMB_SHARE = 0.5
"""A cap that leaves a held pair less than this share of the least size of a new one closes it."""


class SizeBound(msgspec.Struct, frozen=True):
    """The most notional of a pair, USD, and what says so."""

    usd: float
    limit: str


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What the allocation needs to know of the account, USD as floats."""

    equity_usd: float
    venue_equity_usd: Mapping[Venue, float]
    """What lies at each configured venue, all wallets (moving it within a venue is the margin keeper's work)."""
    held_usd: Mapping[str, float]
    """Notional of each held pair by candidate key."""
    smallest_usd: Mapping[str, float]
    """Smallest tradable notional of each candidate that may open or grow (`execution/rounding`)."""
    largest_usd: Mapping[str, float]
    """Notional that the visible depth of both legs lets in and out, for the same candidates."""
    margins: Mapping[str, PairMargin] = {}
    """What the leverage caps ask of each candidate's legs; one that is missing stands at the configured leverage."""
    capital_scale: float = 1.0
    """Share of what all pairs may bind that the drawdown ladder leaves."""
    buckets: Mapping[Coin, int] = {}
    """Coins that move together share a number; one that is missing stands alone."""
    bucket_share_max: float = 1.0
    """Most of the equity that the pairs of one bucket may bind."""
    bounds: Mapping[str, SizeBound] = {}
    """What sizing says of pairs, by candidate key (`strategy/sizing`); one that is missing is bound by caps alone."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a pair to hold, and what decided it."""

    candidate: Candidate
    notional_usd: float
    action: Action
    """OPEN, HOLD (perhaps at another size: `resized`) or CLOSE."""
    reason: str
    """The verdict's reason, or the cap that bound the size: `coin_share`, `bucket_share`, `venue_share`, `venue_funds`,
    `equity`, `drawdown`, `depth`, what sizing says (`kelly`, `mean_variance`, `volatility_target`), or a limit of the
    governor (`es`, `stress`, ...)."""
    resized: bool = False


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A pair that cleared its costs and still gets nothing."""

    candidate: Candidate
    reason: str
    """pairs_max, below_minimum, minimum_unknown, or the cap that left nothing."""


class CapCut(msgspec.Struct, frozen=True, kw_only=True):
    """A held pair that a cap makes smaller: notionals of the pair in USD, as held and as the cap would allow."""

    limit: str
    pair: str
    value_usd: float
    allowed_usd: float
    """Negative: others alone exceed the cap."""
    after_usd: float


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """All targets, held pairs first, then new ones by rank."""

    targets: tuple[Target, ...]
    passed: tuple[Passed, ...]
    binding: tuple[str, ...]
    """`cap:name` for each cap that set a size, in the order in which they bound."""
    cuts: tuple[CapCut, ...] = ()
    """What caps took from held pairs."""


def notional_for_capital(capital_usd: float, capital_per_notional: float) -> float:
    """How much notional a capital carries: 3,500 USD at 1 + 1/3 + 0.1 carry 2,442 (quant reference 3.4)."""
    return capital_usd / capital_per_notional


def wallet_shares(candidate: Candidate, params: CarryParams,
                  margin: PairMargin | None = None) -> tuple[tuple[Venue, float, float], ...]:
    """Per venue of the pair: (venue, spot cash, futures collateral) per unit of notional; the reserve is collateral."""
    usual = 1.0 / params.leverage
    margin = margin if margin is not None else PairMargin(usual, usual)
    if candidate.kind is PairKind.PERP_PERP:
        half = params.reserve_rho / 2.0
        return (candidate.long_venue, 0.0, margin.long + half), (candidate.short_venue, 0.0, margin.short + half)
    return ((candidate.long_venue, 1.0, margin.short + params.reserve_rho),)


def capital_of(candidate: Candidate, params: CarryParams, margin: PairMargin | None = None) -> float:
    """Capital bound per unit of notional, both legs and the reserve."""
    return sum(spot + futures for _, spot, futures in wallet_shares(candidate, params, margin))


def allocate(verdicts: Sequence[Verdict], book: Book, params: CarryParams) -> Allocation:
    """Targets for every held pair and for those that open.

    Held pairs come first: CLOSE goes to 0 (its capital is not counted free until it has come back). HOLD keeps its size
    unless a cap is exceeded by more than `resize_share_min` (prices move sizes every hour; four fills must not follow
    them): then the lowest ranks shrink to it. Too small it grows, if the verdict says that more clears its costs. Then
    OPEN verdicts by rank (ties by key) take what the caps leave. Nothing held is displaced by a better newcomer: the
    newcomer would pay eight fills.
    """
    room, loose = _Room(book, params), _Room(book, params, 1.0 + params.resize_share_min)
    passed: list[Passed] = []
    held = [each for each in verdicts if each.candidate.key in book.held_usd]
    for verdict in held:
        room.bind(verdict.candidate, book.held_usd[verdict.candidate.key])
        loose.bind(verdict.candidate, book.held_usd[verdict.candidate.key])
    held.sort(key=lambda each: (each.rank, each.candidate.key))  # where a cap cuts, the least worthy gives first
    targets = sorted((_keep(verdict, room, loose, book, params) for verdict in held),
                     key=lambda each: each.candidate.key)
    newcomers = (each for each in verdicts if each.action is Action.OPEN and each.candidate.key not in book.held_usd)
    for verdict in sorted(newcomers, key=lambda each: (-each.rank, each.candidate.key)):
        outcome = _open(verdict, room, book, params)
        if isinstance(outcome, Target):
            targets.append(outcome)
        else:
            passed.append(outcome)
    return Allocation(targets=tuple(targets), passed=tuple(passed), binding=tuple(room.binding),
                      cuts=tuple(room.cuts))


class _Room:
    """What the caps still leave; lives for one allocation."""

    def __init__(self, book: Book, params: CarryParams, slack: float = 1.0) -> None:
        """`slack` widens every cap by this factor."""
        self.params = params
        self.pairs = 0
        self.binding: list[str] = []
        self.cuts: list[CapCut] = []
        equity = max(book.equity_usd, 0.0)
        self.margins, self.bounds, self.slack = book.margins, book.bounds, slack
        self.pairs_usd: dict[str, float] = {}
        self.equity_usd = equity * params.equity_share_max * book.capital_scale * slack
        self.cut_by_ladder = book.capital_scale < 1.0
        self.coin_cap_usd = equity * params.coin_share_max * slack
        several = len(book.venue_equity_usd) > 1
        self.coins: dict[Coin, float] = {}
        self.bucket_of = book.buckets
        self.bucket_cap_usd = equity * book.bucket_share_max * slack
        self.buckets: dict[int, float] = {}
        self.venue_share: dict[Venue, float] = {}
        self.venue_funds: dict[Venue, float] = {}
        for venue, funds in book.venue_equity_usd.items():
            self.venue_share[venue] = equity * (params.venue_share_max if several else 1.0) * slack
            self.venue_funds[venue] = max(funds, 0.0) * params.equity_share_max * slack

    def bind(self, candidate: Candidate, notional_usd: float) -> None:
        """One more pair takes its capital."""
        self.pairs += 1
        self.change(candidate, notional_usd)

    def change(self, candidate: Candidate, notional_usd: float) -> None:
        """A bound pair grows or (negative) shrinks by so much."""
        margin = self.margins.get(candidate.key)
        capital = notional_usd * capital_of(candidate, self.params, margin)
        self.equity_usd -= capital
        self.pairs_usd[candidate.key] = self.pairs_usd.get(candidate.key, 0.0) + notional_usd
        bucket = self.bucket_of.get(candidate.coin)
        if bucket is not None:
            self.buckets[bucket] = self.buckets.get(bucket, 0.0) + capital
        self.coins[candidate.coin] = self.coins.get(candidate.coin, 0.0) + capital
        for venue, spot, futures in wallet_shares(candidate, self.params, margin):
            self.venue_share[venue] = self.venue_share.get(venue, 0.0) - notional_usd * (spot + futures)
            self.venue_funds[venue] = self.venue_funds.get(venue, 0.0) - notional_usd * (spot + futures)

    def most_usd(self, candidate: Candidate) -> tuple[float, str]:
        """How much more notional the pair could take, and the cap that says so; negative: caps are exceeded."""
        margin = self.margins.get(candidate.key)
        capital = capital_of(candidate, self.params, margin)
        limits = [
            (self.equity_usd / capital, "drawdown" if self.cut_by_ladder else "equity"),
            ((self.coin_cap_usd - self.coins.get(candidate.coin, 0.0)) / capital, "coin_share"),
        ]
        bound = self.bounds.get(candidate.key)
        if bound is not None:
            limits.append((bound.usd * self.slack - self.pairs_usd.get(candidate.key, 0.0), bound.limit))
        bucket = self.bucket_of.get(candidate.coin)
        if bucket is not None:
            limits.append(((self.bucket_cap_usd - self.buckets.get(bucket, 0.0)) / capital, "bucket_share"))
        for venue, spot, futures in wallet_shares(candidate, self.params, margin):
            limits.append((self.venue_share.get(venue, 0.0) / (spot + futures), "venue_share"))
            limits.append((self.venue_funds.get(venue, 0.0) / (spot + futures), "venue_funds"))
        return min(limits)


def _keep(verdict: Verdict, room: _Room, loose: _Room, book: Book, params: CarryParams) -> Target:
    """The target of a held pair."""
    candidate, held_usd = verdict.candidate, book.held_usd[verdict.candidate.key]
    if verdict.action is Action.CLOSE:
        return Target(candidate=candidate, notional_usd=0.0, action=Action.CLOSE, reason=verdict.reason)
    more_usd, cap = room.most_usd(candidate)
    least_usd = max(params.resize_share_min * held_usd, params.pair_share_min * book.equity_usd)
    shrink = loose.most_usd(candidate)[0] < 0.0
    if more_usd > 0.0:
        # What is held must be able to leave through what is visible, so depth caps the whole, not the addition.
        more_usd, cap = min((more_usd, cap), (book.largest_usd.get(candidate.key, 0.0) - held_usd, "depth"))
    grow = (
        verdict.may_grow and more_usd > least_usd
        and verdict.net_bps > params.entry_buffer_bps + params.resize_gain_bps_min
        and more_usd >= book.smallest_usd.get(candidate.key, float("inf"))
    )
    # A pair that cannot be judged or is being traded already keeps its size; caps are enforced when it can be.
    if verdict.reason in UNTOUCHED or not (shrink or grow):
        return Target(candidate=candidate, notional_usd=held_usd, action=Action.HOLD, reason=verdict.reason)
    target_usd = max(held_usd + more_usd, 0.0)
    if target_usd < CRUMB_SHARE * params.pair_share_min * book.equity_usd:
        # what its cap leaves is a crumb: not worth a margin pool, a lot grid and four more orders later
        _change((room, loose), candidate, -held_usd)
        room.cuts.append(_cut(cap, candidate, held_usd, more_usd, 0.0))
        return Target(candidate=candidate, notional_usd=0.0, action=Action.CLOSE, reason=cap)
    _change((room, loose), candidate, target_usd - held_usd)
    room.binding.append(f"{cap}:{candidate.key}")
    if target_usd < held_usd:
        room.cuts.append(_cut(cap, candidate, held_usd, more_usd, target_usd))
    return Target(candidate=candidate, notional_usd=target_usd, action=Action.HOLD, reason=cap, resized=True)


def _cut(cap: str, candidate: Candidate, held_usd: float, more_usd: float, after_usd: float) -> CapCut:
    return CapCut(limit=cap, pair=candidate.key, value_usd=held_usd, allowed_usd=held_usd + more_usd,
                  after_usd=after_usd)


def _change(rooms: tuple[_Room, ...], candidate: Candidate, notional_usd: float) -> None:
    for room in rooms:
        room.change(candidate, notional_usd)


def _open(verdict: Verdict, room: _Room, book: Book, params: CarryParams) -> Target | Passed:
    """The target of a pair not yet held, or why it gets none."""
    candidate = verdict.candidate
    if room.pairs >= params.pairs_max:
        return Passed(candidate=candidate, reason="pairs_max")
    smallest_usd = book.smallest_usd.get(candidate.key)
    if smallest_usd is None:
        return Passed(candidate=candidate, reason="minimum_unknown")
    most_usd, cap = min(room.most_usd(candidate), (book.largest_usd.get(candidate.key, 0.0), "depth"))
    if most_usd <= 0.0 or most_usd < params.pair_share_min * book.equity_usd:
        return Passed(candidate=candidate, reason=cap)
    if most_usd < smallest_usd:
        return Passed(candidate=candidate, reason="below_minimum")
    room.bind(candidate, most_usd)
    room.binding.append(f"{cap}:{candidate.key}")
    return Target(candidate=candidate, notional_usd=most_usd, action=Action.OPEN, reason=verdict.reason)
