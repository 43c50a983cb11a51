"""Calendar jobs fire at the same instants in simulated and in live time."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

from apscheduler.triggers.interval import IntervalTrigger

from bot.domain.events import CalendarFired
from bot.domain.values import NS_PER_DAY, NS_PER_S, Nanos
from bot.runtime.calendar import JOBS, START_DATE, Calendar, CalendarJob, next_fire_ns, start_live

DAY_NS = 19_676 * NS_PER_DAY


def test_the_daily_job_fires_at_midnight_utc() -> None:
    """Strictly after the start, then every day; a start at midnight waits for the next one."""
    calendar = Calendar(JOBS, DAY_NS)
    assert [calendar.pop() for _ in range(3)] == [
        CalendarFired(at_ns=Nanos(DAY_NS + day * NS_PER_DAY), job="daily") for day in (1, 2, 3)]
    assert Calendar(JOBS, DAY_NS - 1).due_ns == DAY_NS


def test_jobs_of_one_instant_come_in_the_order_of_declaration() -> None:
    """And each keeps its own rhythm."""
    hourly = CalendarJob("hourly", IntervalTrigger(hours=1, start_date=START_DATE, timezone=UTC))
    calendar = Calendar((hourly, *JOBS), DAY_NS - 2 * 3_600 * NS_PER_S)
    assert [calendar.pop().job for _ in range(4)] == ["hourly", "hourly", "daily", "hourly"]


def test_a_trigger_that_has_ended_is_never_due() -> None:
    """No firing is made up."""
    ended = IntervalTrigger(hours=1, start_date=START_DATE, end_date=START_DATE + timedelta(hours=3), timezone=UTC)
    assert next_fire_ns(ended, DAY_NS) is None
    assert Calendar((CalendarJob("ended", ended),), DAY_NS).due_ns is None


def test_live_the_same_triggers_fire_and_missed_ones_are_not_skipped() -> None:
    """APScheduler runs them with no misfire limit and coalesced."""
    fired: list[str] = []

    async def run() -> None:
        soon = CalendarJob("soon", IntervalTrigger(seconds=1, start_date=START_DATE, timezone=UTC))
        scheduler = start_live((soon, *JOBS), fired.append)
        jobs = {job.id: job for job in scheduler.get_jobs()}
        assert jobs["daily"].misfire_grace_time is None
        assert jobs["daily"].coalesce
        await asyncio.sleep(1.2)
        scheduler.shutdown(wait=False)
        await asyncio.sleep(0)

    asyncio.run(run())
    assert fired
    assert set(fired) == {"soon"}
