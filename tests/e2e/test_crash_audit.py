"""The audit of the rehearsals sees what it must: each promise is broken by hand once, on a copy of a sound account."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bot.app.rehearsal.audit import Account, check_killed, check_went_on
from bot.app.rehearsal.stage import NAME, account_in, busy
from bot.app.rehearsal.walk import PromiseBroken, Walk
from bot.settings import Settings, load
from bot.storage.journal import Journal
from bot.venues.simulated.books_file import BooksFile
from bot.venues.simulated.saved import ENCODE, SavedExchange
from tests.daemon_process import bot

BUSY = """
[engine]
rebalance_every_s = 300
rebalance_offset_s = 60
[engine.carry]
basis_observations_min = 1
horizon_h = 8760
entry_buffer_bps = 0.0
hurdle_annual = 0.0
risk_premium_annual = 0.0
min_hold_h = 0.0
cool_down_h = 0.0
pairs_max = 12
resize_share_min = 0.01
[engine.execution]
slice_s = 20.0
slices_max = 10
slice_usd_max = 400.0
[runtime]
snapshot_every_events = 300
"""
"""`busy` as a file: pairs are opened in the first four minutes, in slices."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an account that ran for eight minutes and ended in order."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "busy.toml").write_text(BUSY)
    done = bot("run", "--home", folder / "home", "--config", folder / "busy.toml", "--for", "8m", "--account", NAME,
               "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "home"


@pytest.fixture
def settings(sound: Path) -> Settings:
    """What the account ran with."""
    return load(sound.parent / "busy.toml", {})


@pytest.fixture
def home(sound: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(sound, tmp_path / "home"))


def test_the_file_is_the_rehearsals_own_bot(settings: Settings) -> None:
    """What is tampered with here is what the storm runs."""
    assert busy(load(None, {})).engine == settings.engine


def test_a_sound_account_passes(home: Path, settings: Settings, tmp_path: Path) -> None:
    """Both audits, and the second on the walk of the first."""
    account = Account(account_in(home), settings)
    check_killed(account, tmp_path)
    check_went_on(account, tmp_path)
    assert len(account.walk.intents) >= 40


def forget_the_tail(home: Path) -> None:
    """The journal's last rows are gone: acknowledged orders with them."""
    database = sqlite3.connect(account_in(home).journal)
    database.execute("DELETE FROM batches WHERE row_number > (SELECT max(row_number) / 3 FROM batches)")
    database.commit()
    database.close()
    shutil.rmtree(account_in(home).snapshots)


def books_with(change: Callable[[SavedExchange], None]) -> Callable[[Path], None]:
    """The venue's own books say something else."""
    def tamper(home: Path) -> None:
        books = BooksFile(account_in(home).venue)
        saved = books.read()
        change(saved)
        books.write(ENCODE.encode(saved), [])
        books.close()

    return tamper


def a_cent_more(saved: SavedExchange) -> None:
    saved.venues[0].holdings.spot_usd += Decimal("0.01")


def created_again(saved: SavedExchange) -> None:
    saved.venues[0].repeats["evk-twice"] = 1  # type: ignore[index]


@pytest.mark.parametrize(("tamper", "said"), [
    (forget_the_tail, "not on record"),
    (books_with(created_again), "created twice"),
], ids=["acknowledged orders forgotten", "a create sent twice"])
def test_a_killed_account_that_lost_its_word_is_seen(home: Path, settings: Settings, tmp_path: Path,
                                                     tamper: Callable[[Path], None], said: str) -> None:
    """The audit right after a death."""
    tamper(home)
    with pytest.raises(PromiseBroken, match=said):
        check_killed(Account(account_in(home), settings), tmp_path)


def test_a_cent_of_difference_is_seen(home: Path, settings: Settings, tmp_path: Path) -> None:
    """The ledger is the venue's books to the last digit."""
    books_with(a_cent_more)(home)
    with pytest.raises(PromiseBroken, match="spot wallet"):
        check_went_on(Account(account_in(home), settings), tmp_path)


def test_an_engine_that_decides_otherwise_is_seen(home: Path, settings: Settings, tmp_path: Path) -> None:
    """A fresh engine of another mind does not reach the recorded state."""
    other = msgspec.structs.replace(settings, engine=msgspec.structs.replace(settings.engine, rebalance_offset_s=120))
    with pytest.raises(PromiseBroken, match="answered differently"):
        check_killed(Account(account_in(home), other), tmp_path)


def test_history_that_was_rewritten_is_seen(home: Path, settings: Settings, tmp_path: Path) -> None:
    """What was walked once must still be there: a shorter journal in its place is no continuation."""
    walk = Walk(settings)
    walk.go_on(account_in(home).journal)
    forget_the_tail(home)
    with pytest.raises(PromiseBroken, match="not as they were"):
        check_killed(Account(account_in(home), settings, walk), tmp_path)
    with Journal.open_readonly(account_in(home).journal) as journal:
        assert journal.head.last_seq < walk.seq
