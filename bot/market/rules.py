"""What changed in an instrument's rules, by kind: each kind asks for another reaction."""

from __future__ import annotations

from enum import Enum

from bot.domain.instrument import Instrument


class RuleChange(Enum):
    """One kind of change."""

    IDENTITY = "identity"
    """It is another thing under the same name: renamed, redenominated, another multiplier or quote (F46)."""
    GRID = "grid"
    """Ticks or lots count in other units (F47)."""
    INTERVAL = "interval"
    """Funding is settled more or less often (F39)."""
    DELISTING = "delisting"
    """Its end was announced, moved or withdrawn (F45)."""


def changes_of(old: Instrument, new: Instrument) -> tuple[RuleChange, ...]:
    """What differs; another identity makes every other difference meaningless."""
    if old.identity != new.identity:
        return (RuleChange.IDENTITY,)
    found = []
    if old.grid != new.grid:
        found.append(RuleChange.GRID)
    if old.funding is not None and new.funding is not None and old.funding.interval_h != new.funding.interval_h:
        found.append(RuleChange.INTERVAL)
    if old.delist_ns != new.delist_ns:
        found.append(RuleChange.DELISTING)
    return tuple(found)
