"""The storm: many deaths over a few prepared accounts, in two processes; a report of what was tried and what broke."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from bot.app.rehearsal.deaths import Outcome, rehearse_kill, rehearse_power_cut
from bot.app.rehearsal.points import Point, kill_points, power_cuts
from bot.app.rehearsal.stage import Stage, busy
from bot.domain.errors import ConfigRefused, Fatal
from bot.options import RehearsalOptions
from bot.runtime.clock import Stopwatch
from bot.settings import Settings

WORKERS: Final = 2
_DEATHS_PER_STAGE: Final = 60
_STAGES_MAX: Final = 8
DEATHS_MAX: Final = 100_000
_OUTCOMES = msgspec.json.Decoder(Outcome)


class RehearsalReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was rehearsed. `kills` and `power_cuts` count deaths that struck; `by_kind` says where."""

    seed: int
    stages: int
    kills: int
    power_cuts: int
    missed: int
    """Deaths planned for an instant that the run did not reach; it ended in order, and was audited all the same."""
    between_commit_and_send: int
    between_send_and_answer: int
    by_kind: dict[str, int]
    torn: dict[str, int]
    """What the power cuts tore."""
    breaches: tuple[Outcome, ...]
    wall_s: float


def run_rehearsal(settings: Settings, options: RehearsalOptions) -> RehearsalReport:
    """Rehearse so many kills and power cuts and audit the account after each.

    Raises:
        ConfigRefused: numbers that make no rehearsal, or a folder that cannot be written.
        PromiseBroken: not even the undisturbed beginning could be run.
    """
    if options.kills + options.power_cuts < 1 or max(options.kills, options.power_cuts) > DEATHS_MAX:
        raise ConfigRefused(f"rehearse: --kills and --power-cuts must be at least 1 together, {DEATHS_MAX} each at "
                            "most")
    watch = Stopwatch()
    try:
        options.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="rehearsal-", dir=options.home))
    except OSError as error:
        raise ConfigRefused(f"{options.home}: cannot be written ({error.strerror}); choose another --home") from None
    outcomes: list[Outcome] = []
    try:
        stages = _stages(settings, options, folder)
        visits = tuple(stage.visits for stage in stages)
        points = (*kill_points(options.kills, visits, options.seed), *power_cuts(options.power_cuts, visits,
                                                                                   options.seed))
        for outcome in _outcomes(stages, points, options, folder):
            outcomes.append(outcome)
            _tell(options, outcomes, len(points))
    finally:
        for path in folder.iterdir():
            if not any(outcome.kept == str(path) for outcome in outcomes):
                shutil.rmtree(path, ignore_errors=True)
        if not any(folder.iterdir()):
            folder.rmdir()
    return _report(options, len(stages), outcomes, watch.wall_s())


def _stages(settings: Settings, options: RehearsalOptions, folder: Path) -> list[Stage]:
    count = min(max(1, (options.kills + options.power_cuts) // _DEATHS_PER_STAGE), _STAGES_MAX)
    stages = [Stage(busy(settings), number, folder / f"s{number}") for number in range(count)]
    for stage in stages:
        stage.prepare()
        if options.screen is not None:
            options.screen.progress(f"stage {stage.number + 1} of {count} is prepared: {stage.visits['before_order']} "
                                    f"orders, {stage.visits['before_commit']} commits in its busy stretch")
    return stages


def _outcomes(stages: list[Stage], points: tuple[Point, ...], options: RehearsalOptions, folder: Path,
              ) -> Iterator[Outcome]:
    """Outcomes as they come; each worker takes every second point."""
    kills, workers = options.kills, min(WORKERS, len(points))

    def work(index: int, point: Point) -> Outcome:
        stage = stages[point.stage]
        return rehearse_kill(stage, point, folder) if index < kills else \
            rehearse_power_cut(stage, point, folder, options.seed)

    yield from _in_workers(workers, points, work)


def _in_workers(workers: int, points: tuple[Point, ...], work: Callable[[int, Point], Outcome]) -> Iterator[Outcome]:
    """Fork the workers and read their lines; one that dies itself is `Fatal`."""
    reader, writer = os.pipe()
    pids = []
    for worker in range(workers):
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _worker(worker, workers, points, work, writer)
        pids.append(pid)
    os.close(writer)
    with os.fdopen(reader, "rb") as lines:
        for line in lines:
            yield _OUTCOMES.decode(line)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    if any(codes):
        raise Fatal("rehearsal: one of its own workers failed; its traceback stands above")


def _worker(worker: int, workers: int, points: tuple[Point, ...], work: Callable[[int, Point], Outcome],
            writer: int) -> None:
    """Never returns."""
    code = 70
    try:
        for index in range(worker, len(points), workers):
            os.write(writer, msgspec.json.encode(work(index, points[index])) + b"\n")
        code = 0
    finally:
        if code:
            import traceback

            traceback.print_exc()
        os._exit(code)


def _tell(options: RehearsalOptions, outcomes: list[Outcome], total: int) -> None:
    if options.screen is None:
        return
    newest, done = outcomes[-1], len(outcomes)
    if newest.breach:
        options.screen.progress(f"BROKEN at {newest.point}: {newest.breach}; kept in {newest.kept}")
    if done == total or done % max(1, total // 20) == 0:
        broken = sum(bool(outcome.breach) for outcome in outcomes)
        options.screen.progress(f"{done} of {total} deaths rehearsed, {broken} broke a promise")


def _report(options: RehearsalOptions, stages: int, outcomes: list[Outcome], wall_s: float) -> RehearsalReport:
    struck = [outcome for outcome in outcomes if outcome.struck]
    by_kind: dict[str, int] = {}
    torn: dict[str, int] = {}
    for outcome in struck:
        by_kind[outcome.kind] = by_kind.get(outcome.kind, 0) + 1
        for what in filter(None, outcome.cut.split(", ")):
            torn[what] = torn.get(what, 0) + 1
    cuts = sum(bool(outcome.cut) for outcome in struck)
    return RehearsalReport(
        seed=options.seed, stages=stages, kills=len(struck) - cuts, power_cuts=cuts,
        missed=len(outcomes) - len(struck), between_commit_and_send=by_kind.get("between commit and send", 0),
        between_send_and_answer=by_kind.get("between send and answer", 0), by_kind=dict(sorted(by_kind.items())),
        torn=dict(sorted(torn.items())), breaches=tuple(o for o in outcomes if o.breach), wall_s=round(wall_s, 1))
