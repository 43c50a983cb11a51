"""What tail risk costs: filtered VaR and ES, copula draws, stress of a whole book, and a year of paths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bot.quant.book_paths import run_paths
from bot.quant.copula_scenarios import EmpiricalMargin, copula_scenarios
from bot.quant.dependence import nearest_correlation
from bot.quant.fhs import Scenarios
from bot.quant.monte_carlo import JointRows, bootstrap_steps, stationary_indices
from bot.quant.path_book import KeeperRule
from bot.risk.stress import StressLimits, stress
from bot.risk.stress_book import StressBook
from tests.benchmarks.figures import best, table
from tests.unit.quant.made_books import legs_of, pools_of
from tests.unit.risk.made_stress import pair, pool

pytestmark = pytest.mark.benchmark

LEGS, ROWS, DRAWS = 40, 730, 100_000


def panel(rows: int, seed: int = 1) -> np.ndarray:
    """Heavy-tailed returns."""
    return np.random.default_rng(seed).standard_t(4, size=(rows, LEGS)) * 0.03


def row(name: str, seconds: float, base: float) -> tuple[str, str, str]:
    """Milliseconds and the ratio to the bare work."""
    return name, f"{seconds * 1e3:.3f}", f"{seconds / base:.2f}"


def many(work: Callable[[], object], times: int = 200) -> float:
    """CPU seconds of one of many rounds."""
    def rounds() -> None:
        for _ in range(times):
            work()

    return best(rounds) / times


def test_var_and_es_of_a_40_leg_book(show: Callable[[str], None]) -> None:
    """Filtered history: one product and a partial sort; the goal is 5 ms."""
    scenarios, book = Scenarios(returns=panel(ROWS), filtered=True), np.random.default_rng(2).standard_normal(LEGS)
    bare = many(lambda: scenarios.returns @ book)
    rows = [("work", "ms", "ratio"), row("the product alone", bare, bare),
            row("VaR and ES", many(lambda: scenarios.tail(book, 0.975)), bare),
            row("and component ES", many(lambda: scenarios.component_es(book, 0.975)), bare)]
    show(table(f"filtered VaR and ES: {LEGS} legs, {ROWS} days (goal 5 ms)", rows))
    assert bare > 0.0


def test_monte_carlo_of_100_000_draws(show: Callable[[str], None]) -> None:
    """t copula with empirical margins beside normals times a root, and one book beside its product."""
    raw = np.random.default_rng(3).standard_normal((LEGS, LEGS))
    correlation = nearest_correlation(raw @ raw.T / LEGS + np.eye(LEGS))
    root, book = np.linalg.cholesky(correlation).T, np.random.default_rng(2).standard_normal(LEGS)
    margins = [EmpiricalMargin(column) for column in panel(ROWS).T]
    made = copula_scenarios(correlation, 4.0, margins, DRAWS, np.random.default_rng(5))
    product = best(lambda: made.returns @ book)
    drawn = best(lambda: np.random.default_rng(4).standard_normal((DRAWS, LEGS)) @ root)
    draw = best(lambda: copula_scenarios(correlation, 4.0, margins, DRAWS, np.random.default_rng(4)))
    rows = [("work", "ms", "ratio"), row("paths x book, the product alone", product, product),
            row("VaR and ES of a book on drawn paths", best(lambda: made.tail(book, 0.975)), product),
            row("normals and their product with a root", drawn, drawn), row("t copula, empirical margins", draw, drawn)]
    show(table(f"Monte Carlo: {DRAWS:,} paths x {LEGS} legs (goal: twice the product)", rows,
               "draws do not depend on the book: once a day, then the second line for every book"))
    assert made.returns.shape == (DRAWS, LEGS)


def test_stress_of_a_40_leg_book(show: Callable[[str], None]) -> None:
    """Every scenario through margin, liquidation, top-ups and repairs; the goal is 5 ms."""
    legs = [leg for coin in range(10) for venue in ("binance", "bybit")
            for leg in pair(f"C{coin}", 1000.0, venue, 5e-4)]
    book = StressBook(legs=tuple(legs), pools=(pool(400.0, 3600.0), pool(0.0, 3600.0, venue="bybit")))
    sheet = stress(book, StressLimits())
    ms = many(lambda: stress(book, StressLimits()), 20) * 1e3
    rows = [("work", "ms", "us each"), ("all scenarios", f"{ms:.2f}", f"{ms * 1e3 / len(sheet.results):.0f}")]
    show(table(f"stress: {len(legs)} legs, {len(sheet.results)} scenarios as told (goal 5 ms)", rows))
    assert sheet.results


def test_a_year_of_paths(show: Callable[[str], None]) -> None:
    """1,000 paths of 365 days with 10 legs through pools, tiers, top-ups and funding."""
    count, paths, days = 10, 1000, 365
    returns = np.repeat(panel(400)[:, : count // 2], 2, axis=1)
    rows_of = JointRows(returns=returns, funding=np.where(np.arange(count) % 2, 1e-4, 0.0) * np.ones((400, 1)))
    legs = legs_of([1000.0, -1000.0] * (count // 2), [False, True] * (count // 2), coins=[*np.repeat(range(5), 2)])
    indices = stationary_indices(400, days, paths, 10.0, np.random.default_rng(1))

    def year() -> None:
        run_paths(legs, pools_of((1500.0, 2000.0)), KeeperRule(), bootstrap_steps(rows_of, indices), paths)

    bare = best(lambda: [returns[place] @ legs.notional_usd for place in indices.T])
    seconds = best(year)
    show(table(f"book paths: {paths:,} x {days} days x {count} legs",
               [("work", "ms", "ratio"), row("draw and multiply", bare, bare), row("the path engine", seconds, bare)],
               f"10,000 paths: {10 * seconds:.1f} s"))
    assert seconds > 0.0
