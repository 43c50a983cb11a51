"""What cannot be used is refused in one line that names file, key or row, with the exit code of its kind."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.daemon_process import bot, complaint
from tests.history_folders import bars, funding, hours, perp_folder

SHORT = ("run", "--for", "1h", "--json", "--account", "main")
PERIOD = ("--venues", "binance", "--symbols", "BTC", "--from", "2024-01-02", "--to", "2024-01-03")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one short finished run."""
    home = tmp_path_factory.mktemp("recorded")
    done = bot(*SHORT, "--home", home)
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def home(recorded: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    return Path(shutil.copytree(recorded, tmp_path / "home"))


def account(home: Path) -> Path:
    return home / "demo" / "main"


def damage(path: Path, place: int) -> None:
    """Flip one bit."""
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(bytes(data))


def a_row(path: Path, part: float) -> bytes:
    """The first bytes of what a row near this part of the record holds: long enough, and nowhere else in the file."""
    db = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    rows = db.execute("SELECT blob FROM batches ORDER BY row_number").fetchall()
    db.close()
    whole, wanted = path.read_bytes(), len(rows) * part
    nearest = sorted(range(len(rows)), key=lambda place: abs(place - wanted))
    begins = (bytes(rows[place][0])[:40] for place in nearest if len(rows[place][0]) >= 60)
    return next(begin for begin in begins if whole.count(begin) == 1)


def contents(folder: Path) -> dict[str, str]:
    """Name and digest of what a run must never lose."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("journal.db", "venue.db")}


@pytest.mark.parametrize(("text", "words"), [
    ("[engine.carry]\nlevrage = 2.0\n", ("engine.carry.levrage", "leverage")),
    ("[engine.carry]\nleverage = 90.0\n", ("leverage", "90")),
    ("[engine.carry]\nleverage = \"two\"\n", ("engine.carry.leverage",)),
    ("[account]\ncapital_usd = -5\n", ("account",)),
    ("[account\n", ("not TOML",)),
])
def test_a_configuration_that_cannot_be_used_names_file_and_key(tmp_path: Path, text: str, words: tuple[str, ...]
                                                                 ) -> None:
    """Exit 78, and nothing was begun."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    refused = bot("run", "--config", path, "--home", tmp_path / "home")
    assert refused.returncode == 78
    line = complaint(refused)
    assert all(word in line for word in (str(path), *words)), line
    assert not (tmp_path / "home").exists()


def test_an_unknown_variable_is_refused(tmp_path: Path) -> None:
    """A typo in the environment must not silently do nothing."""
    refused = bot("run", "--home", tmp_path, env={"EVENKEEL_HOMES": "x"})
    assert refused.returncode == 78
    assert "EVENKEEL_HOMES" in complaint(refused)


def test_a_folder_that_cannot_be_written_is_a_configuration_error(tmp_path: Path) -> None:
    """Exit 78 with the path; a file stands in for a read-only folder, which root could write."""
    (tmp_path / "file").write_text("in the way")
    refused = bot("run", "--home", tmp_path / "file" / "home")
    assert refused.returncode == 78
    assert str(tmp_path / "file" / "home") in complaint(refused)


@pytest.mark.parametrize("part", [0.3, 0.95])
def test_a_damaged_journal_stops_the_start_and_stays_as_it_is(home: Path, part: float) -> None:
    """One flipped bit in any row that a start reads: no trading on it, exit 1, and no file is touched.

    A start reads the rows after its newest snapshot; without snapshots, all of them.
    """
    path = account(home) / "journal.db"
    damage(path, path.read_bytes().index(a_row(path, part)) + 20)
    for snapshot in (account(home) / "snapshots").iterdir():
        snapshot.unlink()
    before = contents(account(home))
    refused = bot(*SHORT, "--home", home)
    assert refused.returncode == 1
    assert "journal.db" in complaint(refused)
    assert contents(account(home)) == before


def test_damage_before_the_newest_snapshot_is_found_by_doctor(home: Path) -> None:
    """The daily check and `doctor` read the whole chain: exit 1, and the row is named."""
    path = account(home) / "journal.db"
    damage(path, path.read_bytes().index(a_row(path, 0.3)) + 20)
    looked = bot("doctor", "--home", home)
    assert looked.returncode == 1
    assert "row" in looked.stdout


def test_damaged_books_of_the_venue_stop_the_start(home: Path) -> None:
    """The simulated exchange's memory is as precious as ours."""
    path = account(home) / "venue.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused = bot(*SHORT, "--home", home)
    assert refused.returncode == 1
    assert "venue.db" in complaint(refused)


def test_a_lost_venue_is_not_begun_anew(home: Path) -> None:
    """A journal that holds positions and an exchange that knows nothing: refused, not traded on."""
    for name in ("venue.db", "venue.db-wal", "venue.db-shm"):
        (account(home) / name).unlink(missing_ok=True)
    refused = bot(*SHORT, "--home", home)
    assert refused.returncode in (1, 78)
    assert "venue.db" in complaint(refused)


def test_damaged_snapshots_cost_time_only(home: Path) -> None:
    """A snapshot is a shortcut: without it the record itself is read."""
    for path in (account(home) / "snapshots").glob("*.bin"):
        damage(path, 100)
    done = bot(*SHORT, "--home", home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["attribution_usd"]["residual"] == "0.00"


def refused_history(folder: Path) -> str:
    refused = bot("backtest", "--data", folder, *PERIOD, "--json")
    assert (refused.returncode, refused.stdout) == (1, "")
    return complaint(refused)


def test_data_that_are_missing_or_no_parquet_are_named(tmp_path: Path) -> None:
    """The folder, or the file in it."""
    missing = bot("backtest", "--data", tmp_path / "nowhere", *PERIOD)
    assert missing.returncode in (1, 2)
    assert "nowhere" in complaint(missing)
    broken = perp_folder(tmp_path)
    (broken / "funding_binance.parquet").write_bytes(b"not parquet at all")
    assert "funding_binance.parquet" in refused_history(broken)


def test_rows_that_cannot_be_true_are_named(tmp_path: Path) -> None:
    """A negative price, a row twice, rows out of order, funding without its interval: file and what is wrong."""
    times = hours("2024-01-01", 48)
    opens = [40_000.0 + place for place in range(48)]
    name = "ohlcv_1h_binance_perp.parquet"
    for case, ts, prices in (
        ("negative", times, [*opens[:30], -1.0, *opens[31:]]),
        ("twice", [*times[:30], times[29], *times[31:]], opens),
        ("disorder", [*times[:29], times[30], times[29], *times[31:]], opens),
    ):
        folder = tmp_path / case
        folder.mkdir()
        perp_folder(folder)
        bars(folder / name, "binance", "BTC/USDT:USDT", ts, prices)
        assert name in refused_history(folder), case
    folder = tmp_path / "interval"
    folder.mkdir()
    perp_folder(folder)
    settled = hours("2024-01-01", 7, 8)
    funding(folder / "funding_binance.parquet", "binance", "BTC/USDT:USDT", settled, [1e-4] * 7,
            [8.0, 8.0, None, 8.0, 8.0, 8.0, 8.0])
    assert "funding_binance.parquet" in refused_history(folder)
