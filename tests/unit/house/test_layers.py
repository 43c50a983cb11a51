"""The house rules: each holds for every module of `bot`, and each notices a planted violation."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.unit.house import purity_rules, size_rules
from tests.unit.house.layer_rules import LAYERS, import_cycles, upward_imports
from tests.unit.house.source_tree import REPO, Module, module, modules

Rule = Callable[[Module], list[str]]
RULES: tuple[Rule, ...] = (
    purity_rules.clock_reads, purity_rules.impure_imports, purity_rules.awaits, purity_rules.set_iterations,
    purity_rules.catch_alls, purity_rules.approvals, purity_rules.heavy_imports,
    size_rules.long_modules, size_rules.long_functions, size_rules.empty_names,
)
SOURCES = modules()

PLANTED: tuple[tuple[Rule, str, str], ...] = (
    (purity_rules.clock_reads, "runtime/live.py", "import time as t\nt.monotonic_ns()\n"),
    (purity_rules.clock_reads, "cli/run.py", "from time import time\n"),
    (purity_rules.clock_reads, "engine/engine.py", "import datetime as dt\ndt.datetime.now(dt.UTC)\n"),
    (purity_rules.clock_reads, "runtime/live.py", "import asyncio\nasyncio.get_running_loop().time()\n"),
    (purity_rules.clock_reads, "research/report.py", "import numpy as np\nnp.datetime64('now')\n"),
    (purity_rules.impure_imports, "risk/limits.py", "import random\n"),
    (purity_rules.impure_imports, "market/book.py", "def f() -> None:\n    from os import path\n"),
    (purity_rules.impure_imports, "quant/draws.py", "from numpy import random\n"),
    (purity_rules.impure_imports, "engine/engine.py", "import structlog\n"),
    (purity_rules.awaits, "domain/ports.py", "async def submit() -> None: ...\n"),
    (purity_rules.set_iterations, "strategy/carry.py", "for coin in {1, 2}:\n    pass\n"),
    (purity_rules.set_iterations, "strategy/carry.py", "coins = [c for c in set('ab')]\n"),
    (purity_rules.set_iterations, "strategy/carry.py", "def f(x: set[str]) -> list[str]:\n    return list(x)\n"),
    (purity_rules.set_iterations, "risk/keeper.py", "def f(a):\n    b = set(a)\n    for c in b: print(c)\n"),
    (purity_rules.set_iterations, "risk/keeper.py", "class A:\n    s: set[int]\ndef f(a):\n    return sum(a.s)\n"),
    (purity_rules.set_iterations, "risk/keeper.py", "def f(a):\n    for c in a.keys() - [1]: print(c)\n"),
    (purity_rules.catch_alls, "runtime/live.py", "try:\n    pass\nexcept Exception:\n    pass\n"),
    (purity_rules.catch_alls, "runtime/live.py", "try:\n    pass\nexcept:\n    pass\n"),
    (purity_rules.catch_alls, "engine/engine.py", "try:\n    pass\nexcept (ValueError, BaseException):\n    pass\n"),
    (purity_rules.approvals, "execution/planner.py", "orders.ApprovedOrder(intent, 0, 1)\n"),
    (purity_rules.approvals, "engine/engine.py", "from bot.domain.orders import ApprovedOrder as Go\n"),
    (purity_rules.heavy_imports, "research/report.py", "import pandas as pd\n"),
    (purity_rules.heavy_imports, "venues/ccxt/orders.py", "try:\n    import ccxt.pro\nexcept ImportError:\n    pass\n"),
    (purity_rules.heavy_imports, "quant/tails.py", "from scipy import stats\n"),
    (purity_rules.heavy_imports, "runtime/backtest.py", "def f() -> None:\n    import duckdb\n"),
    (size_rules.long_modules, "domain/values.py", "x = 1\n" * 351),
    (size_rules.long_functions, "domain/values.py", "def f() -> None:\n" + "    pass\n" * 80),
    (size_rules.empty_names, "runtime/task_manager.py", ""),
    (size_rules.empty_names, "market/utils.py", ""),
)
ALLOWED: tuple[tuple[Rule, str, str], ...] = (
    (purity_rules.clock_reads, "runtime/clock.py", "import time\ntime.monotonic_ns()\n"),
    (purity_rules.clock_reads, "runtime/live.py", "import time\ntime.sleep(0)\n"),
    (purity_rules.impure_imports, "runtime/live.py", "import asyncio\n"),
    (purity_rules.set_iterations, "strategy/carry.py", "def f(x: set[str]) -> list[str]:\n    return sorted(x)\n"),
    (purity_rules.set_iterations, "strategy/carry.py", "def f(x: set[int]):\n    return any(c > 1 for c in x)\n"),
    (purity_rules.catch_alls, "runtime/live.py", "try:\n    pass\nexcept BaseException:\n    raise\n"),
    (purity_rules.approvals, "risk/limits.py", "ApprovedOrder(intent, 0, 1)\n"),
    (purity_rules.heavy_imports, "research/report.py", "def f() -> None:\n    import pandas\n"),
    (purity_rules.heavy_imports, "research/report.py", "import typing\nif typing.TYPE_CHECKING:\n    import arch\n"),
    (purity_rules.heavy_imports, "storage/history.py", "import duckdb\n"),
    (size_rules.long_functions, "domain/values.py", "def f() -> None:\n" + "    pass\n" * 79),
)


def test_there_is_something_to_check() -> None:
    """The rules look at the real tree, not at an empty folder."""
    assert {"domain/values.py", "__main__.py"} <= {source.path for source in SOURCES}


def test_no_import_points_up() -> None:
    """A module imports lower layers only, also inside functions and for types."""
    assert upward_imports(SOURCES) == []


def test_no_import_cycle() -> None:
    """Modules can be read bottom up."""
    assert import_cycles(SOURCES) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    """The rule holds in every module."""
    assert [fault for source in SOURCES for fault in rule(source)] == []


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED)
def test_a_planted_violation_is_found(rule: Rule, path: str, text: str) -> None:
    """The rule can fail."""
    assert rule(module(path, text)) != []


@pytest.mark.parametrize(("rule", "path", "text"), ALLOWED)
def test_what_is_allowed_passes(rule: Rule, path: str, text: str) -> None:
    """The rule does not cry wolf."""
    assert rule(module(path, text)) == []


def test_every_rule_has_a_planted_violation() -> None:
    """No rule is trusted that was never seen failing."""
    assert {rule for rule, _, _ in PLANTED} == set(RULES)


@pytest.mark.parametrize(("path", "text"), [
    ("domain/values.py", "from bot.market.book import Book\n"),
    ("market/book.py", "from bot.quant import beta\n"),
    ("risk/limits.py", "def f() -> None:\n    from bot.engine import step\n"),
    ("venues/simulated/fees.py", "from ...storage import journal\n"),
    ("settings.py", "from bot import app\n"),
    ("strategy/carry.py", "import importlib\nimportlib.import_module('bot.runtime.clock')\n"),
    ("gadgets/x.py", "x = 1\n"),
    ("__init__.py", "from bot.domain import values\n"),
])
def test_an_upward_import_is_found(path: str, text: str) -> None:
    """Up, sideways to a peer, inside a function, relative, by string, from an unplaced folder: all are seen."""
    assert upward_imports([module(path, text)]) != []


@pytest.mark.parametrize(("path", "text"), [
    ("risk/limits.py", "from bot.portfolio.ledger import Ledger\n"),
    ("venues/simulated/fees.py", "from .margin import tiers\nfrom bot.domain import values\n"),
    ("cli/run.py", "def run() -> None:\n    from bot import app\n"),
])
def test_a_downward_import_passes(path: str, text: str) -> None:
    """Imports of lower layers and of one's own are fine."""
    assert upward_imports([module(path, text)]) == []


def test_a_cycle_is_found() -> None:
    """Two modules of one layer that need each other do not pass."""
    pair = [module("risk/a.py", "from bot.risk.b import x\n"), module("risk/b.py", "from bot.risk import a\n")]
    assert import_cycles(pair) != []


def test_every_folder_says_what_it_is() -> None:
    """Each package opens with what it knows, what it may import and who uses it."""
    packages = [source for source in SOURCES if source.path.endswith("__init__.py")]
    assert [source.path for source in packages if not source.text.startswith('"""')] == []


@pytest.mark.parametrize("entry", ["bot.app", "bot.__main__", "bot.runtime.live"])
def test_the_daemon_stays_small(entry: str) -> None:
    """Importing what the daemon runs loads none of the heavy libraries."""
    if importlib.util.find_spec(entry.rpartition(".")[0]) is None or importlib.util.find_spec(entry) is None:
        pytest.skip(f"{entry} is not there yet")
    code = f"import json, sys, {entry}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert sorted(loaded & {*purity_rules.HEAVY, "duckdb"}) == []


def test_layers_name_each_folder_once() -> None:
    """The order itself is well formed."""
    names = [name for peers in LAYERS for name in peers.split("|")]
    assert len(names) == len(set(names))
