"""Refitting 50 symbols: the worker pool beside plain arch calls, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from bot.quant.leverage_cap import CapRules, leverage_cap
from bot.quant.symbol_models import FitRequest
from bot.quant.volatility import (
    VolatilityParams,
    VolatilityState,
    cap_sigma,
    day_closed,
    forecast,
    hour_closed,
    with_models,
)
from bot.research.leverage_study import SIDES
from bot.runtime.fit_pool import FitPool, fit_bundle
from tests.benchmarks.figures import T, best, table
from tests.unit.quant.series import garch_series

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

SYMBOLS, POINTS, STEP = 50, 1_000, 7


def _series() -> list[np.ndarray]:
    """Daily returns in per cent, a week longer than a fit sees, each coin with its own parameters."""
    noise = np.random.default_rng(50)
    return [
        garch_series(POINTS + STEP, omega=noise.uniform(0.2, 1.5), alpha=noise.uniform(0.04, 0.14),
                     beta=noise.uniform(0.78, 0.85), nu=noise.uniform(2.8, 6.0), seed=seed)
        for seed in range(SYMBOLS)
    ]


def _request(place: int, returns_pct: np.ndarray) -> FitRequest:
    return FitRequest(symbol=f"coin{place}", daily_returns=tuple((returns_pct / 100.0).tolist()))


def test_refits_of_fifty_symbols(show: Callable[[str], None]) -> None:
    """Wall time of a weekly refit; every log-likelihood is arch's to 1e-6 relative. No answer is cached."""
    from arch import arch_model

    series = _series()
    last_week = [models.garch for models in fit_bundle([_request(i, r[:-STEP]) for i, r in enumerate(series)])]
    cold = [_request(i, r[STEP:]) for i, r in enumerate(series)]
    warm = [msgspec.structs.replace(request, start=start) for request, start in zip(cold, last_week, strict=True)]

    def plain() -> list[float]:
        return [
            float(arch_model(r[STEP:], mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False)
                  .fit(disp="off", show_warning=False).loglikelihood)
            for r in series
        ]

    plain_s, theirs = _wall(plain)
    rows = [("50 x 1,000 points, GARCH-t", "wall ms", "each", "times faster"),
            _row("arch, one by one", plain_s, plain_s)]
    with FitPool(workers=2) as pool:
        pool.start()
        for name, requests in (("pool of 2, cold starts", cold), ("pool of 2, warm starts", warm)):
            spent, ours = _wall(lambda requests=requests: pool.fit(requests))  # type: ignore[misc]
            rows.append(_row(name, spent, plain_s))
            gaps = [abs((each.loglik_per_point or 0.0) * POINTS / known - 1.0)
                    for each, known in zip(ours, theirs, strict=True) if not each.reasons]
            assert len(gaps) > SYMBOLS // 2
            assert max(gaps) < 1e-6, "the same optimum as arch"
    rows.append(_row("one process, warm, CPU", best(lambda: fit_bundle(warm), 2), best(plain, 1)))
    show(table("refits", rows))


def test_what_a_symbol_costs_between_fits(show: Callable[[str], None]) -> None:
    """CPU of a closed hour, a closed day, a forecast and two caps: what an engine pays per symbol."""
    params, rules = VolatilityParams(), CapRules()
    returns = (_series()[0] / 100.0).tolist()
    models = fit_bundle([_request(0, _series()[0])])[0]
    state = with_models(VolatilityState(), models)
    for each in returns[:400]:
        state = day_closed(hour_closed(state, each / 5.0, params), each, each * each + 1e-6, models, params)
    found = forecast(state, models, params)
    sigma = cap_sigma(found, state, models, rules.horizon_h)
    assert sigma is not None

    def caps() -> None:
        for side in SIDES:
            leverage_cap(side, sigma, sigma / 3.0, rules, maintenance_rate=0.005, jump=0.3)

    work: tuple[tuple[str, Callable[[], object]], ...] = (
        ("an hour closes", lambda: hour_closed(state, 0.003, params)),
        ("a day closes", lambda: day_closed(state, 0.01, 1e-4, models, params)),
        ("a forecast", lambda: forecast(state, models, params)),
        ("sigma for caps", lambda: cap_sigma(found, state, models, rules.horizon_h)),
        ("two caps", caps),
    )
    rows = [("per symbol", "us")]
    rows += [(name, f"{best(lambda each=each: [each() for _ in range(500)]) / 500 * 1e6:.1f}")  # type: ignore[misc]
             for name, each in work]
    show(table("volatility between fits", rows))


def _wall(work: Callable[[], T], rounds: int = 2) -> tuple[float, T]:
    """Least wall seconds of some rounds (workers' CPU time is not ours), and what came out."""
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        result = work()
        spent.append(time.perf_counter() - began)
    return min(spent), result


def _row(name: str, spent_s: float, plain_s: float) -> tuple[str, ...]:
    return name, f"{1e3 * spent_s:.0f}", f"{1e3 * spent_s / SYMBOLS:.1f}", f"{plain_s / spent_s:.1f}"
