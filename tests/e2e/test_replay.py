"""One engine: the daemon and the backtest make one run, and a record explains itself in any process."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from bot.domain.commands import AnyCommand, SubmitOrder
from bot.engine.step import Step
from bot.storage.account_dir import AccountDir
from bot.storage.journal import Journal
from bot.storage.journal_codec import decode_step, encode_step
from bot.storage.journal_rows import Batch
from tests.daemon_process import bot, complaint, document
from tests.history_folders import DATA
from tests.made_history import made_history

EAGER = """
[engine.carry]
basis_observations_min = 1
horizon_h = 8760
entry_buffer_bps = 0.0
hurdle_annual = 0.0
risk_premium_annual = 0.0
"""
HASH_SEEDS = ("1", "4242")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `eager.toml` and the account of six hours on the embedded market, in two sessions."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "eager.toml").write_text(EAGER)
    for span in ("4h", "2h"):
        done = bot("run", "--home", folder / "home", "--config", folder / "eager.toml", "--for", span, "--account",
                   "main", "--json", env={"PYTHONHASHSEED": "7"})
        assert done.returncode == 0, done.stderr[-1000:]
    return folder


def journal_of(folder: Path) -> Path:
    return AccountDir(folder / "home", "demo", "main").journal


def rewritten(source: Path, target: Path, change_order: int) -> int:
    """A journal whose chain is sound but in which one recorded order has another size; the event's number."""
    orders = changed = 0
    with Journal.open_readonly(source) as journal, Journal.create(target, journal.identity) as forged:
        for row in journal.rows():
            pairs = []
            for offset, (event, step) in enumerate(row.pairs()):
                decided = decode_step(step)
                if any(isinstance(command, SubmitOrder) for command in decided.commands):
                    orders += 1
                    if orders == change_order:
                        changed = row.first_seq + offset
                        pairs.append((event, encode_step(_larger(decided))))
                        continue
                pairs.append((event, step))
            forged.append(Batch(first_seq=row.first_seq, at_ns=row.at_ns, fence=row.fence, kinds=row.kinds,
                                pairs=tuple(pairs)))
    return changed


def _larger(step: Step) -> Step:
    """The step with one lot more in each of its orders."""
    replace = msgspec.structs.replace
    commands: list[AnyCommand] = []
    for command in step.commands:
        if isinstance(command, SubmitOrder):
            intent = replace(command.order.intent, quantity_lots=command.order.intent.quantity_lots + 1)
            commands.append(replace(command, order=replace(command.order, intent=intent)))
        else:
            commands.append(command)
    return replace(step, commands=tuple(commands))


def test_a_recorded_run_is_repeated_step_by_step_in_any_process(recorded: Path) -> None:
    """Byte for byte, both sessions, whatever the process's hash seed."""
    found = [document(bot("replay", journal_of(recorded), "--config", recorded / "eager.toml", "--json",
                          env={"PYTHONHASHSEED": seed})) for seed in HASH_SEEDS]
    assert found[0] == found[1]
    with Journal.open_readonly(journal_of(recorded)) as journal:
        assert (found[0]["differences"], found[0]["events"]) == (0, journal.head.last_seq)
        assert any(command for _, _, step in journal.export() for command in step.commands
                   if isinstance(command, SubmitOrder)), "a run without orders proves little"
    assert found[0]["sessions"] == 2


def test_people_read_how_many_differences_there_are(recorded: Path) -> None:
    """The number is the answer."""
    done = bot("replay", journal_of(recorded), "--config", recorded / "eager.toml")
    assert (done.returncode, done.stdout.strip()) == (0, "0 differences")


def test_an_order_that_was_never_decided_is_found(recorded: Path, tmp_path: Path) -> None:
    """Whoever rewrites a record with a sound chain still cannot make the engine say it."""
    forged = tmp_path / "forged.db"
    number = rewritten(journal_of(recorded), forged, change_order=3)
    done = bot("replay", forged, "--config", recorded / "eager.toml", "--json")
    report = document(done)
    assert (done.returncode, report["differences"], report["first_difference"]["number"]) == (1, 1, number)


def test_a_record_with_a_flipped_bit_is_not_replayed(recorded: Path, tmp_path: Path) -> None:
    """The chain says which row."""
    copy = Path(shutil.copyfile(journal_of(recorded), tmp_path / "journal.db"))
    data = bytearray(copy.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    copy.write_bytes(bytes(data))
    done = bot("replay", copy, "--config", recorded / "eager.toml")
    assert done.returncode == 1
    assert "journal" in complaint(done)


def diff(data: Path, begin: str, end: str, *words: str, hash_seed: str) -> dict[str, object]:
    done = bot("replay", "--diff", "--data", data, "--from", begin, "--to", end, *words, "--json",
               env={"PYTHONHASHSEED": hash_seed}, timeout_s=240)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[:2000]
    found: dict[str, object] = document(done)
    return found


def test_daemon_and_backtest_make_one_run(tmp_path: Path) -> None:
    """Orders, fills, ledger and every step: 0 differences, and the same run under another hash seed."""
    data = made_history(tmp_path / "data")
    words = ("--venues", "binance", "--symbols", "BTC")
    first, second = (diff(data, "2024-02-10", "2024-02-20", *words, hash_seed=seed) for seed in HASH_SEEDS)
    assert first == second
    assert (first["differences"], first["replay_differences"]) == (0, 0)
    assert first["backtest_hash"] == first["daemon_hash"]
    assert first["orders"]
    assert first["fills"]


@pytest.mark.skipif(not DATA.is_dir(), reason="no recorded data beside the checkout")
def test_daemon_and_backtest_make_one_run_of_real_history() -> None:
    """Days of March 2024, two coins, in two processes with different hash seeds."""
    words = ("--venues", "binance", "--symbols", "BTC,ETH")
    first, second = (diff(DATA, "2024-03-01", "2024-03-04", *words, hash_seed=seed) for seed in HASH_SEEDS)
    assert first == second
    assert (first["differences"], first["replay_differences"]) == (0, 0)
    assert first["orders"]
