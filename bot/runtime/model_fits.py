"""Model fits of simulated time: asked by the engine, made by a worker, given back `fit_delay_s` after the request.

Every driver uses this one source, so that backtest, daemon and fault simulation see a fit at the same instant. The
backtest and the simulation fit where they stand; the daemon fits in a process of its own (it never imports the fitting
libraries) and, before the next event, waits for a fit that is due.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Final, Protocol

import msgspec

from bot.domain.commands import FitModels
from bot.domain.errors import BotError
from bot.domain.events import EVENT_RANK, CoinFit, ModelsFitted
from bot.domain.ports import Due
from bot.domain.values import NS_PER_S, Nanos
from bot.runtime.fit_pool import one_thread

Fits = tuple[CoinFit, ...]
FIT_DELAY_S: Final = 5.0
_RANK: Final = EVENT_RANK[ModelsFitted]


class Fitter(Protocol):
    """Makes fits; a worker's failure is in the future."""

    def start(self, command: FitModels) -> Future[Fits]:
        """Begin; the answer comes in its own time."""
        ...

    def close(self) -> None:
        """End what runs."""
        ...


class InlineFitter:
    """Fits where it stands."""

    def start(self, command: FitModels) -> Future[Fits]:
        """Done when this returns."""
        answer: Future[Fits] = Future()
        try:
            answer.set_result(fit(command))
        except (BotError, ArithmeticError, ValueError) as error:
            answer.set_exception(error)
        return answer

    def close(self) -> None:
        """Nothing runs."""


class WorkerFitter:
    """Fits in one process of its own, started with the run so that the first fit finds its libraries loaded."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def start(self, command: FitModels) -> Future[Fits]:
        """Hand the request to the worker; a worker that has died is replaced, its request answered by the failure."""
        try:
            with one_thread():
                return self._running().submit(fit, command)
        except BrokenProcessPool:
            self._pool = None
            with one_thread():
                return self._running().submit(fit, command)

    def warm(self) -> None:
        """Start the worker now."""
        with one_thread():
            self._running().submit(_load)

    def close(self) -> None:
        """End the worker without waiting for it."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _running(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_serve)
        return self._pool


def fit(command: FitModels) -> Fits:
    """Fit every series of a request, one after the other; imports the fitting libraries."""
    from bot.quant.symbol_models import FitRequest, fit_symbol

    answers = []
    for series in command.series:
        models = fit_symbol(msgspec.msgpack.decode(series.request, type=FitRequest))
        answers.append(CoinFit(series.coin, msgspec.msgpack.encode(models)))
    return tuple(answers)


def _serve() -> None:
    """A terminal's Ctrl-C is the parent's to handle; a parent that is gone, however it went, takes its worker along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(0)


def _load() -> None:
    import bot.quant.symbol_models  # noqa: F401 - imported for its weight


class ModelFits:
    """The requests that are out, in the order in which they were made."""

    def __init__(self, fitter: Fitter, delay_s: float = FIT_DELAY_S) -> None:
        self._fitter = fitter
        self._delay_ns = int(delay_s * NS_PER_S)
        self._out: list[tuple[int, FitModels, Future[Fits]]] = []
        self.slept = 0
        """How often the driver had to wait for a fit that was due."""

    def begin(self, at_ns: int, command: FitModels) -> None:
        """Start a fit that was asked for at `at_ns`."""
        self._out.append((at_ns + self._delay_ns, command, self._fitter.start(command)))

    def next_due(self) -> Due | None:
        """When the next answer is due."""
        return (self._out[0][0], _RANK) if self._out else None

    def ready(self) -> bool:
        """Whether the next answer has been made."""
        return bool(self._out) and self._out[0][2].done()

    def when_ready(self, call: Callable[[], object]) -> None:
        """Call this once the next answer has been made (from any thread)."""
        self.slept += 1
        self._out[0][2].add_done_callback(lambda _: call())

    def pop(self) -> ModelsFitted:
        """The next answer, waited for if need be. A worker that failed is an answer too: it says why."""
        due_ns, command, future = self._out.pop(0)
        fits: Fits = ()
        why = ""
        try:
            fits = future.result()
        except (BotError, ArithmeticError, ValueError, ImportError, OSError, BrokenProcessPool) as error:
            why = f"{type(error).__name__}: {error}"[:200]
        return ModelsFitted(at_ns=Nanos(due_ns), request_id=command.request_id,
                            stamp_ns=command.stamp_ns, fits=fits, why=why)

    def close(self) -> None:
        """End what runs."""
        self._fitter.close()
