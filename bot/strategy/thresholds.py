"""Enter and leave: the two thresholds of the switching problem between flat and in trade (quant reference 3.2).

State x: the forecast of net carry (funding minus hurdle) per 8 h, AR(1) about its mean. Let D(x) be how much more being
in is worth than being flat. Being in earns x and then D again; whoever is in can leave for `cost_out`, whoever is flat
can enter for `cost_in`, so D never leaves [-cost_out, cost_in]:

    W(x) = x + E[D(x') | x],    D(x) = min(max(W(x), -cost_out), cost_in)

Enter where W >= cost_in, leave where W <= -cost_out: leaving pays when the expected cost of staying until the rate has
recovered exceeds what leaving and coming back would cost. This is the difference of the two average-reward value
functions, so no average reward has to be found, and it converges without discounting.
"""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

GRID_POINTS = 161
STATE_SDS = 6.0
"""The grid reaches so many stationary sd beyond both the mean and zero."""
SPREAD_STEPS_MIN = 0.7
"""The smallest sd of a transition, in steps of the grid."""
MEAN_STEP_BPS = 0.1
SD_STEP_LOG = 0.2
COST_STEP_BPS = 2.0
SWEEPS_PER_ROUND = 60
ROUNDS_MAX = 80
TOLERANCE_BPS = 1e-7
DIGITS = 6
"""Results are rounded, so that the last bits of a linear solve never reach a record."""

Vector = NDArray[np.float64]


class Bands(msgspec.Struct, frozen=True):
    """The solution for one set of parameters; all in bp, per 8 h where it is a rate."""

    enter_bps_8h: float
    """Enter at or above this forecast (+inf: never)."""
    exit_bps_8h: float
    """Leave at or below this forecast (-inf: never)."""
    cost_in_bps: float
    """The cost of entering that was solved for (rounded): compare values with it, not with the unrounded one."""
    cost_out_bps: float
    grid_start_bps_8h: float
    grid_step_bps_8h: float
    values_bps: tuple[float, ...]
    """W on the grid: what staying in is worth beyond being flat."""

    def value_bps(self, x_bps_8h: float) -> float:
        """W(x), linear between grid points and beyond the ends at slope 1 (a lower bound of its size)."""
        position = (x_bps_8h - self.grid_start_bps_8h) / self.grid_step_bps_8h
        last = len(self.values_bps) - 1
        if position <= 0.0:
            return self.values_bps[0] + position * self.grid_step_bps_8h
        if position >= last:
            return self.values_bps[last] + (position - last) * self.grid_step_bps_8h
        index = int(position)
        low, high = self.values_bps[index], self.values_bps[index + 1]
        return low + (position - index) * (high - low)


def bands(mean_bps_8h: float, sd_8h_bps: float, phi_8h: float, cost_in_bps: float, cost_out_bps: float) -> Bands:
    """The two thresholds for a mean and sd per 8 h and the costs of entering and leaving, all in bp.

    The mean is rounded to 0.1 bp, the sd to a factor of e^0.2, costs to 2 bp (at least 2): few problems are ever
    solved, each in about 1 ms, and the answer depends on the rounded parameters alone.
    """
    return _solve(
        round(mean_bps_8h / MEAN_STEP_BPS), round(math.log(sd_8h_bps) / SD_STEP_LOG), phi_8h,
        max(round(cost_in_bps / COST_STEP_BPS), 1), max(round(cost_out_bps / COST_STEP_BPS), 1),
    )


@lru_cache(maxsize=2048)
def _solve(mean_steps: int, sd_steps: int, phi: float, cost_in_steps: int, cost_out_steps: int) -> Bands:
    mean, sd = mean_steps * MEAN_STEP_BPS, math.exp(sd_steps * SD_STEP_LOG)
    cost_in, cost_out = cost_in_steps * COST_STEP_BPS, cost_out_steps * COST_STEP_BPS
    grid, chain = _chain(mean, sd, phi)
    worth = _fixed_point(grid, chain, cost_in, cost_out)
    return Bands(
        enter_bps_8h=round(_crossing(grid, worth, cost_in, math.inf), DIGITS),
        exit_bps_8h=round(_crossing(grid, worth, -cost_out, -math.inf), DIGITS),
        cost_in_bps=cost_in,
        cost_out_bps=cost_out,
        grid_start_bps_8h=float(grid[0]),
        grid_step_bps_8h=float(grid[1] - grid[0]),
        values_bps=tuple([round(value, DIGITS) for value in worth.tolist()]),
    )


@lru_cache(maxsize=16)
def _chain(mean: float, sd: float, phi: float) -> tuple[Vector, Vector]:
    """The grid, and the AR(1) transition matrix on it: (points,), (points, points); rows sum to 1.

    Kept: the same mean and sd are met at many costs. Nobody may write into them.
    """
    reach = STATE_SDS * sd / math.sqrt(1.0 - phi * phi)
    grid = np.linspace(min(mean, 0.0) - reach, max(mean, 0.0) + reach, GRID_POINTS)
    half = 0.5 * (grid[1] - grid[0])
    centre = mean + phi * (grid - mean)
    # A sd far below the grid's step would pin every state to its own point: the drift would be lost.
    spread = max(sd, SPREAD_STEPS_MIN * 2.0 * half)
    below = ndtr((grid[None, :] + half - centre[:, None]) / spread)
    below[:, -1] = 1.0
    return grid, np.diff(below, axis=1, prepend=0.0)


def _fixed_point(grid: Vector, chain: Vector, cost_in: float, cost_out: float) -> Vector:
    """W by value iteration, finished by one linear solve as soon as the band it suggests proves to be the fixed point.

    Policy steps alone can cycle here (one bound minimises, the other maximises); value iteration cannot.
    """
    difference = np.clip(grid, -cost_out, cost_in)
    worth = np.empty_like(grid)
    for _ in range(ROUNDS_MAX):
        for _ in range(SWEEPS_PER_ROUND):  # in place: at this size an allocation costs as much as the sum
            np.matmul(chain, difference, out=worth)
            np.add(grid, worth, out=worth)
            np.maximum(worth, -cost_out, out=difference)
            np.minimum(difference, cost_in, out=difference)
        inside = (worth < cost_in) & (worth > -cost_out)
        if inside.all():  # nobody ever acts: the linear system is singular, the sweeps must do
            continue
        solved = _solve_inside(grid, chain, difference, inside)
        again = grid + chain @ np.clip(solved, -cost_out, cost_in)
        if float(np.abs(again - solved).max()) < TOLERANCE_BPS:
            return again
    return worth


def _solve_inside(grid: Vector, chain: Vector, difference: Vector, inside: NDArray[np.bool_]) -> Vector:
    """W if one acts exactly outside the band `inside`, where D is known; (points,)."""
    trial = difference.copy()
    known = grid[inside] + chain[np.ix_(inside, ~inside)] @ difference[~inside]
    trial[inside] = np.linalg.solve(np.eye(int(inside.sum())) - chain[np.ix_(inside, inside)], known)
    worth: Vector = grid + chain @ trial
    return worth


def _crossing(grid: Vector, worth: Vector, level: float, never: float) -> float:
    """Where the increasing worth crosses the level, linear between points; else an end of the grid, or `never`."""
    if worth[0] >= level:
        return float(grid[0]) if never > 0 else never
    if worth[-1] <= level:
        return float(grid[-1]) if never < 0 else never
    index = int(np.searchsorted(worth, level))
    share = (level - worth[index - 1]) / (worth[index] - worth[index - 1])
    return float(grid[index - 1] + share * (grid[index] - grid[index - 1]))
