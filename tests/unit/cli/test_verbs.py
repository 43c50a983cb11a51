"""The verbs as a person or a script calls them; the daemon and the application are stand-ins."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import msgspec
import pytest

import bot
from bot.__main__ import guarded, main
from bot.domain.errors import BotError, Busy, ConfigRefused, DataRefused, Unavailable
from bot.domain.values import NS_PER_DAY
from bot.options import BacktestOptions, DiffOptions, RunOptions, SimOptions
from bot.runtime.process_signals import ProcessSignals
from bot.settings import Settings
from bot.storage.account_dir import AccountDir
from bot.storage.journal import Journal
from bot.storage.journal_rows import Identity
from bot.storage.kill_latch import KillLatch
from tests.unit.cli.sample_view import busy
from tests.unit.house.source_tree import REPO

Shown = pytest.CaptureFixture[str]


class Terminal(io.StringIO):
    """A stdin at which a person types."""

    def isatty(self) -> bool:
        """Yes."""
        return True


class Daemon:
    """Answers like a running daemon and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {"status": json.loads(msgspec.json.encode(busy()))}
        self.refusal = ""

    def find_daemon(self, home: Path, account: str | None = None) -> AccountDir:
        """The only one."""
        return AccountDir(home, "demo", account or "main")

    def request(self, socket_path: Path, verb: str, **params: Any) -> Any:
        """The prepared answer."""
        self.asked.append((verb, params))
        if self.refusal:
            raise ConfigRefused(self.refusal)
        return self.answers.get(verb, {"ordered": verb})


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Daemon:
    """A running daemon, reached through the client's own names."""
    running = Daemon()
    monkeypatch.setattr("bot.control.client.find_daemon", running.find_daemon)
    monkeypatch.setattr("bot.control.client.request", running.request)
    monkeypatch.setenv("EVENKEEL_HOME", str(tmp_path))
    return running


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty state folder, no daemon."""
    monkeypatch.setenv("EVENKEEL_HOME", str(tmp_path / "var"))
    return tmp_path / "var"


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch, home: Path) -> types.SimpleNamespace:
    """Stands where `bot.app` does and keeps the options it was given."""
    stand_in = types.ModuleType("bot.app")
    seen = types.SimpleNamespace(options=None, settings=None, answer={"differences": 0, "violations": 0})

    def verb(settings: Settings, options: Any, **_signals: Any) -> Any:
        seen.settings, seen.options = settings, options
        return 0 if isinstance(options, RunOptions) else seen.answer

    for name in ("run_daemon", "run_backtest", "run_report", "run_replay", "run_diff", "run_sim", "shrink_sim"):
        setattr(stand_in, name, verb)
    monkeypatch.setitem(sys.modules, "bot.app", stand_in)
    monkeypatch.setattr(bot, "app", stand_in, raising=False)
    monkeypatch.setattr(ProcessSignals, "catch", lambda _: None)  # they are the test runner's
    return seen


def test_version_is_one_line(capsys: Shown) -> None:
    """The version, and nothing else on stdout."""
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"evenkeel {bot.__version__}\n"
    assert main(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == bot.__version__


@pytest.mark.parametrize("arguments", [
    ["nosuchverb"], ["run", "--for", "3x"], ["run", "--nosuch"], ["run", "--feed", "tape"], ["run", "--feed", "replay"],
    ["run", "--data", "/"], ["run", "--capital", "-1"], ["run", "--account", "../x"], ["backtest"],
    ["backtest", "--data", "/", "--from", "2024-02-01", "--to", "2024-01-01"],
    ["backtest", "--data", "/", "--symbols", "BTC/USDT"], ["replay"], ["replay", "x.db", "--diff"],
    ["replay", "--diff"],
    ["replay", "/nonexistent.db"], ["sim", "--seeds", "9..1"], ["sim", "--days", "0"],
    ["sim", "--replay", "1", "--plan", "x"], ["sim", "--seeds", "1..2", "--trace", "x"],
    ["sim", "--shrink", "1", "--trace", "x"], ["sim", "--replay", "1", "--trace", "-", "--json"],
    ["status", "--watch", "--json"],
    ["fills", "--limit", "0"], ["report", "/nonexistent"],
])
def test_a_misused_verb_is_one_line_and_exit_2(arguments: list[str], capsys: Shown) -> None:
    """Usage errors say what was expected and where the help is, without a traceback."""
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert shown.err.startswith("evenkeel: ")
    assert "--help" in shown.err


def test_without_a_verb_the_help_is_shown(capsys: Shown) -> None:
    """A newcomer sees the verbs."""
    assert main([]) == 2
    shown = capsys.readouterr()
    assert "backtest" in shown.out + shown.err


@pytest.mark.parametrize(("error", "code"), [
    (ConfigRefused("a.toml: unknown key x"), 78), (Busy("another instance"), 75), (DataRefused("row 7"), 1),
    (Unavailable("no daemon"), 1), (BotError("two\nlines"), 1), (KeyboardInterrupt(), 130),
    (ZeroDivisionError("x"), 70), (OSError(28, "No space left on device", "journal.db"), 1),
    (ExceptionGroup("tasks", [ExceptionGroup("inner", [ConfigRefused("a socket")])]), 78),
    (ExceptionGroup("tasks", [ConfigRefused("a"), ValueError("b")]), 70),
])
def test_an_error_is_one_line_and_its_exit_code(error: BaseException, code: int, capsys: Shown) -> None:
    """Each kind of error ends the process in its own way, always in one line."""
    def fail() -> int:
        raise error

    assert guarded(fail) == code
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    """`| head` is no error worth a word."""
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "config", "schema"], cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (1, 141)  # 1 where the argument parser saw it first


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """With EVENKEEL_DEBUG the mistake itself comes through."""
    monkeypatch.setenv("EVENKEEL_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 // 0)


@pytest.mark.parametrize("arguments", [["config", "check"], ["run"], ["backtest", "--data", "/"], ["sim"]])
def test_a_bad_configuration_is_exit_78(arguments: list[str], home: Path, tmp_path: Path, capsys: Shown) -> None:
    """Nothing starts with a file that cannot be used."""
    path = tmp_path / "bad.toml"
    path.write_text("[engine.risk]\ntypo = 1\n", "utf-8")
    assert main([*arguments, "--config", str(path)]) == 78
    assert f"evenkeel: {path}: unknown key engine.risk.typo" in capsys.readouterr().err
    assert not home.exists()


def test_config_show_prints_every_setting(home: Path, capsys: Shown) -> None:
    """As JSON, as a table, and as a file one can start from."""
    assert main(["config", "show", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["settings"]["engine"]["carry"]["horizon_h"] == Settings().engine.carry.horizon_h
    assert document["home"] == str(home)
    assert main(["config", "show"]) == 0
    assert "horizon_h" in capsys.readouterr().out
    assert main(["config", "show", "--toml"]) == 0
    assert "[engine.carry]" in capsys.readouterr().out
    assert main(["config", "schema"]) == 0
    assert "$defs" in json.loads(capsys.readouterr().out)


def test_status_without_a_daemon_says_how_to_start(home: Path, capsys: Shown) -> None:
    """Exit 1 and one line; with --json a document."""
    assert main(["status"]) == 1
    assert "evenkeel run" in capsys.readouterr().err
    assert main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_status_shows_the_daemon(daemon: Daemon, capsys: Shown) -> None:
    """As a picture for people, as the whole document for scripts."""
    assert main(["status"]) == 0
    assert "BTC" in capsys.readouterr().out
    assert main(["status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["running"] is True
    assert document["mode"] == busy().mode


@pytest.mark.parametrize(("verb", "key"), [("positions", "positions"), ("orders", "orders_open")])
def test_positions_and_orders_can_be_narrowed_to_coins(verb: str, key: str, daemon: Daemon, capsys: Shown) -> None:
    """Only records about the named coin are printed."""
    assert main([verb, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == daemon.answers["status"][key]
    coin = rows[0]["instrument"].partition(":")[2].partition("/")[0]
    assert main([verb, "--json", "--symbols", coin.lower()]) == 0
    assert json.loads(capsys.readouterr().out) == [row for row in rows if f":{coin}/" in row["instrument"]]
    assert main([verb]) == 0
    assert coin in capsys.readouterr().out


def test_records_come_as_json_table_and_csv(daemon: Daemon, capsys: Shown) -> None:
    """Three forms of the same rows; the limit reaches the daemon."""
    row = {
        "at_ns": 1_709_294_405_000_000_000, "venue": "bybit", "instrument": "bybit:BTC/USDT:USDT", "trade_id": "1",
        "order_id": "e4e1", "side": "buy", "quantity": "0.1", "price": "60000", "notional_usd": "6000", "fee": "3.3",
        "fee_in_base": False, "maker": False, "cause": "",
    }
    daemon.answers["fills"] = [row]
    assert main(["fills", "--json", "--limit", "7"]) == 0
    assert json.loads(capsys.readouterr().out) == [row]
    assert daemon.asked[-1] == ("fills", {"limit": 7})
    assert main(["fills", "--csv", "-"]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("at_ns,venue,instrument")
    assert main(["fills"]) == 0
    assert "BTC" in capsys.readouterr().out


def test_records_without_any_journal_are_one_line(home: Path, capsys: Shown) -> None:
    """No daemon and nothing on record: what to do."""
    assert main(["funding"]) == 1
    assert "nothing is on record" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "asked"), [
    (["pause", "--reason", "news"], ("pause", {"actor": "cli", "reason": "news"})),
    (["resume"], ("resume", {"actor": "cli", "reason": ""})),
    (["stop"], ("stop", {"actor": "cli"})),
    (["flatten", "--yes"], ("flatten", {"actor": "cli", "reason": ""})),
    (["kill"], ("kill", {"actor": "cli", "hold": False, "reason": ""})),
    (["kill", "--hold"], ("kill", {"actor": "cli", "hold": True, "reason": ""})),
    (["acknowledge"], ("ack", {"actor": "cli"})),
])
def test_an_order_reaches_the_daemon(
    arguments: list[str], asked: tuple[str, Any], daemon: Daemon, capsys: Shown, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Off a terminal nothing waits for an answer, and a kill needs no --yes."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert daemon.asked == [asked]


def test_a_refused_order_is_exit_1(daemon: Daemon, capsys: Shown) -> None:
    """What the daemon refuses is not a mistake in a configuration."""
    daemon.refusal = "resume: not reconciled yet"
    assert main(["resume"]) == 1
    assert "not reconciled yet" in capsys.readouterr().err


def test_flatten_off_a_terminal_needs_yes(daemon: Daemon, monkeypatch: pytest.MonkeyPatch, capsys: Shown) -> None:
    """A script cannot flatten by accident."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["flatten"]) == 2
    assert daemon.asked == []
    assert "--yes" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "code", "sent"), [("kill\n", 0, True), ("yes\n", 130, False), ("", 130, False)])
def test_a_kill_at_a_terminal_asks_for_the_word(
    typed: str, code: int, sent: bool, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, capsys: Shown,
) -> None:
    """What is at stake is shown first; another word sends nothing."""
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert main(["kill"]) == code
    assert "3 pairs" in capsys.readouterr().err
    assert ("kill" in [verb for verb, _ in daemon.asked]) is sent


@pytest.mark.parametrize(("flags", "found"), [
    ([], "kill by operator: drill"), (["--hold"], "kill_hold by operator: drill"),
])
def test_a_kill_that_reaches_no_daemon_latches_by_file(flags: list[str], found: str, home: Path,
                                                       capsys: Shown) -> None:
    """The next start is HALTED and does as ordered; exit 1 because nothing was verified flat."""
    account = AccountDir(home, "demo", "main").prepare()
    latch = KillLatch(*account.kill_places)
    try:
        assert main(["kill", *flags, "--reason", "drill"]) == 1
        assert "KILL file written for demo/main" in capsys.readouterr().err
        assert latch.found() == found
    finally:
        for place in account.kill_places:
            place.unlink(missing_ok=True)


def test_run_hands_over_its_options(application: types.SimpleNamespace, tmp_path: Path) -> None:
    """Each option arrives typed."""
    assert main([
        "run", "--feed", "replay", "--data", str(tmp_path), "--from", "1970-01-02", "--to", "1970-01-03",
        "--for", "30d",
        "--speed", "max", "--capital", "3500", "--account", "a1", "--venues", "binance", "--symbols", "btc", "--json",
    ]) == 0
    options = application.options
    assert isinstance(options, RunOptions)
    assert (options.feed, options.speed, options.for_ns) == ("replay", float("inf"), 30 * NS_PER_DAY)
    assert (options.capital_usd, options.account, options.as_json) == ("3500", "a1", True)
    assert (options.scope.from_ns, options.scope.to_ns) == (NS_PER_DAY, 2 * NS_PER_DAY)
    assert (options.scope.venues, options.scope.symbols) == (("binance",), ("BTC",))
    assert application.settings == Settings()


def test_backtest_prints_one_document(application: types.SimpleNamespace, tmp_path: Path, capsys: Shown) -> None:
    """The report is all that stands on stdout."""
    application.answer = {"net_pct": 1.5}
    assert main(["backtest", "--data", str(tmp_path), "--json"]) == 0
    assert isinstance(application.options, BacktestOptions)
    assert json.loads(capsys.readouterr().out) == {"net_pct": 1.5}


@pytest.mark.parametrize(("answer", "code"), [({"differences": 0}, 0), ({"differences": ["a", "b"]}, 1)])
def test_a_diff_counts_differences(
    answer: Any, code: int, application: types.SimpleNamespace, tmp_path: Path, capsys: Shown,
) -> None:
    """`0 differences` is exit 0, anything else exit 1."""
    application.answer = answer
    arguments = ["replay", "--diff", "--data", str(tmp_path), "--from", "2024-03-01", "--to", "2024-03-02"]
    assert main(arguments) == code
    assert isinstance(application.options, DiffOptions)
    assert (capsys.readouterr().out == "0 differences\n") == (code == 0)


@pytest.mark.parametrize(("violations", "code"), [(0, 0), (3, 1)])
def test_sim_fails_on_a_violation(
    violations: int, code: int, application: types.SimpleNamespace, capsys: Shown,
) -> None:
    """The exit code is what CI reads."""
    application.answer = {"violations": violations, "days": 2.0, "profile": "default",
                          "failing": [{"seed": 7, "invariant": "I3"}] * violations}
    assert main(["sim", "--seeds", "0..49", "--days", "2", "--json"]) == code
    options = application.options
    assert isinstance(options, SimOptions)
    assert (options.seed_first, options.seed_last, options.days) == (0, 49, 2.0)
    shown = capsys.readouterr()
    assert json.loads(shown.out)["violations"] == violations
    assert ("I3 broken by seed 7; look closer" in shown.err) is (violations > 0)


@pytest.mark.parametrize(("extra", "seed", "explain"), [
    (["--replay", "9"], 9, True), (["--seeds", "4", "--trace", "t.txt"], 4, False),
])
def test_sim_of_one_seed(extra: list[str], seed: int, explain: bool, application: types.SimpleNamespace) -> None:
    """`--replay` is that seed alone, its plan told first; a trace needs one seed."""
    application.answer = {"violations": 0}
    assert main(["sim", *extra]) == 0
    options = application.options
    assert (options.seed_first, options.seed_last, options.explain) == (seed, seed, explain)


def test_sim_shrink_of_a_good_seed_says_so(application: types.SimpleNamespace, capsys: Shown) -> None:
    """Nothing is broken: exit 0, no plan on stdout."""
    application.answer = None
    assert main(["sim", "--shrink", "5"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, "seed 5 breaks no invariant" in shown.err) == ("", True)


def test_a_corrupt_plan_is_one_line_and_exit_78(tmp_path: Path, capsys: Shown) -> None:
    """A plan file that is none, or that is not there."""
    bad = tmp_path / "plan.json"
    bad.write_text('{"seed": 1}', encoding="utf-8")
    for file in (bad, tmp_path / "nowhere.json"):
        assert main(["sim", "--plan", str(file)]) == 78
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_doctor_finds_this_machine_good(home: Path, capsys: Shown) -> None:
    """Every check has a verdict; nothing is made on disk."""
    assert main(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"python", "sqlite", "configuration", "home", "disk"} <= {row["check"] for row in document["findings"]}
    assert not home.exists()


def test_doctor_says_what_keeps_an_account_from_going_on(home: Path, capsys: Shown) -> None:
    """An account without a record is fine; a journal that is none, or that lost the exchange's books, is bad."""
    place = AccountDir(home, "demo", "main").prepare()
    assert main(["doctor", "--json"]) == 0
    assert "nothing on record yet" in capsys.readouterr().out
    place.journal.write_bytes(b"not a database" * 100)
    assert main(["doctor", "--json"]) == 1
    assert "journal.db" in capsys.readouterr().out
    place.journal.unlink()
    Journal.create(place.journal, Identity(account="main", kind="demo", created_ns=1)).close()
    assert main(["doctor", "--json"]) == 1
    assert "the exchange's books; restore it" in capsys.readouterr().out
    place.venue.write_bytes(b"")
    assert main(["doctor", "--json"]) == 0
    assert "does not run; goes on from a journal" in capsys.readouterr().out


def test_doctor_sees_a_daemon_that_does_not_answer(home: Path, capsys: Shown) -> None:
    """The lock is held, yet nobody listens: bad, with its process id."""
    with AccountDir(home, "demo", "main").prepare().lock():
        assert main(["doctor", "--json"]) == 1
    assert f"pid {os.getpid()} holds it but does not answer" in capsys.readouterr().out


def test_doctor_names_a_half_fetched_file(home: Path, tmp_path: Path, capsys: Shown) -> None:
    """A Parquet file without its end is bad, and exit 1."""
    (tmp_path / "whole.parquet").write_bytes(b"PAR1....PAR1")
    assert main(["doctor", "--data", str(tmp_path), "--json"]) == 0
    (tmp_path / "half.parquet").write_bytes(b"PAR1....")
    capsys.readouterr()
    assert main(["doctor", "--data", str(tmp_path), "--json"]) == 1
    assert "half.parquet" in capsys.readouterr().out


def test_every_verb_has_home_and_json() -> None:
    """A script can call any verb alike."""
    from bot.cli.root import PANELS

    for verbs in PANELS.values():
        for verb in verbs:
            options = set(verb.__annotations__)
            assert "as_json" in options, verb.__name__
            assert "home" in options, verb.__name__
