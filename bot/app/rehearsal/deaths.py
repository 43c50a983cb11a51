"""One rehearsed death: the session that dies, what is found, the session that goes on, what it makes of it."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from bot.app.rehearsal.audit import Account, check_killed, check_went_on, settled_latch
from bot.app.rehearsal.children import in_child
from bot.app.rehearsal.images import build_image, photograph
from bot.app.rehearsal.points import Point
from bot.app.rehearsal.stage import AFTER_NS, Stage, account_in, discard, session
from bot.app.rehearsal.walk import Walk, require
from bot.runtime.crash_points import CrashAt, CrashPoints, crash_points_at
from bot.storage.journal import Journal
from bot.venues.simulated.streams import Streams

KILLED = -int(signal.SIGKILL)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one death."""

    number: int
    kind: str
    point: str
    struck: bool
    """The process died there. A delay may be longer than the rest of the run: then it ended in order."""
    cut: str = ""
    """A power cut: what was torn."""
    breach: str = ""
    """The promise that was broken; empty: none."""
    kept: str = ""
    """The folder of a breach, to look at."""


def rehearse_kill(stage: Stage, point: Point, folder: Path) -> Outcome:
    """SIGKILL at the point, an audit, the next session, another audit."""
    home = folder / f"k{point.number}"
    if not point.kind.fresh:
        stage.copy(home)
    else:
        home.mkdir(parents=True)
    breach, struck = "", False
    try:
        struck = _died(stage, home, point.at, point)
        if point.again is not None:
            _died(stage, home, point.again, point)
        _go_on_and_audit(stage, home, point)
    except _Breach as error:
        breach = str(error)
    return _outcome(home, point, struck=struck, breach=breach)


def rehearse_power_cut(stage: Stage, point: Point, folder: Path, seed: int) -> Outcome:
    """Photographs before and after one write, an image between them, an audit, the next session, another audit."""
    home, image = folder / f"c{point.number}", folder / f"i{point.number}"
    if not point.kind.fresh:
        stage.copy(home)
    else:
        home.mkdir(parents=True)
    breach, said, struck = "", "", False
    streams = Streams(seed + point.number)
    try:
        code, text = stage.busy_session(home, lambda: _photographer(home, point), fresh=point.kind.fresh,
                                        kill=point.kind.latched)
        struck = code == KILLED
        place = account_in(image)
        folders = account_in(home).folder / "A", account_in(home).folder / "B"
        if struck and folders[0].is_dir():
            place.folder.parent.mkdir(parents=True)
            said = build_image(*folders, place.folder, lambda: streams.uniform("image"))
            _in_audit(lambda: _check_acknowledged(folders[0], place.folder))
            _go_on_and_audit(stage, image, point)
        else:
            struck = False
            require_plain(code in (0, KILLED), f"the session that was to lose its power ended with {code}: {text}")
    except _Breach as error:
        breach = str(error)
    if breach:
        return _outcome(image, point, struck=struck, breach=breach, cut=said)
    discard(image)
    return _outcome(home, point, struck=struck, breach="", cut=said)


class _Breach(Exception):
    """One line about a promise that was broken."""


def require_plain(holds: bool, text: str) -> None:
    """Raise the breach unless it holds."""
    if not holds:
        raise _Breach(text)


def _outcome(home: Path, point: Point, *, struck: bool, breach: str, cut: str = "") -> Outcome:
    if not breach:
        discard(home)
    return Outcome(number=point.number, kind=point.kind.name, point=str(point), struck=struck, breach=breach, cut=cut,
                   kept=str(home) if breach else "")


def _died(stage: Stage, home: Path, at: CrashAt, point: Point) -> bool:
    """Run until the point; whether the process died there."""
    code, said = stage.busy_session(home, lambda: crash_points_at(at), fresh=point.kind.fresh, kill=point.kind.latched)
    require_plain(code in (0, KILLED), f"the session that was to die ended with {code}: {said}")
    return code == KILLED


def _go_on_and_audit(stage: Stage, home: Path, point: Point) -> None:
    walk = Walk(stage.settings) if point.kind.fresh else stage.walk
    account = Account(account_in(home), stage.settings, walk)
    latched = point.at.name == "after_latch"
    _in_audit(lambda: check_killed(account, home))
    code, said = session(stage.settings, home, AFTER_NS)
    require_plain(code == 0, f"the next session ended with {code}: {said}")

    def audit() -> None:
        check_went_on(account, home)
        require(not latched or bool(settled_latch(account)), "the kill switch was set, and the next session runs")

    _in_audit(audit)


def _in_audit(work: Callable[[], None]) -> None:
    """In a process of its own, so that the walk over the beginning can be taken up from there again and again."""
    def audited() -> bytes:
        work()
        return b""

    code, said = in_child(audited)
    if code:
        raise _Breach(said.decode(errors="replace").strip().splitlines()[-1][-1_500:] if said else f"audit: {code}")


def _check_acknowledged(before: Path, image: Path) -> None:
    """What was committed when the power went is there to the last row."""
    if not (before / "journal.db").is_file():
        return
    scratch = image.with_name("acknowledged")
    shutil.copytree(before, scratch / "before")
    shutil.copytree(image, scratch / "image")
    with Journal.open(scratch / "before" / "journal.db") as acknowledged, \
            Journal.open(scratch / "image" / "journal.db") as survived:
        head = acknowledged.head
        row = survived.row(head.row_number) if head.row_number else None
        require(row is None or row.hash == head.hash, f"row {head.row_number} was acknowledged and is not as it was")
        require(head.row_number <= survived.head.row_number <= head.row_number + 1,
                f"{survived.head.row_number} rows survived of {head.row_number}")
    shutil.rmtree(scratch)


def _photographer(home: Path, point: Point) -> CrashPoints:
    """Copies the account before and after the chosen write and dies there; no other file is written meanwhile."""
    folder, place = account_in(home).folder, point.kind.place
    alone = threading.Lock()
    points = crash_points_at(CrashAt(f"after_{place}", point.at.number))

    def act(name: str, count: int) -> None:
        moment, _, what = name.partition("_")
        guarded = what in ("commit", "books", "latch")
        if guarded and moment == "before":
            alone.acquire()
        if what == place and count == point.at.number:
            photograph(folder, folder / ("A" if moment == "before" else "B"))
        points(name)
        if guarded and moment == "after":
            alone.release()

    return CrashPoints(act)
