"""The limits a book of weights must keep, one function that finds every breach, and rounding to lots.

Weights are signed fractions of equity, shape (n,), one per asset (a perp, a spot position, or a whole pair). Every
limit has a name, which a decision record shows: `box:A gross net group:G beta turnover margin untradable:A`.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

TOLERANCE: Final = 1e-6
"""A millionth of equity: what a solver's last digits may exceed a limit by."""


class Group(msgspec.Struct, frozen=True):
    """Assets that share a cap on the sum of their absolute weights: those of a venue, of a coin."""

    name: str
    members: tuple[int, ...]
    gross_max: float
    rates: tuple[float, ...] = ()
    """What a unit of each member's absolute weight counts; empty: one."""

    def used(self, weights: Vector) -> float:
        """How much of the cap these weights take."""
        size = np.abs(weights[list(self.members)])
        return float(size.sum()) if not self.rates else float(size @ np.array(self.rates))


class BookLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a book may not exceed; `inf` or None where there is no such limit.

    Raises:
        ValueError: if shapes differ, a bound is not finite, or a cap is negative or unknown.
    """

    lower: Vector
    upper: Vector
    """The box, shape (n,)."""
    gross_max: float = math.inf
    """On the sum of absolute weights."""
    net: float | None = None
    """What the weights must sum to: 1 for a fully invested book, 0 for a dollar-neutral one."""
    groups: tuple[Group, ...] = ()
    beta: Vector | None = None
    """Shape (n,), each asset's beta to the market."""
    beta_target: float = 0.0
    beta_band: float = math.inf
    """|beta'w - target| at most; 0 makes it an equality."""
    turnover_max: float = math.inf
    """On the sum of absolute changes from what is held."""
    margin_rates: Vector | None = None
    """Margin needed per unit of absolute weight, shape (n,), not negative."""
    margin_max: float = 1.0
    tradable: Mask | None = None
    """Assets that cannot be traded keep their held weight; all can where this is None."""
    names: tuple[str, ...] = ()
    """For records; places in the array where empty."""

    def __post_init__(self) -> None:
        """Refuse limits that mean nothing; an empty box is left to the solver, which names it."""
        size = len(self.lower)
        for key in ("lower", "upper", "beta", "margin_rates", "tradable"):
            value = getattr(self, key)
            if value is not None and value.shape != (size,):
                raise ValueError(f"{key} has shape {value.shape}, the box ({size},)")
        if not (np.isfinite(self.lower).all() and np.isfinite(self.upper).all()):
            raise ValueError("the box must be finite: an asset without a limit has no place in an allocation")
        if self.names and len(self.names) != size:
            raise ValueError(f"{len(self.names)} names for {size} assets")
        caps = {"gross_max": self.gross_max, "turnover_max": self.turnover_max, "margin_max": self.margin_max,
                "beta_band": self.beta_band, **{f"group {group.name}": group.gross_max for group in self.groups},
                **{f"group {group.name}, a rate": min(group.rates) for group in self.groups if group.rates}}
        for group in self.groups:
            if group.rates and len(group.rates) != len(group.members):
                raise ValueError(f"group {group.name}: {len(group.rates)} rates for {len(group.members)} members")
        for key, cap in caps.items():
            if math.isnan(cap) or cap < 0.0:
                raise ValueError(f"{key} = {cap}: must be 0 or more")

    def name(self, asset: int) -> str:
        """What records call it."""
        return self.names[asset] if self.names else str(asset)

    def free(self) -> Mask:
        """Assets whose weight can be chosen at all: tradable, and with room in the box."""
        room = self.upper > self.lower
        return room if self.tradable is None else room & self.tradable

    def fixed_weights(self, held: Vector) -> Vector:
        """What the others have: the held weight of an untradable one, the only point of a box without room."""
        pinned = np.where(self.upper > self.lower, held, self.lower)
        return np.asarray(pinned if self.tradable is None else np.where(self.tradable, pinned, held))


class Violation(msgspec.Struct, frozen=True):
    """One limit that a book exceeds."""

    limit: str
    value: float
    allowed: float


class RoundedBook(msgspec.Struct, frozen=True):
    """A book on the lot grid, what was not worth an order, and which limits it breaks."""

    weights: Vector
    dropped: tuple[int, ...]
    """Assets left as held because the change is below their smallest order."""
    violations: tuple[Violation, ...]


def violations(
    limits: BookLimits, weights: Vector, held: Vector, tolerance: float = TOLERANCE,
) -> tuple[Violation, ...]:
    """Every limit that the weights exceed by more than `tolerance`, in a fixed order; a NaN exceeds everything."""
    found: list[Violation] = []

    def check(limit: str, value: float, allowed: float) -> None:
        if not value <= allowed + tolerance:
            found.append(Violation(limit, value, allowed))

    size = np.abs(weights)
    for asset in np.flatnonzero(~((weights >= limits.lower - tolerance) & (weights <= limits.upper + tolerance))):
        value = float(weights[asset])
        bound = limits.upper[asset] if not value < limits.lower[asset] else limits.lower[asset]
        if limits.tradable is None or limits.tradable[asset]:
            found.append(Violation(f"box:{limits.name(int(asset))}", value, float(bound)))
    if limits.tradable is not None:
        for asset in np.flatnonzero(~limits.tradable & ~(np.abs(weights - held) <= tolerance)):
            label = f"untradable:{limits.name(int(asset))}"
            found.append(Violation(label, float(weights[asset]), float(held[asset])))
    check("gross", float(size.sum()), limits.gross_max)
    if limits.net is not None and not abs(float(weights.sum()) - limits.net) <= tolerance:
        found.append(Violation("net", float(weights.sum()), limits.net))
    for group in limits.groups:
        check(f"group:{group.name}", group.used(weights), group.gross_max)
    if limits.beta is not None:
        gap = weighted_sum(limits.beta, weights) - limits.beta_target
        if not abs(gap) <= limits.beta_band + tolerance:
            edge = limits.beta_target + math.copysign(limits.beta_band, gap)
            found.append(Violation("beta", limits.beta_target + gap, edge))
    check("turnover", float(np.abs(weights - held).sum()), limits.turnover_max)
    if limits.margin_rates is not None:
        check("margin", weighted_sum(limits.margin_rates, size), limits.margin_max)
    return tuple(found)


def weighted_sum(values: Vector, weights: Vector) -> float:
    """values'w over the assets that have a weight: what is unknown of an asset without one does not matter."""
    there = np.flatnonzero(weights)
    return float(values[there] @ weights[there])


def rounded_book(
    limits: BookLimits, weights: Vector, held: Vector, steps: Vector, smallest: Vector,
) -> RoundedBook:
    """Round weights towards zero to the lot step, leave changes below the smallest order, check all limits again.

    Towards zero, so that no cap on sizes is broken by rounding; beta, net and turnover may be, and are reported.

    Args:
        weights, held: shape (n,), fractions of equity.
        steps: shape (n,), a lot's share of equity; positive.
        smallest: shape (n,), the smallest order's share of equity.
    """
    if not (steps > 0.0).all():
        raise ValueError("a lot step must be positive")
    # A weight that is a whole number of lots up to float noise stays that number.
    lots = np.trunc(weights / steps + np.copysign(1e-9, weights))
    target = np.asarray(lots * steps, dtype=np.float64)
    change = np.abs(target - held)
    small = (change > 0.0) & (change < smallest * (1.0 - 1e-9))
    target = np.where(small, held, target)
    dropped = tuple(int(asset) for asset in np.flatnonzero(small))
    return RoundedBook(target, dropped, violations(limits, target, held))
