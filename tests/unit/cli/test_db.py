"""`db` and what `doctor` says of records, as a person or a script calls them."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bot.__main__ import main
from bot.storage.account_dir import AccountDir
from bot.storage.journal import Journal
from bot.storage.kill_latch import KillLatch
from tests.unit.storage.test_backup import account
from tests.unit.storage.test_journal import batch

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AccountDir:
    """An account of nine events that does not run."""
    monkeypatch.setenv("EVENKEEL_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return account(tmp_path / "var")


def answer(capsys: Shown) -> Any:
    return json.loads(capsys.readouterr().out)


def damage(path: Path, statement: str) -> None:
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()


def test_status_tells_what_is_on_record(place: AccountDir, capsys: Shown) -> None:
    """For people and for scripts."""
    assert main(["db", "status"]) == 0
    assert "9 events in 3 rows" in capsys.readouterr().out
    assert main(["db", "status", "--json"]) == 0
    (state,) = answer(capsys)["accounts"]
    assert (state["account"], state["events"], state["pid"], state["whole_from"]) == ("main", 9, None, 1)


def test_backup_and_restore_bring_an_account_back(place: AccountDir, tmp_path: Path, capsys: Shown) -> None:
    """The whole way; a second backup does not overwrite the first."""
    assert main(["db", "backup", "--to", str(tmp_path / "b.db"), "--json"]) == 0
    assert answer(capsys)["backup"]["events"] == 9
    assert main(["db", "backup", "--to", str(tmp_path / "b.db")]) == 78
    with Journal.open(place.journal) as journal:
        journal.append(batch(10))
    assert main(["db", "verify", str(tmp_path / "b.db"), "--json"]) == 0
    capsys.readouterr()
    assert main(["db", "restore", str(tmp_path / "b.db")]) == 2  # off a terminal it asks for --yes
    assert main(["db", "restore", str(tmp_path / "b.db"), "--yes", "--json"]) == 0
    assert answer(capsys)["restored"]["backup"]["events"] == 9
    with Journal.open_readonly(place.journal) as journal:
        assert journal.head.last_seq == 9


def test_a_running_account_is_not_replaced(place: AccountDir, tmp_path: Path, capsys: Shown) -> None:
    """Exit 75, one line; a backup of it is fine."""
    with place.lock():
        assert main(["db", "backup", "--to", str(tmp_path / "b.db")]) == 0
        assert main(["db", "restore", str(tmp_path / "b.db"), "--yes"]) == 75
    assert "another instance" in capsys.readouterr().err


def test_F72_a_backup_goes_to_its_own_account_only(place: AccountDir, tmp_path: Path) -> None:
    """Another name is refused with 78."""
    assert main(["db", "backup", "--to", str(tmp_path / "b.db")]) == 0
    assert main(["db", "restore", str(tmp_path / "b.db"), "--yes", "--account", "other"]) == 78


def test_verify_names_the_damaged_row(place: AccountDir, capsys: Shown) -> None:
    """Exit 1 and the row; snapshots and the exchange's books are looked at too."""
    assert main(["db", "verify"]) == 0
    assert "every byte is as it was written" in capsys.readouterr().out
    damage(place.journal, "UPDATE batches SET kinds = 1 WHERE row_number = 2")
    snapshot = next(place.snapshots.iterdir())
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    place.venue.write_bytes(b"not a database" * 100)
    assert main(["db", "verify", "--json"]) == 1
    whats = [(finding["row_number"], finding["what"]) for finding in answer(capsys)["verified"][0]["findings"]]
    assert whats[0] == (2, "contents do not match their hash")
    assert any("snapshot" in what for _, what in whats)
    assert any("venue.db" in what for _, what in whats)


def test_nothing_on_record_and_several_accounts_are_one_line(place: AccountDir, tmp_path: Path, capsys: Shown) -> None:
    """What to do is said."""
    assert main(["db", "status", "--home", str(tmp_path / "empty")]) == 1
    account(tmp_path / "var", kind="paper")
    assert main(["db", "backup"]) == 78
    assert "name one with --account" in capsys.readouterr().err
    assert main(["db", "restore", str(tmp_path / "none.db"), "--yes"]) == 78


def test_doctor_names_damage_and_what_to_do(place: AccountDir, capsys: Shown) -> None:
    """A sound account is good; a changed row is bad, exit 1, with the verbs that help."""
    KillLatch(*place.kill_places).reserve()
    place.ballast.write_bytes(b"")
    assert main(["doctor", "--json"]) == 0
    rows = [row for row in answer(capsys)["findings"] if row["check"] == "records demo/main"]
    assert [(row["verdict"], "every byte" in row["text"]) for row in rows] == [("good", True)]
    damage(place.journal, "UPDATE batches SET at_ns = 5 WHERE row_number = 3")
    assert main(["doctor", "--json"]) == 1
    rows = [row for row in answer(capsys)["findings"] if row["check"] == "records demo/main"]
    assert rows[0]["verdict"] == "bad"
    assert rows[0]["text"].startswith("row 3: contents do not match their hash")
    assert "db restore" in rows[0]["text"]


def test_doctor_warns_of_what_the_next_start_mends(place: AccountDir, capsys: Shown) -> None:
    """A damaged snapshot, a missing ballast, an interrupted restore: warned, not bad."""
    (place.folder / "restoring").mkdir()
    assert main(["doctor", "--json"]) == 0
    texts = " ".join(row["text"] for row in answer(capsys)["findings"] if row["verdict"] == "warn")
    for word in ("ballast", "kill latch", "a restore was interrupted"):
        assert word in texts
    snapshot = next(place.snapshots.iterdir())
    snapshot.write_bytes(b"")
    assert main(["doctor", "--json"]) == 0
    assert "damaged snapshot" in capsys.readouterr().out


def test_doctor_finds_open_doors_and_a_clock_that_runs_behind(place: AccountDir, capsys: Shown) -> None:
    """Others may write: bad. The journal was written in the future: bad."""
    place.folder.chmod(0o722)
    os.utime(place.journal, (4_000_000_000, 4_000_000_000))
    assert main(["doctor", "--json"]) == 1
    texts = " ".join(row["text"] for row in answer(capsys)["findings"] if row["verdict"] == "bad")
    assert "others may write here" in texts
    assert "before the last write" in texts
