"""The daemon as a person meets it: started as a process, looked at and steered from other processes."""

from __future__ import annotations

import csv
import io
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.settings import load
from bot.storage.account_dir import AccountDir
from bot.venues.simulated.books_file import BooksFile
from bot.venues.simulated.exchange import SimulatedExchange
from bot.venues.simulated.market.source import EmbeddedMarket
from tests.daemon_process import BotProcess, bot, complaint, document, pair_states

EAGER = """
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
"""
"""Pairs open within the first simulated minutes: nothing waits for history or for a rich market."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "eager.toml"
    path.write_text(EAGER)
    return path


@pytest.fixture
def daemon(tmp_path: Path, config: Path) -> Iterator[BotProcess]:
    """A daemon at the demo's speed that holds hedged pairs."""
    yield from hedged(tmp_path / "home", config)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Iterator[BotProcess]:
    """The same for tests that only look: one process for all of them."""
    yield from hedged(tmp_path_factory.mktemp("watched") / "home", config)


def hedged(home: Path, config: Path) -> Iterator[BotProcess]:
    with BotProcess(home, "--config", config, "--speed", "600") as process:
        process.wait_until(holds_hedged_pairs, "hedged pairs")
        yield process


def holds_hedged_pairs(status: dict[str, Any]) -> bool:
    states = pair_states(status)
    return bool(states) and set(states) == {"hedged"}


def is_flat(status: dict[str, Any]) -> bool:
    """No pair, and of spot coins only crumbs below what a venue lets anyone sell."""
    owners = {position["owner"] for position in status["positions"]}
    return not set(pair_states(status)) - {"flat"} and owners <= {"dust"}


def flat_at_the_venues(home: Path, config: Path) -> dict[str, bool]:
    """Venue by venue, from the exchange's own books, after the process has ended."""
    settings = load(config, {})
    books = BooksFile(AccountDir(home, "demo", "main").venue)
    listed = EmbeddedMarket(settings.embedded, settings.embedded.seed, 1_735_689_600_000_000_000).instruments()
    exchange = SimulatedExchange.reopen(books, listed, settings.simulated, settings.engine.seed)
    books.close()
    assert any(exchange.account(venue).fills for venue in exchange.venues), "nothing was ever traded"
    return {venue: exchange.flat(venue) for venue in exchange.venues}


def test_pause_resume_flatten_and_kill_do_what_they_say(daemon: BotProcess, config: Path, tmp_path: Path) -> None:
    """Pause keeps pairs, flatten ends them, kill leaves both legs flat at the venue and outlives the process."""
    daemon.verb("pause", "--reason", "lunch")
    paused = daemon.wait_until(lambda seen: seen["mode"] == "REDUCE_ONLY", "REDUCE_ONLY after pause")
    assert any("operator" in reason and "lunch" in reason for reason in paused["mode_reasons"])
    assert pair_states(paused)

    daemon.verb("resume")
    daemon.wait_until(lambda seen: seen["mode"] == "RUN", "RUN after resume")

    daemon.verb("flatten", "--yes")
    flat = daemon.wait_until(is_flat, "flat after flatten")
    assert flat["mode"] == "REDUCE_ONLY"
    assert any("flatten" in reason for reason in flat["mode_reasons"])

    daemon.verb("resume")
    daemon.wait_until(holds_hedged_pairs, "hedged pairs after resume")

    daemon.verb("kill", "--reason", "drill")
    halted = daemon.wait_until(lambda seen: seen["mode"] == "HALTED" and is_flat(seen), "HALTED and flat after kill")
    assert any("drill" in reason for reason in halted["mode_reasons"])
    daemon.verb("stop")
    assert daemon.ended() == 0
    assert set(flat_at_the_venues(daemon.home, config).values()) == {True}

    with BotProcess(daemon.home, "--config", config, "--speed", "600") as again:
        seen = again.wait_until(lambda seen: seen["mode"] == "HALTED", "HALTED again")
        later = again.wait_until(lambda now: now["at_ns"] > seen["at_ns"] + 1_200 * 10**9, "two rebalances later")
        assert (later["mode"], pair_states(later)) == ("HALTED", [])
        again.verb("resume", "--reason", "drill is over")
        again.wait_until(holds_hedged_pairs, "hedged pairs after the latch was lifted")
        again.verb("stop")
        assert again.ended() == 0


def test_stop_leaves_pairs_hedged_and_the_next_run_goes_on_with_them(daemon: BotProcess, config: Path) -> None:
    """Stop cancels orders, keeps pairs, says so; the same command takes them up again."""
    held = {pair["pair_id"] for pair in daemon.status()["pairs"]}
    daemon.verb("stop")
    assert daemon.ended(within_s=20) == 0
    assert "stopped. Held at the venues, both legs: " in daemon.stderr
    assert document(bot("fills", "--home", daemon.home, "--json")), "the record can be read without a daemon"
    with BotProcess(daemon.home, "--config", config, "--speed", "600") as again:
        seen = again.wait_until(lambda status: status["mode"] == "RUN" and bool(status["pairs"]), "pairs taken up")
        assert held & {pair["pair_id"] for pair in seen["pairs"]}
        assert seen["epoch"] == 2


def test_a_second_instance_is_refused_by_name_of_the_first(watched: BotProcess) -> None:
    """Two processes on one account would trade against each other: exit 75, and the pid to look at."""
    refused = bot("run", "--home", watched.home)
    assert refused.returncode == 75
    assert f"pid {watched.process.pid}" in complaint(refused)


def test_sigterm_ends_in_order(daemon: BotProcess) -> None:
    """What a service manager sends: exit 0 well before it would send SIGKILL, pairs whole."""
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.ended(within_s=20) == 0
    assert "stopped. Held at the venues, both legs: " in daemon.stderr
    assert "No order is open." in daemon.stderr


def test_a_second_sigterm_ends_at_once(daemon: BotProcess) -> None:
    """Who insists is obeyed within two seconds, whatever is still open."""
    daemon.process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    if daemon.process.poll() is None:
        daemon.process.send_signal(signal.SIGTERM)
    assert daemon.ended(within_s=2) in (0, 1)
    assert "Traceback" not in daemon.stderr


def test_a_signal_and_a_file_kill_too(daemon: BotProcess) -> None:
    """SIGUSR1 and a KILL file need neither socket nor terminal."""
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.wait_until(lambda seen: seen["mode"] == "HALTED" and is_flat(seen), "HALTED and flat after SIGUSR1")
    daemon.verb("resume", "--reason", "go on")
    daemon.wait_until(holds_hedged_pairs, "hedged pairs again")
    (AccountDir(daemon.home, "demo", "main").folder / "KILL").touch()
    daemon.wait_until(lambda seen: seen["mode"] == "HALTED" and is_flat(seen), "HALTED and flat after the file")


def test_every_looking_verb_prints_one_document(watched: BotProcess) -> None:
    """Scripts read stdout: one JSON document per call, and records that agree with each other."""
    verbs = (("status",), ("positions",), ("orders",), ("orders", "--all"), ("fills",), ("decisions",), ("funding",))
    seen = {" ".join(words): document(bot(*words, "--home", watched.home, "--json")) for words in verbs}
    assert seen["status"]["running"] is True
    assert seen["positions"], "pairs are held, so there are positions"
    sent = {row["order_id"] for row in seen["orders --all"]}
    assert {row["order_id"] for row in seen["fills"][:10]} <= sent
    assert {candidate["coin"] for candidate in seen["decisions"][0]["candidates"]} >= {"BTC", "ETH"}


def test_records_export_as_csv(watched: BotProcess, tmp_path: Path) -> None:
    """Fills, funding, decisions and orders as a table with a header, to a file or to stdout."""
    printed = bot("fills", "--home", watched.home, "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(printed.stdout)))
    assert {"order_id", "price", "quantity_base", "fee"} <= set(rows[0])
    for verb in ("orders", "decisions", "funding"):
        target = tmp_path / f"{verb}.csv"
        words = (verb, "--all") if verb == "orders" else (verb,)
        assert bot(*words, "--home", watched.home, "--csv", target).returncode == 0
        assert target.is_file()


def test_only_the_owner_may_talk_to_the_daemon(watched: BotProcess) -> None:
    """The control socket orders trades: mode 0600."""
    mode = AccountDir(watched.home, "demo", "main").socket.stat().st_mode
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)


def test_looking_at_nothing_is_one_line(tmp_path: Path) -> None:
    """Without a daemon: exit 1, a line that says what to do, and for scripts a document that says the same."""
    for verb in ("status", "positions", "pause", "fills"):
        done = bot(verb, "--home", tmp_path)
        assert done.returncode == 1
        assert "evenkeel run" in complaint(done)
    scripted = bot("status", "--home", tmp_path, "--json")
    assert (scripted.returncode, document(scripted)["running"]) == (1, False)
