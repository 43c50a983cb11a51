"""Workers that fit: the same answers as inline, in order, one thread each, and the parent stays as it was."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool

import msgspec
import pytest

from bot.quant.symbol_models import FitRequest
from bot.runtime.fit_pool import THREADS, FitPool, one_thread
from tests.unit.quant.series import garch_series

REQUESTS = [
    FitRequest(symbol=f"x{seed}", daily_returns=tuple((0.01 * garch_series(300, seed=seed)).tolist()), data_ns=seed)
    for seed in range(3)
]


def test_workers_answer_as_inline_and_in_order() -> None:
    """Bit for bit with what a run of the bot (one thread, like every run) computes itself."""
    code = ("import sys, msgspec; from bot.quant.symbol_models import FitRequest; "
            "from bot.runtime.fit_pool import fit_bundle; requests = msgspec.json.decode(sys.stdin.buffer.read(), "
            "type=list[FitRequest]); sys.stdout.buffer.write(msgspec.json.encode(fit_bundle(requests)))")
    with one_thread():
        inline = subprocess.run([sys.executable, "-c", code], input=msgspec.json.encode(REQUESTS), capture_output=True,
                                check=True)
    with FitPool(workers=1) as pool:
        pool.start()
        assert msgspec.json.encode(pool.fit(REQUESTS)) == inline.stdout
        assert [models.symbol for models in pool.submit(REQUESTS[:2]).result()] == ["x0", "x1"]
        assert pool.fit([]) == []


def test_a_worker_that_dies_is_replaced() -> None:
    """What was out fails visibly; the next request is fitted by a new worker."""
    others = multiprocessing.active_children()
    with FitPool(workers=1) as pool:
        pool.start()
        (worker,) = (each for each in multiprocessing.active_children() if each not in others)
        out = pool.submit(REQUESTS * 200)
        os.kill(worker.pid or 0, signal.SIGKILL)
        with pytest.raises(BrokenProcessPool):
            out.result(timeout=60)
        assert [models.symbol for models in pool.submit(REQUESTS[:1]).result()] == ["x0"]


def test_children_are_told_to_use_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was set comes back, what was not set is gone again."""
    monkeypatch.setenv(THREADS[0], "7")
    monkeypatch.delenv(THREADS[1], raising=False)
    with one_thread():
        assert {os.environ[name] for name in THREADS} == {"1"}
    assert os.environ[THREADS[0]] == "7"
    assert THREADS[1] not in os.environ


def test_importing_the_pool_brings_no_heavy_library() -> None:
    """The daemon holds the pool; arch, pandas, scipy.signal and scipy.optimize stay in the workers."""
    code = ("import sys, bot.runtime.fit_pool, bot.quant.volatility, bot.quant.leverage_cap, bot.quant.margin_plan; "
            "heavy = ('arch', 'pandas', 'scipy.optimize', 'scipy.signal', 'scipy.stats'); "
            "print([name for name in heavy if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
