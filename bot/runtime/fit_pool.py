"""Worker processes that fit models: started once, kept, one thread of linear algebra each.

The daemon never imports scipy's optimiser or arch; workers do, once. Equal requests give equal answers here and inline.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from bot.quant.symbol_models import FitRequest
    from bot.quant.volatility import SymbolModels

THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
CHUNKS_PER_WORKER: Final = 4
"""Requests travel in bundles: small enough that workers end together, large enough that travel costs nothing."""


class FitPool:
    """A fixed number of spawned workers; `close` (or leaving the block) ends them."""

    def __init__(self, workers: int | None = None) -> None:
        """Workers start with the first request, or with `start`; default one per core, at most 4."""
        self.workers = workers or min(4, os.cpu_count() or 1)
        self._executor = self._fresh()

    def _fresh(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self.workers, mp_context=get_context("spawn"), initializer=_prepare)

    def start(self) -> None:
        """Bring all workers up with their libraries imported; returns when they are ready."""
        with one_thread():
            ready = [self._executor.submit(_ready) for _ in range(self.workers)]
        for each in ready:
            each.result()

    def submit(self, requests: Sequence[FitRequest]) -> Future[list[SymbolModels]]:
        """Fit a bundle in one worker; the future carries the answers in the order of the requests.

        A worker that dies (out of memory, killed) takes the futures that are out with it: they raise BrokenProcessPool.
        The next request starts new workers.
        """
        bundle = list(requests)
        with one_thread():
            try:
                return self._executor.submit(fit_bundle, bundle)
            except BrokenProcessPool:
                self._executor.shutdown(wait=False)
                self._executor = self._fresh()
                return self._executor.submit(fit_bundle, bundle)

    def fit(self, requests: Iterable[FitRequest]) -> list[SymbolModels]:
        """Fit many, spread over all workers; answers in the order of the requests."""
        waiting = list(requests)
        size = max(1, -(-len(waiting) // (self.workers * CHUNKS_PER_WORKER)))
        bundles = [self.submit(waiting[first: first + size]) for first in range(0, len(waiting), size)]
        return [models for bundle in bundles for models in bundle.result()]

    def close(self) -> None:
        """Drop what waits, let what runs end, and end the workers."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


@contextmanager
def one_thread() -> Iterator[None]:
    """Children that start within are told to use one thread before they import numpy; ours is left as it was."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def fit_bundle(requests: list[FitRequest]) -> list[SymbolModels]:
    """What a worker does, and what a driver without workers does inline."""
    from bot.quant.symbol_models import fit_symbol

    return [fit_symbol(request) for request in requests]


def _prepare() -> None:
    """Import once what every fit needs; a terminal's Ctrl-C is the parent's to handle."""
    import signal

    import scipy.optimize
    import scipy.signal  # noqa: F401

    import bot.quant.symbol_models  # noqa: F401

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _ready() -> int:
    """Answers once the worker is up."""
    return len(sys.modules)
