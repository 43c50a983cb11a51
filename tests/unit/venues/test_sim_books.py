"""The exchange's own books: what survives a kill, and what is refused."""

from __future__ import annotations

import os
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.errors import BotError, ConfigRefused, Fatal
from bot.domain.events import Fill, OrderAccepted, OrderClosed
from bot.domain.orders import TimeInForce
from bot.domain.values import Side, Wallet
from bot.venues.simulated.books_file import BooksFile
from bot.venues.simulated.exchange import SimulatedExchange
from bot.venues.simulated.params import SimulatedParams
from bot.venues.simulated.saved import ENCODE
from tests.unit.venues.sim_world import ALL, ALPHA, BETA, PERP, PERP_ETH, SPOT, World

BUY, SELL, GTC = Side.BUY, Side.SELL, TimeInForce.GTC


def busy(path: Path) -> World:
    """Trades, a resting order, a funding payment, a transfer under way, an order under way, answers not delivered."""
    world = World(books=path).rich().market()
    world.trade(SPOT, BUY, 100, 1_001)
    world.trade(PERP, SELL, 100, 1_000)
    world.order(PERP_ETH, BUY, 100, 990, GTC)
    world.run()
    world.settle(PERP, "0.0001")
    world.transfer("500", (ALPHA, Wallet.SPOT), (BETA, Wallet.FUTURES))
    world.run(1)
    world.order(PERP, SELL, 200, 1_000)
    world.run(0.05)
    world.order(PERP, BUY, 100, 1_001)
    return world


def test_reopened_exchange_is_the_same_to_the_byte(tmp_path: Path) -> None:
    """Wallets, positions, orders, log, quotes, what is under way, counters."""
    world = busy(tmp_path / "venue.db")
    world.exchange.commit()
    before = world.exchange
    world.reopen()
    assert ENCODE.encode(world.exchange.saved()) == ENCODE.encode(before.saved())
    for venue in (ALPHA, BETA):
        assert world.exchange.account(venue).orders == before.account(venue).orders
        assert world.exchange.account(venue).closed == before.account(venue).closed
        assert world.exchange.account(venue).log == before.account(venue).log
    assert world.exchange.equity_usd() == before.equity_usd()


def test_future_is_the_same_with_and_without_a_kill(tmp_path: Path) -> None:
    """The transfer lands, the order under way arrives, the answers come: all as if nothing had happened."""
    calm, killed = busy(tmp_path / "calm.db"), busy(tmp_path / "killed.db")
    killed.exchange.commit()
    killed.reopen()
    assert killed.run(200) == calm.run(200)
    assert killed.exchange.saved() == calm.exchange.saved()


def test_what_an_answer_tells_is_on_disk_before_it_leaves(tmp_path: Path) -> None:
    """Kill right after the first answer: the fill is in the books, and what was not delivered still comes."""
    world = World(books=tmp_path / "venue.db").rich().market()
    world.order(PERP, BUY, 100, 1_001)
    while not isinstance(world.exchange.pop(), OrderAccepted):
        pass
    world.reopen()
    assert world.position(PERP) == Decimal("0.1")
    assert {OrderAccepted, Fill, OrderClosed} == {type(answer) for answer in world.run()}


def test_clean_stop_delivers_nothing_twice(tmp_path: Path) -> None:
    """A commit after the last answer forgets it."""
    world = World(books=tmp_path / "venue.db").rich().market()
    world.trade(PERP, BUY, 100, 1_001)
    world.exchange.commit()
    world.reopen()
    assert world.run(100) == []


def test_history_is_readable_as_tables(tmp_path: Path) -> None:
    """One row per order, trade, payment and movement of cash."""
    path = tmp_path / "venue.db"
    world = busy(path)
    world.exchange.commit()
    with sqlite3.connect(path) as db:
        counts = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                  for table in ("orders", "trades", "funding", "cash")]
        settings = [db.execute("PRAGMA journal_mode").fetchone()[0]]
    db.close()
    assert counts == [3, 3, 1, 4]
    assert settings == ["wal"]


def test_fresh_start_over_an_account_is_refused(tmp_path: Path) -> None:
    """Books are never overwritten; books without an account cannot be reopened."""
    path = tmp_path / "venue.db"
    world = busy(path)
    world.exchange.commit()
    assert world.file is not None
    with pytest.raises(ConfigRefused, match="holds an account already"):
        SimulatedExchange(ALL, SimulatedParams(), 7, world.file)
    with pytest.raises(ConfigRefused, match="no account yet"):
        SimulatedExchange.reopen(BooksFile(tmp_path / "empty.db"), ALL, SimulatedParams(), 7)


def test_other_seed_is_refused(tmp_path: Path) -> None:
    """Random states belong to a seed."""
    world = busy(tmp_path / "venue.db")
    world.exchange.commit()
    assert world.file is not None
    with pytest.raises(ConfigRefused, match="begun with seed 7"):
        SimulatedExchange.reopen(world.file, ALL, SimulatedParams(), 8)


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\x00" + b"\x07" * 4_000])
def test_damaged_file_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    """Garbage raises an error of ours that names the file."""
    path = tmp_path / "venue.db"
    path.write_bytes(content)
    with pytest.raises(BotError, match=r"venue\.db") as refused:
        BooksFile(path)
    assert "\n" not in str(refused.value)


def test_changed_byte_in_the_state_is_found(tmp_path: Path) -> None:
    """The digest of the present does not fit."""
    path = tmp_path / "venue.db"
    world = busy(path)
    world.exchange.commit()
    with sqlite3.connect(path) as db:
        body = bytearray(db.execute("SELECT body FROM state").fetchone()[0])
        body[len(body) // 2] ^= 1
        db.execute("UPDATE state SET body = ?", (bytes(body),))
    db.close()
    with pytest.raises(Fatal, match="digest"):
        world.reopen()


def test_failed_write_is_fatal_and_keeps_the_answer(tmp_path: Path) -> None:
    """What cannot be remembered is not told: the answer stays until the books can be written."""
    path = tmp_path / "venue.db"
    world = World(books=path).rich().market()
    world.order(PERP, BUY, 100, 1_001)
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE state RENAME TO hidden")
    with pytest.raises(Fatal, match="could not be written"):
        world.run()
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE hidden RENAME TO state")
    db.close()
    assert {OrderAccepted, Fill, OrderClosed} == {type(answer) for answer in world.run()}


def test_F66_a_venue_goes_on_while_our_disk_is_full(tmp_path: Path) -> None:
    """It answers from memory, says what failed, and the first commit that succeeds catches up."""
    path = tmp_path / "venue.db"
    world = World(books=path).rich().market()
    world.exchange.commit()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert world.file is not None
    world.file._db.execute("PRAGMA busy_timeout = 1")
    world.order(PERP, BUY, 100, 1_001)
    assert Fill in {type(answer) for answer in world.run()}
    assert "could not be written" in world.exchange.books_failure
    holder.execute("ROLLBACK")
    holder.close()
    world.exchange.commit()
    assert world.exchange.books_failure == ""
    held = world.exchange.saved()
    world.reopen()
    assert ENCODE.encode(world.exchange.saved()) == ENCODE.encode(held)


def test_newer_books_are_refused(tmp_path: Path) -> None:
    """A state of another version is not guessed at."""
    path = tmp_path / "venue.db"
    world = busy(path)
    saved = world.exchange.saved()
    saved.version += 1
    assert world.file is not None
    world.file.write(ENCODE.encode(saved), [])
    with pytest.raises(ConfigRefused, match="books of version"):
        world.reopen()


def test_missing_history_row_is_found(tmp_path: Path) -> None:
    """A gap in the log is damage, not a smaller history."""
    path = tmp_path / "venue.db"
    world = busy(path)
    world.exchange.commit()
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM trades WHERE place = (SELECT min(place) FROM trades)")
    db.close()
    with pytest.raises(Fatal, match="missing"):
        world.reopen()


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """A file with foreign tables is left alone."""
    path = tmp_path / "venue.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(ConfigRefused, match="another program"):
        BooksFile(path)


def test_missing_or_read_only_folder_is_refused(tmp_path: Path) -> None:
    """One line that names the folder, nothing half-written."""
    with pytest.raises(ConfigRefused, match="does not exist"):
        BooksFile(tmp_path / "nowhere" / "venue.db")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(ConfigRefused, match=r"folder\.db: cannot open"):
        BooksFile(tmp_path / "folder.db")
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    with pytest.raises(ConfigRefused, match=r"venue\.db"):
        BooksFile(folder / "venue.db")
