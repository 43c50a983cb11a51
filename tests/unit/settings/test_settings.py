"""Configuration: what loads, what is refused and how it says so."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bot.cli.toml_text import toml_text, unit_of
from bot.domain.errors import ConfigRefused
from bot.settings import Settings, config_hash, home_folder, load, read, schema, sections
from bot.venues.simulated.market.params import CoinParams
from tests.unit.house.source_tree import REPO
from tests.unit.settings.presets import CHANGES, HEADERS, preset, preset_text

REWRITE = "run `.venv/bin/python -m tests.unit.settings.presets`"


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "my config.toml"
    path.write_text(text, "utf-8")
    return path


def _refusal(tmp_path: Path, text: str) -> str:
    path = _file(tmp_path, text)
    with pytest.raises(ConfigRefused) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_without_a_file_the_built_in_settings_hold() -> None:
    """Nothing has to be configured."""
    assert load(None, {}) == Settings()


@pytest.mark.parametrize("name", list(HEADERS))
def test_a_shipped_file_loads_as_meant(name: str) -> None:
    """A file in config/ is good and differs from the defaults in its stated keys only."""
    assert read(REPO / "config" / f"{name}.toml") == preset(name), REWRITE


@pytest.mark.parametrize("name", list(HEADERS))
def test_a_shipped_file_is_complete_and_commented(name: str) -> None:
    """Every setting stands in the file with its meaning and unit, none that is gone."""
    path = REPO / "config" / f"{name}.toml"
    assert path.read_text("utf-8") == preset_text(name), REWRITE
    tree: Any = tomllib.loads(path.read_text("utf-8"))
    assert _leaves(tree) == {f"{table}.{key}" for table, keys in sections(Settings()).items() for key in keys}


def test_a_printed_file_reads_back_as_the_same_settings(tmp_path: Path) -> None:
    """`config show --toml` loses nothing: lists of records, empty lists, quotes, infinities."""
    coin = CoinParams(coin='A"B', price_usd=1e-7, beta=1.0, residual_vol_1h_pct=0.0)
    embedded = msgspec.structs.replace(Settings().embedded, coins=(coin, coin))
    changed = msgspec.structs.replace(preset("research"), embedded=embedded)
    assert read(_file(tmp_path, toml_text(changed, "two\nlines"))) == changed


@pytest.mark.parametrize(("key", "unit"), [
    ("horizon_h", "hours"), ("cap_exit_bps_8h", "basis points"), ("data_age_s_max", "seconds"), ("share", ""),
    ("coin_share_max", "fraction"), ("transfer_venues_fee_usd", "USD"), ("pairs_max", ""),
])
def test_a_unit_is_read_from_the_name(key: str, unit: str) -> None:
    """Names end in units; bounds and spans may follow."""
    assert unit_of(key) == unit


def _leaves(tree: dict[str, Any], path: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in tree.items():
        here = f"{path}.{key}".lstrip(".")
        found |= _leaves(value, here) if isinstance(value, dict) else {here}
    return found


def test_the_presets_name_real_settings() -> None:
    """A preset's change is a change."""
    for name, changes in CHANGES.items():
        assert (preset(name) != Settings()) == bool(changes)


def test_money_may_be_written_as_text_or_number(tmp_path: Path) -> None:
    """Both spellings of an amount give the same exact Decimal."""
    for spelling in ('"2500.10"', "2500.10"):
        assert read(_file(tmp_path, f"[account]\ncapital_usd = {spelling}")).account.capital_usd == Decimal("2500.10")


def test_an_unknown_key_is_refused_with_what_is_allowed(tmp_path: Path) -> None:
    """A typo names its place and the keys that exist there."""
    message = _refusal(tmp_path, "[engine.risk]\ndrawdown_stop = 3\n")
    assert message.startswith("unknown key engine.risk.drawdown_stop; allowed there: ")
    assert "drawdown_stop_pct" in message


def test_an_unknown_table_is_refused(tmp_path: Path) -> None:
    """A whole misplaced table is refused too."""
    assert _refusal(tmp_path, "[risk]\nx = 1\n").startswith("unknown key risk; allowed there: account, engine")


@pytest.mark.parametrize(("text", "expected"), [
    ("[runtime]\nspeed = 'fast'", "runtime.speed: Expected float, got str"),
    ("[engine]\nrebalance_every_s = 3600.5", "engine.rebalance_every_s: Expected int, got float"),
    ("[account]\ncapital_usd = 'much'", "account.capital_usd: Invalid decimal string"),
    ("[account]\nkind = 'live'", "account.kind: Invalid enum value 'live'"),
    ("[account]\ncapital_usd = -1", "account: capital_usd = -1: must be above 0"),
    ("[account]\nname = '../x'", "account: name = '../x'"),
    ("[account]\nvenues = ['Binance']", "account: venues are lower case"),
    ("[account]\ncoins = ['BTC', 'BTC']", "account: coins = ['BTC', 'BTC']"),
    ("[account]\ncoins = ['BTC/USDT']", "account: coins = ['BTC/USDT']"),
    ("[engine.risk]\ngross_leverage_max = 11.0", "engine.risk: gross_leverage_max must be above 0 and at most 10"),
    ("[engine.carry]\npairs_max = 0", "carry.pairs_max = 0: must lie between 1 and 50"),
    ("[runtime]\nspeed = nan", "runtime.speed = nan"),
    ("[[embedded.coins]]\ncoin = 'BTC'\nspeed = 1", "embedded.coins[0]: Object contains unknown field speed"),
    ("[engine\n", "not TOML: "),
    ("a = 1\na = 2\n", "not TOML: "),
])
def test_a_bad_value_is_one_line_with_its_key(tmp_path: Path, text: str, expected: str) -> None:
    """Wrong types, impossible values, values above a cap in code and broken syntax name key and reason."""
    assert _refusal(tmp_path, text).startswith(expected)


def test_a_missing_or_binary_file_is_one_line(tmp_path: Path) -> None:
    """So does a file that cannot be read at all."""
    with pytest.raises(ConfigRefused, match=r"nowhere\.toml: cannot be read \(No such file"):
        read(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigRefused, match="cannot be read"):
        read(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigRefused, match="not TOML"):
        read(tmp_path / "binary.toml")


def test_an_unknown_variable_is_refused() -> None:
    """A misspelt EVENKEEL_ variable does not silently do nothing; those of others do not concern us."""
    with pytest.raises(ConfigRefused, match="unknown variable EVENKEEL_HOEM; known are EVENKEEL_HOME"):
        load(None, {"EVENKEEL_HOEM": "/x", "PATH": "/bin"})
    assert load(None, {"EVENKEEL_HOME": "/x", "EVENKEEL_DEBUG": "1", "PATH": "/bin"}) == Settings()


def test_home_is_option_then_variable_then_var() -> None:
    """The nearer word wins; an empty variable is none."""
    environ = {"EVENKEEL_HOME": "/srv/keel"}
    assert home_folder(Path("here"), environ) == Path("here")
    assert home_folder(None, environ) == Path("/srv/keel")
    assert home_folder(None, {"EVENKEEL_HOME": ""}) == Path("var")


def test_the_hash_knows_values_not_spelling(tmp_path: Path) -> None:
    """Order, comments and written-out defaults do not change it; any value does."""
    spelt = read(_file(tmp_path, "[runtime]\nspeed = 600.0 # as built in\n[engine]\nseed = 1\n"))
    assert config_hash(spelt) == config_hash(Settings())
    changed = read(_file(tmp_path, "[engine.carry]\npairs_max = 5\n"))
    assert config_hash(changed) != config_hash(Settings())
    endless = read(_file(tmp_path, "[runtime]\nspeed = inf\n"))
    assert config_hash(endless) != config_hash(Settings())


def test_the_schema_describes_the_same_tree() -> None:
    """`config schema` is JSON schema of exactly these tables."""
    document = msgspec.json.decode(msgspec.json.encode(schema()))
    assert set(document["$defs"]["Settings"]["properties"]) == set(Settings.__struct_fields__)
    assert document["$defs"]["RiskLimits"]["additionalProperties"] is False


def test_all_settings_are_frozen_and_strict() -> None:
    """Each table is a frozen struct that forbids unknown fields, however deep."""
    pending: list[msgspec.Struct] = [Settings()]
    while pending:
        struct = pending.pop()
        assert struct.__struct_config__.frozen
        assert struct.__struct_config__.forbid_unknown_fields
        values = (getattr(struct, name) for name in struct.__struct_fields__)
        pending += [value for value in values if isinstance(value, msgspec.Struct)]


def test_isolated_margin_is_refused_because_the_keeper_would_be_blind(tmp_path: Path) -> None:
    """The exchange can do it; the margin keeper guards cross pools only."""
    path = tmp_path / "mine.toml"
    path.write_text('[simulated]\nmargin_mode = "isolated"\n')
    with pytest.raises(ConfigRefused, match=r"margin_mode = isolated: .* use cross"):
        read(path)
