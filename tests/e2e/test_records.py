"""An account goes back to a backup and on from there; one whose record is damaged is brought flat all the same."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from bot.app.engines import Engines
from bot.app.rehearsal.audit import Account, check_books, check_no_order_is_lost
from bot.domain.events import SessionStarted
from bot.settings import load
from bot.storage.account_dir import AccountDir
from bot.storage.journal import Journal
from bot.storage.kill_latch import KillLatch
from bot.storage.snapshot import SnapshotStore
from bot.venues.simulated.books_file import BooksFile
from bot.venues.simulated.exchange import SimulatedExchange
from tests.daemon_process import bot, complaint, document
from tests.e2e.test_replay import EAGER


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`eager.toml` and an account that holds pairs after three hours."""
    folder = tmp_path_factory.mktemp("records") / "recorded"
    folder.mkdir()
    (folder / "eager.toml").write_text(EAGER)
    run(folder, "3h")
    return folder


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(recorded, tmp_path / "copy"))


def verb(folder: Path, *words: str | Path) -> list[str]:
    return [*map(str, words), "--home", str(folder / "home"), "--account", "main"]


def run(folder: Path, span: str) -> None:
    done = bot(*verb(folder, "run", "--config", folder / "eager.toml", "--for", span, "--json"))
    assert done.returncode == 0, done.stderr[-1000:]


def place_of(folder: Path) -> AccountDir:
    return AccountDir(folder / "home", "demo", "main")


def test_F72_a_restored_account_reduces_only_until_it_is_reconciled_and_its_books_agree(folder: Path) -> None:
    """Backup, one more hour, back, and on: doubts at the start, none after it, the venue's books to the last digit."""
    place = place_of(folder)
    made = document(bot(*verb(folder, "db", "backup", "--to", folder / "b.db", "--json")))["backup"]
    run(folder, "1h")
    assert bot(*verb(folder, "db", "restore", folder / "b.db", "--yes")).returncode == 0
    run(folder, "1h")
    settings = load(folder / "eager.toml", {})
    engine, sessions = Engines(settings.engine).create(), []
    with Journal.open_readonly(place.journal) as journal:
        for _, event, step in journal.export():
            assert engine.step(event) == step
            if isinstance(event, SessionStarted):
                sessions.append(event)
    assert made["events"] > 0
    assert [bool(session.doubts) for session in sessions] == [False, True]
    assert "restored from b.db" in sessions[1].doubts[0]
    assert sessions[1].epoch > 2, "the session that was undone had epoch 2"
    assert engine.view().mode == "RUN"
    account = Account(place, settings)
    account.walk.engine.state.market.instruments.update(engine.state.market.instruments)
    exchange = account.venue_truth(folder)
    assert exchange is not None
    check_no_order_is_lost(engine, exchange)
    check_books(engine, exchange)


def test_a_damaged_account_refuses_to_trade_and_can_still_be_brought_flat(folder: Path) -> None:
    """`run` names the row and the ways on; `run --rescue` closes both legs of every pair; HALTED from then on."""
    place = place_of(folder)
    db = sqlite3.connect(place.journal)
    db.execute("UPDATE batches SET hash = zeroblob(32) WHERE row_number = (SELECT max(row_number) FROM batches)")
    db.commit()
    db.close()
    refused = bot(*verb(folder, "run", "--config", folder / "eager.toml", "--for", "1h"))
    assert refused.returncode == 1
    assert "run --rescue" in complaint(refused)
    done = bot(*verb(folder, "run", "--config", folder / "eager.toml", "--rescue", "--yes", "--json"))
    report = document(done)
    assert done.returncode == 0, (report, done.stderr[-1000:])
    assert report["flat"]
    assert report["orders_sent"] >= 2
    assert KillLatch(*place.kill_places).is_set
    settings = load(folder / "eager.toml", {})
    engine = Engines(settings.engine).restore(next(SnapshotStore(place.snapshots).newest_first()).engine)
    assert any(pair.live for pair in engine.state.pairs.values()), "nothing was held, so nothing was proven"
    books = BooksFile(place.venue)
    exchange = SimulatedExchange.reopen(books, tuple(engine.state.market.instruments.values()), settings.simulated,
                                        settings.engine.seed)
    books.close()
    assert all(exchange.flat(venue) for venue in exchange.venues)
    with Journal.open_readonly(Path(report["record"]) / "journal.db") as journal:
        assert journal.verify() == []
