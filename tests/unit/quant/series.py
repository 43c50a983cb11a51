"""Series with a known truth, made from a seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


def garch_series(
    count: int, *, omega: float = 0.5, alpha: float = 0.08, gamma: float = 0.0, beta: float = 0.88,
    nu: float | None = 5.0, seed: int = 1,
) -> Vector:
    """Returns in per cent of a (GJR-)GARCH with unit-variance t shocks; shape (count,)."""
    noise = np.random.default_rng(seed)
    shocks = noise.standard_normal(count) if nu is None else noise.standard_t(nu, count) * np.sqrt((nu - 2.0) / nu)
    h = omega / (1.0 - alpha - 0.5 * gamma - beta)
    out = np.empty(count)
    for row, shock in enumerate(shocks):
        out[row] = np.sqrt(h) * shock
        h = omega + (alpha + gamma * (shock < 0)) * out[row] ** 2 + beta * h
    return out


def log_rv_series(
    count: int, coefficients: tuple[float, float, float, float], noise_sd: float, seed: int = 3
) -> Vector:
    """Realised variances whose logarithms follow a HAR with these coefficients; shape (count,)."""
    noise = np.random.default_rng(seed)
    c0, c1, c2, c3 = coefficients
    logs = np.full(count + 60, c0 / (1.0 - c1 - c2 - c3))
    for row in range(30, len(logs)):
        week, month = logs[row - 7: row].mean(), logs[row - 30: row].mean()
        logs[row] = c0 + c1 * logs[row - 1] + c2 * week + c3 * month + noise_sd * noise.standard_normal()
    return np.asarray(np.exp(logs[60:]))
