"""Ornstein-Uhlenbeck rows on the minute grid, many at once, with their state carried from day to day."""

from __future__ import annotations

from typing import Final

import numpy as np

from bot.venues.simulated.market.streams import Array

_NOTHING: Final = 1e-18
_STATE_DECIMALS: Final = 12


def minute_decay(half_life_h: Array) -> Array:
    """The factor by which a deviation shrinks in one minute, same shape as the half-lives (hours, > 0)."""
    return np.asarray(0.5 ** (1.0 / (60.0 * half_life_h)), dtype=np.float64)


def mean_reverting(state: Array, decay: Array, sd: Array, shocks: Array) -> Array:
    """Paths around zero: `y[t] = decay * y[t-1] + sd * sqrt(1 - decay^2) * shock[t]`, with `y[-1] = state`.

    Args:
        state: shape (n,), the value before the first column.
        decay: shape (n,), per column step, in (0, 1).
        sd: shape (n,), the stationary standard deviation.
        shocks: shape (n, t), standard normal; not changed.
    Returns:
        Shape (n, t). Computed by recursive doubling (log2 t vector passes), so equal inputs give equal bits.
    """
    paths = shocks * (sd * np.sqrt(1.0 - decay * decay))[:, None]
    paths[:, 0] += decay * state
    weight, shift = decay[:, None].copy(), 1
    while shift < paths.shape[1] and float(weight.max()) > _NOTHING:
        paths[:, shift:] += weight * paths[:, :-shift]
        weight *= weight
        shift *= 2
    return paths


def end_state(paths: Array) -> Array:
    """The last column, rounded to 12 decimals: last-bit differences between CPUs die at the end of the day."""
    return np.asarray(np.round(paths[:, -1], _STATE_DECIMALS), dtype=np.float64)
