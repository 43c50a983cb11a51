"""No task fails unseen."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.commands import Alert
from bot.runtime import supervisor as module
from bot.runtime.clock import SystemClock
from bot.runtime.supervisor import Supervisor


def test_F59_a_helper_is_started_again_and_then_given_up_with_an_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trading goes on; a person is told."""
    monkeypatch.setattr(module, "_BACKOFF_S", 0.001)
    alerts: list[Alert] = []
    starts = 0

    async def failing() -> None:
        nonlocal starts
        starts += 1
        raise OSError("gone")

    async def run() -> list[str]:
        async with asyncio.TaskGroup() as tasks:
            supervisor = Supervisor(tasks, SystemClock(), alerts.append)
            supervisor.start("helper", failing)
        return supervisor.given_up

    assert asyncio.run(run()) == ["helper"]
    assert starts == module.RESTARTS_MAX + 1
    assert [(alert.name, alert.page) for alert in alerts] == [("task_given_up", True)]


def test_F59_whoever_depends_on_a_helper_is_told_that_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, after the alert; started anew it has all its tries again."""
    monkeypatch.setattr(module, "_BACKOFF_S", 0.001)
    told: list[str] = []

    async def failing() -> None:
        raise OSError("gone")

    async def run() -> list[str]:
        async with asyncio.TaskGroup() as tasks:
            supervisor = Supervisor(tasks, SystemClock(), lambda alert: told.append(alert.name))
            await supervisor.start("helper", failing, lambda: told.append("blind"))
            assert supervisor.given_up == ["helper"]
            await supervisor.start("helper", failing)
        return supervisor.given_up

    assert asyncio.run(run()) == ["helper"]
    assert told == ["task_given_up", "blind", "task_given_up"]


def test_a_critical_task_takes_the_run_with_it() -> None:
    """Its failure leaves the group, and the helpers end."""
    ended: list[str] = []

    async def failing() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    async def helper() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("helper")

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            supervisor = Supervisor(tasks, SystemClock(), lambda _: None)
            supervisor.start("helper", helper)
            supervisor.start_critical("engine", failing)
            await asyncio.sleep(0)
            assert supervisor.alive() == {"helper": True, "engine": True}

    with pytest.raises(ExceptionGroup):
        asyncio.run(run())
    assert ended == ["helper"]
