"""What the market did before it began: hourly closes and funding of some 400 days, from the same law, hour by hour.

A newcomer's bot needs history for its models at once. It is drawn apart from the path itself, so that the market after
the start is the same with and without it, and moved so that it ends at the stated prices. Within an hour the fat tails
of minutes have nearly averaged out: clustered volatility, jumps and the premium's regimes carry over, minutes do not.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bot.domain.market_events import ClosesKnown, KnownCloses
from bot.domain.values import NS_PER_DAY, Nanos, Venue
from bot.venues.simulated.market.basis import BasisModel
from bot.venues.simulated.market.funding import rule_of
from bot.venues.simulated.market.funding_rule import running_rate
from bot.venues.simulated.market.instruments import Row
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.returns import hourly_moves
from bot.venues.simulated.market.streams import Array

DAYS: Final = 400
_HOURS_KEPT: Final = 24 * 35
_RUN_H: Final = 8


def closes_before(params: EmbeddedParams, rows: tuple[Row, ...], basis: BasisModel, seed: int,
                  start_ns: int, days: int = DAYS) -> tuple[ClosesKnown, ...]:
    """One event per venue at `start_ns` (a midnight): the closes and funding of the days before.

    Args:
        params: with its coins and venues filled in.
        rows: the market's instruments, perpetuals and spot.
        basis: the market's premium.
        seed: the market's.
        start_ns: the midnight that begins day 0.
        days: how many.
    """
    first_day = start_ns // NS_PER_DAY - days
    moves = hourly_moves(params, seed, days * 24)
    log_price = np.cumsum(moves, axis=1)
    log_price += np.log([coin.price_usd for coin in params.coins])[:, None] - log_price[:, -1:]
    composite = np.exp(log_price)
    premium, noise = basis.hours(seed, days * 24)
    known: dict[Venue, list[KnownCloses]] = {}
    perp = spot = 0
    for row in rows:
        price = composite[row.coin_row]
        if row.instrument.is_perp:
            closes, funding = price * (1.0 + premium[perp]), _funding_per_day(row, premium[perp])
            perp += 1
        else:
            closes, funding = price * (1.0 + noise[spot]), None
            spot += 1
        known.setdefault(row.instrument.venue, []).append(_known(row, closes, funding, first_day))
    return tuple(ClosesKnown(Nanos(start_ns), venue, tuple(closes_of)) for venue, closes_of in known.items())


def _known(row: Row, closes: Array, funding: Array | None, first_day: int) -> KnownCloses:
    """The columns of one instrument; hour 24 k ends day k - 1."""
    days = len(closes) // 24
    rises, falls = _extremes(closes)
    hours = closes[-_HOURS_KEPT:]
    return KnownCloses(
        instrument=row.instrument.id, first_day=first_day + 1, closes=tuple(closes[23::24].tolist()),
        funding=(None,) * days if funding is None else tuple(funding.tolist()), rises=tuple(rises.tolist()),
        falls=tuple(falls.tolist()), realised=tuple(_realised(closes).tolist()),
        first_hour=first_day * 24 + len(closes) - len(hours) + 1,
        hours=tuple(hours.tolist()),
    )


def _extremes(closes: Array) -> tuple[Array, Array]:
    """Largest log rise and fall within 8 h, per day."""
    logs = np.log(closes)
    padded = np.concatenate([np.full(_RUN_H, logs[0]), logs])
    windows = np.lib.stride_tricks.sliding_window_view(padded, _RUN_H + 1)
    rise = logs - windows.min(axis=1)
    fall = windows.max(axis=1) - logs
    return rise.reshape(-1, 24).max(axis=1), fall.reshape(-1, 24).max(axis=1)


def _realised(closes: Array) -> Array:
    """Squared hourly log returns, summed per day."""
    moves = np.diff(np.log(closes), prepend=np.log(closes[0]))
    return np.asarray((moves * moves).reshape(-1, 24).sum(axis=1))


def _funding_per_day(row: Row, premium: Array) -> Array:
    """What each day settled, with the hour's premium as its samples."""
    rule = rule_of(row.instrument)
    samples = premium.reshape(-1, rule.interval_h)
    settled = running_rate(samples, rule)[:, -1]
    return np.asarray(settled.reshape(-1, 24 // rule.interval_h).sum(axis=1))
