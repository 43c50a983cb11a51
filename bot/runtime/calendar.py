"""Calendar jobs, declared once: simulated time asks the triggers for their next time, live time lets APScheduler fire.

Triggers have a fixed `start_date`, UTC and no jitter, so that both agree to the microsecond.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from bot.domain.events import CalendarFired
from bot.domain.values import Nanos

if TYPE_CHECKING:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
START_DATE: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""The fixed start of every trigger."""


class CalendarJob(msgspec.Struct, frozen=True):
    """A job's name and when it fires."""

    name: str
    trigger: BaseTrigger


JOBS: Final = (
    CalendarJob("daily", CronTrigger(hour=0, minute=0, second=0, start_date=START_DATE, timezone=UTC)),
)
"""All calendar jobs."""


def next_fire_ns(trigger: BaseTrigger, after_ns: int) -> int | None:
    """When the trigger fires next, strictly after `after_ns`; None: never again."""
    after = _EPOCH + timedelta(microseconds=after_ns // 1_000 + 1)
    fires = trigger.get_next_fire_time(None, after)
    return None if fires is None else (fires.astimezone(UTC) - _EPOCH) // _MICROSECOND * 1_000


class Calendar:
    """The jobs' next times in simulated time, kept until they are used."""

    def __init__(self, jobs: tuple[CalendarJob, ...], after_ns: int) -> None:
        """The first firing of each job is strictly after `after_ns`."""
        self._jobs = jobs
        self._next = [next_fire_ns(job.trigger, after_ns) for job in jobs]
        self._due_ns = self._soonest()

    @property
    def due_ns(self) -> int | None:
        """When the next job fires."""
        return self._due_ns

    def pop(self) -> CalendarFired:
        """The next firing; jobs of one instant in the order of their declaration. Only with `due_ns` not None."""
        if self._due_ns is None:
            raise ValueError("no calendar job is due any more")
        index, at_ns = self._next.index(self._due_ns), self._due_ns
        self._next[index] = next_fire_ns(self._jobs[index].trigger, at_ns)
        self._due_ns = self._soonest()
        return CalendarFired(at_ns=Nanos(at_ns), job=self._jobs[index].name)

    def _soonest(self) -> int | None:
        return min((at_ns for at_ns in self._next if at_ns is not None), default=None)


def start_live(jobs: tuple[CalendarJob, ...], fire: Callable[[str], Any]) -> AsyncIOScheduler:
    """Let APScheduler call `fire(name)` on the running loop: late rather than never, once however much was missed."""
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    scheduler = AsyncIOScheduler(timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True,
                                                             "max_instances": 1})
    for job in jobs:
        scheduler.add_job(fire, trigger=job.trigger, args=(job.name,), id=job.name)
    scheduler.start()
    return scheduler
