"""What a torn file may hold, and where the rehearsed deaths lie."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bot.app.rehearsal.images import SECTOR, build_image, photograph, torn
from bot.app.rehearsal.points import kill_points, power_cuts
from bot.runtime.crash_points import NAMES
from bot.venues.simulated.streams import Streams

VISITS = (dict.fromkeys(NAMES, 100), dict.fromkeys(NAMES, 40))


@given(old=st.integers(0, 6), new=st.integers(0, 6), seed=st.integers(0, 10_000))
def test_every_sector_is_old_new_or_zero(old: int, new: int, seed: int) -> None:
    """Nothing is made up, and nothing shrinks below what was there."""
    streams = Streams(seed)
    was, becomes = b"o" * (old * 3_000), b"n" * (new * 3_000)
    found = torn(was, becomes, lambda: streams.uniform("torn"))
    assert len(was) <= len(found) <= max(len(was), len(becomes))
    for begin in range(0, len(found), SECTOR):
        sector = found[begin:begin + SECTOR]
        allowed = {becomes[begin:begin + SECTOR], was[begin:begin + SECTOR].ljust(len(sector), b"\x00")}
        assert sector in {text[:len(sector)].ljust(len(sector), b"\x00") for text in allowed}


def test_all_of_it_none_of_it_and_parts_are_drawn() -> None:
    """Over many cuts the disk was now nearly done, now hardly begun."""
    streams = Streams(7)
    found = [torn(b"", b"n" * 40_960, lambda: streams.uniform("t")).count(b"n") for _ in range(300)]
    assert {0, 40_960} <= set(found)
    assert len(set(found)) > 30


def account(folder: Path, log: bytes, pages: bytes) -> Path:
    folder.mkdir()
    (folder / "journal.db").write_bytes(pages)
    (folder / "journal.db-wal").write_bytes(log)
    return folder


def test_pages_change_only_when_the_log_is_whole(tmp_path: Path) -> None:
    """A checkpoint is written from frames that are on disk; a torn log never stands beside new pages."""
    before = account(tmp_path / "before", b"H" * 32 + b"o" * 8_192, b"old!" * 2_048)
    after = account(tmp_path / "after", b"H" * 32 + b"n" * 20_000, b"new!" * 2_048)
    streams, torn_logs = Streams(3), 0
    for number in range(60):
        image = tmp_path / f"image{number}"
        build_image(before, after, image, lambda: streams.uniform("image"))
        whole = (image / "journal.db-wal").read_bytes() == (after / "journal.db-wal").read_bytes()
        untouched = (image / "journal.db").read_bytes() == (before / "journal.db").read_bytes()
        assert whole or untouched
        torn_logs += not whole
    assert 10 <= torn_logs < 60


def test_a_log_begun_anew_has_its_header_before_its_frames(tmp_path: Path) -> None:
    """New frames under the old header would bring back pages that were checkpointed long ago."""
    before = account(tmp_path / "before", b"O" * 32 + b"o" * 8_192, b"page")
    after = account(tmp_path / "after", b"N" * 32 + b"n" * 8_192, b"page")
    streams = Streams(4)
    for number in range(40):
        image = tmp_path / f"image{number}"
        build_image(before, after, image, lambda: streams.uniform("image"))
        log = (image / "journal.db-wal").read_bytes()
        assert b"n" not in log or log[:32] == b"N" * 32


def test_a_photograph_leaves_out_what_another_thread_may_be_writing(tmp_path: Path) -> None:
    """The ballast is made beside everything else and is not of the account; it may be gone before it is copied."""
    account = tmp_path / "account"
    account.mkdir()
    for name in ("journal.db", "BALLAST", ".BALLAST.new", "lock", "control.sock", "KILL"):
        (account / name).write_bytes(b"x")
    photograph(account, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["KILL", "journal.db"]


def test_a_quarter_dies_between_commit_and_send_and_a_quarter_between_send_and_answer() -> None:
    """Whatever the number, also a small one."""
    for count in (12, 50, 500):
        kinds = [point.kind.name for point in kill_points(count, VISITS, seed=1)]
        assert len(kinds) == count
        for wanted in ("between commit and send", "between send and answer"):
            assert 4 * kinds.count(wanted) >= count


def test_points_follow_from_the_seed_and_lie_where_the_run_comes() -> None:
    """A failure can be rehearsed again; no point lies beyond the visits of its stage."""
    first, again, other = (kill_points(200, VISITS, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len({(point.stage, str(point.at)) for point in first}) > 120
    for point in (*first, *power_cuts(100, VISITS, 1)):
        assert 1 <= point.at.number <= VISITS[point.stage][point.at.name]
