"""Signals at every moment of a process: before its run, during it, after it, and once too often."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from bot.runtime.process_signals import INSISTED_S, ProcessSignals
from tests.daemon_process import CHECKOUT, environment

HANGS = """
import asyncio, os, signal, sys, threading, time
from bot.runtime.process_signals import ProcessSignals

class Deaf:
    def order(self, *_): return True
    def request_stop(self, *_, **__): pass

async def run():
    signals.forward_to(Deaf(), asyncio.get_running_loop())
    for _ in range(int(sys.argv[1])):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.01)
    time.sleep(60)  # the loop itself hangs

signals = ProcessSignals()
signals.stop_wait_s = -3.5
signals.catch()
asyncio.run(run())
"""


def test_a_stop_before_the_run_ends_the_process_with_0() -> None:
    """Nothing has been sent, so nothing has to be cancelled."""
    signals = ProcessSignals()
    signals.catch()
    try:
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGTERM)
        assert ended.value.code == 0
    finally:
        signals.release()


def test_a_signal_after_the_run_changes_nothing() -> None:
    """Files are being closed: whoever insists now is obeyed anyway."""
    signals = ProcessSignals()
    signals.catch()
    signals.done()
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            os.kill(os.getpid(), number)
    finally:
        signals.release()


def test_a_kill_before_the_run_is_no_end() -> None:
    """SIGUSR1 is an order to a daemon; without one the process simply starts."""
    signals = ProcessSignals()
    signals.catch()
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signals.release()


@pytest.mark.parametrize("times", [1, 2])
def test_F56_a_loop_that_hangs_is_cut_short(times: int) -> None:
    """After one signal when its time is over, after a second within two seconds: no signal is swallowed for ever."""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", HANGS, str(times)], env=environment(), cwd=CHECKOUT, check=False,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "stop_forced" in done.stdout + done.stderr
    assert time.monotonic() - begun < 25
    assert INSISTED_S < 2
