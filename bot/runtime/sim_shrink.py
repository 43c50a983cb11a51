"""A failing seed reduced to the few faults that break it: delta debugging over whole kinds, then over single things."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from bot.runtime.sim_plan import SimPlan
from bot.runtime.sim_plan_text import early_orders

RUNS_MAX: Final = 400
"""So many runs at most; what is left then is given as it is."""

Fails = Callable[[SimPlan], bool]
"""Whether a plan still breaks the same invariant."""
Told = Callable[[str], None]
Part = TypeVar("Part")

Atom = tuple[str, str, int]
"""(group, name, place): one hit by its name; one strike, death, order or move by its place in the first plan."""


class Shrinker:
    """Reduces one plan; `fails` runs it."""

    def __init__(self, plan: SimPlan, hit_names: list[str], fails: Fails, told: Told) -> None:
        self._plan = plan
        self._fails = fails
        self._told = told
        self.runs = 0
        self.atoms: list[Atom] = _atoms_of(plan, hit_names)
        """What is left."""

    def shrink(self) -> SimPlan:
        """The smallest plan found that still fails; the given one if even its explicit form does not."""
        if not self._still(self.atoms):
            return self._plan
        groups = list(dict.fromkeys(group for group, _, _ in self.atoms))
        kept = self._reduce(groups, self._with_groups)
        self.atoms = self._with_groups(kept)
        self._told(f"{len(kept)} of {len(groups)} groups left, {len(self.atoms)} faults, after {self.runs} runs")
        self.atoms = self._reduce(self.atoms, list)
        self._told(f"{len(self.atoms)} faults left after {self.runs} runs")
        return _plan_of(self._plan, self.atoms)

    def _with_groups(self, groups: list[str]) -> list[Atom]:
        return [atom for atom in self.atoms if atom[0] in groups]

    def _still(self, atoms: list[Atom]) -> bool:
        self.runs += 1
        return self._fails(_plan_of(self._plan, atoms))

    def _reduce(self, parts: list[Part], atoms_of: Callable[[list[Part]], list[Atom]]) -> list[Part]:
        """Zeller's ddmin, complements only: take away ever smaller chunks while it still fails."""
        chunks = 2
        while parts and self.runs < RUNS_MAX:
            size = -(-len(parts) // chunks)
            for first in range(0, len(parts), size):
                rest = [*parts[:first], *parts[first + size:]]
                if self.runs < RUNS_MAX and self._still(atoms_of(rest)):
                    parts, chunks = rest, max(chunks - 1, 2)
                    break
            else:
                if size == 1:
                    break
                chunks = min(2 * chunks, len(parts))
        return parts


def _atoms_of(plan: SimPlan, hit_names: list[str]) -> list[Atom]:
    hits = [(name.rpartition(":")[2].partition("#")[0], name, 0) for name in dict.fromkeys(hit_names)]
    strikes = [(strike.kind.value, "strike", place) for place, strike in enumerate(plan.faults.strikes)]
    deaths = [("deaths", "death", place) for place in range(len(plan.deaths))]
    orders = [("orders", "order", place) for place in early_orders(plan)]
    moves = [("moves", "move", place) for place, move in enumerate(plan.scenarios) if move.log_jump]
    return [*hits, *strikes, *deaths, *orders, *moves]


def _plan_of(plan: SimPlan, atoms: list[Atom]) -> SimPlan:
    """The plan with these atoms alone; what stands in every plan stays."""
    places: dict[str, set[int]] = {name: set() for name in ("strike", "death", "order", "move")}
    chosen = []
    for _, name, place in atoms:
        if name in places:
            places[name].add(place)
        else:
            chosen.append(name)
    strikes = tuple(s for place, s in enumerate(plan.faults.strikes) if place in places["strike"])
    early = set(early_orders(plan))
    return msgspec.structs.replace(
        plan, faults=msgspec.structs.replace(plan.faults, strikes=strikes, chosen=tuple(chosen)),
        deaths=tuple(death for place, death in enumerate(plan.deaths) if place in places["death"]),
        orders=tuple(o for place, o in enumerate(plan.orders) if place not in early or place in places["order"]),
        scenarios=tuple(m for place, m in enumerate(plan.scenarios) if not m.log_jump or place in places["move"]),
    )
