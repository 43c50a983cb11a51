"""`backtest`: the engine in a loop over recorded history."""

from __future__ import annotations

from bot.app.engines import Engines, session_started
from bot.app.outcomes import report_of
from bot.app.worlds import World, capital_of, deposit, history_world
from bot.domain.values import NS_PER_DAY
from bot.engine.engine import Engine
from bot.options import BacktestOptions, Screen
from bot.research.number_text import iso
from bot.research.run_document import RunReport
from bot.research.run_recorder import RunRecorder
from bot.runtime.backtest import run_backtest as loop
from bot.runtime.calendar import JOBS, Calendar
from bot.runtime.clock import Stopwatch
from bot.runtime.model_fits import InlineFitter, ModelFits
from bot.runtime.ports import RunObserver
from bot.runtime.schedule import Schedule
from bot.settings import Settings


def run_backtest(settings: Settings, options: BacktestOptions) -> RunReport:
    """Run the bot over history and report.

    Raises:
        ConfigRefused: a scope that cannot be run.
        DataRefused: data that cannot be used.
    """
    watch = Stopwatch()
    world = history_world(settings, options.scope, books=None)
    deposit(world, settings, capital_of(settings, options.capital_usd))
    engine = Engines(settings.engine).create()
    recorder = RunRecorder()
    schedule = schedule_of(world)
    schedule.inject(session_started(settings, world, at_ns=world.first_ns, epoch=1, account="backtest", kind="replay"))
    drive(engine, schedule, world, recorder, options.screen)
    return report_of(settings, world, engine, recorder, watch, kind="backtest")


def schedule_of(world: World) -> Schedule:
    """The schedule of a world from its beginning, its warm-up handed in."""
    schedule = schedule_from(world, world.first_ns, Calendar(JOBS, world.start_ns - 1))
    for event in world.warmup:
        schedule.inject(event)
    return schedule


def schedule_from(world: World, begin_ns: int, calendar: Calendar, observed_ns: int = -1) -> Schedule:
    """The schedule of a world that stands at `begin_ns`; up to `observed_ns` its exchange knows the market already."""
    # what is known at the last instant (closes, settlements, the day's end) still counts
    end_ns = world.end_ns + 1 if world.end_ns is not None else 1 << 62
    return Schedule(world.market, world.exchange, calendar, end_ns, start_ns=begin_ns, observed_ns=observed_ns,
                    fits=ModelFits(InlineFitter(), world.fit_delay_s))


def drive(engine: Engine, schedule: Schedule, world: World, observer: RunObserver, screen: Screen | None) -> None:
    """Pop the schedule to its end, with a line for people for every hundredth of the way."""
    span = max((world.end_ns or world.start_ns) - world.start_ns, 1)
    progress = _Progress(screen, world.start_ns, span)
    loop(engine, schedule, observer=observer, on_progress=progress.at)


class _Progress:
    """Tells the screen where simulated time stands."""

    def __init__(self, screen: Screen | None, start_ns: int, span_ns: int) -> None:
        self._screen = screen
        self._start_ns = start_ns
        self._span_ns = span_ns
        self._shown = -1
        self._watch = Stopwatch()

    def at(self, now_ns: int) -> None:
        """Called every few thousand events."""
        if self._screen is None or now_ns < self._start_ns:
            return
        done = min((now_ns - self._start_ns) / self._span_ns, 1.0)
        if int(done * 200) != self._shown:
            self._shown = int(done * 200)
            days = (now_ns - self._start_ns) / NS_PER_DAY
            speed = days / max(self._watch.wall_s(), 1e-9)
            self._screen.advance(done, f"{iso(now_ns)[:10]}  {speed:,.0f} days/s")
