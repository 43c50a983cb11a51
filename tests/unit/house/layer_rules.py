"""Imports go one way: the order of the layers, and no cycle inside one."""

from __future__ import annotations

import ast
import graphlib

from tests.unit.house.source_tree import Module, at_import_time, imported

LAYERS = (
    "domain", "quant|market", "strategy|portfolio", "execution|risk", "engine", "telemetry", "venues|storage",
    "runtime", "research|control", "settings|options", "app", "cli", "__main__",
)  # lowest first; peers joined by | do not mix
PURE = ("domain", "quant", "market", "strategy", "portfolio", "execution", "risk", "engine")


def upward_imports(sources: list[Module], layers: tuple[str, ...] = LAYERS) -> list[str]:
    """Imports that point up or to a peer, and layers that have no place in the order."""
    rank = {name: height for height, peers in enumerate(layers) for name in peers.split("|")}
    found = []
    for source in sources:
        if source.layer and source.layer not in rank:
            found.append(f"{source.path}: {source.layer!r} has no place in the order of layers")
            continue
        for line, name in imported(source, ast.walk(source.tree)):
            head, _, rest = name.partition(".")
            target = rest.partition(".")[0]
            if head != "bot" or not target or target == source.layer or target.startswith("__v"):
                continue  # `from bot import __version__` belongs to all
            if target not in rank:
                found.append(f"{source.path}:{line}: imports {name}, which has no place in the order of layers")
            elif not source.layer:
                found.append(f"{source.path}:{line}: bot/__init__.py imports {name}; it may import nothing of ours")
            elif rank[target] >= rank[source.layer]:
                found.append(f"{source.path}:{line}: {source.layer} imports {name}")
    return found


def import_cycles(sources: list[Module]) -> list[str]:
    """The first cycle among the modules' import-time imports, if there is one."""
    names = {source.dotted for source in sources}
    graph: dict[str, list[str]] = {}
    for source in sources:
        needs = graph.setdefault(source.dotted, [])
        for _, name in imported(source, at_import_time(source.tree)):
            target = name if name in names else name.rpartition(".")[0]
            if target in names and target != source.dotted:
                needs.append(target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [" -> ".join(error.args[1])]
    return []
