"""Configuration: a TOML file and the environment become one frozen tree that nests each layer's own parameters.

Defaults and bounds stand in each layer's struct alone. An unknown key, a value of the wrong type or out of bounds, and
an unknown EVENKEEL_ variable are refused in one line that names the file, the key and what is allowed (exit 78).
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec

from bot.domain.errors import ConfigRefused
from bot.engine.params import EngineParams
from bot.runtime.params import RuntimeParams
from bot.storage.params import StorageParams
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.params import MarginMode, SimulatedParams

HOME_DEFAULT = Path("var")
VARIABLES = {
    "EVENKEEL_HOME": "the folder where state lives",
    "EVENKEEL_DEBUG": "show tracebacks of mistakes of ours",
    "EVENKEEL_PYTHON": "the interpreter the launcher installs with",
    "EVENKEEL_CRASH_AT": "rehearsals in demo: NAME:N[+US] kills the process at the N-th point of that name",
}
_CAPITAL_USD_MAX = Decimal(1_000_000_000)


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which account is traded, with what, where."""

    name: str = "main"
    """Its folder under home; `run --account` overrides it."""
    kind: Literal["demo", "paper"] = "demo"
    """demo: made-up money, faster than life. paper: made-up money at the pace of life. A state folder each."""
    capital_usd: Decimal = Decimal(100_000)
    """Cash a fresh account begins with, all venues together."""
    venues: tuple[str, ...] = ()
    """Venues traded, lower case. Empty: every venue the feed has."""
    coins: tuple[str, ...] = ()
    """Base coins traded, upper case. Empty: every coin the feed has."""
    alert_command: tuple[str, ...] = ()
    """Program and arguments started for each alert, the alert as JSON on its stdin. Empty: none."""

    def __post_init__(self) -> None:
        """Refuse what could not name a folder, buy a lot, or be found in a feed."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", self.name):
            raise ValueError(f"name = {self.name!r}: use letters, digits, '.', '_' and '-', at most 64")
        if not (self.capital_usd.is_finite() and 0 < self.capital_usd <= _CAPITAL_USD_MAX):
            raise ValueError(f"capital_usd = {self.capital_usd}: must be above 0 and at most {_CAPITAL_USD_MAX}")
        if self.capital_usd != round(self.capital_usd, 2):
            raise ValueError(f"capital_usd = {self.capital_usd}: must be whole cents")
        for key, words in (("venues", self.venues), ("coins", self.coins)):
            if len(set(words)) != len(words) or not all(re.fullmatch(r"[A-Za-z0-9_-]+", word) for word in words):
                raise ValueError(f"{key} = {list(words)}: names without spaces or slashes, none twice")
        if any(word != word.lower() for word in self.venues) or any(word != word.upper() for word in self.coins):
            raise ValueError('venues are lower case ("binance"), coins upper case ("BTC")')


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration; without a file every default holds (the demo)."""

    account: AccountSettings = AccountSettings()
    engine: EngineParams = EngineParams()
    simulated: SimulatedParams = SimulatedParams()
    embedded: EmbeddedParams = EmbeddedParams()
    runtime: RuntimeParams = RuntimeParams()
    storage: StorageParams = StorageParams()

    def __post_init__(self) -> None:
        """Refuse what one layer allows and another cannot guard."""
        if self.simulated.margin_mode is MarginMode.ISOLATED:
            raise ConfigRefused("simulated.margin_mode = isolated: the margin keeper guards cross pools; use cross")


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of a TOML file, or the built-in ones.

    Raises:
        ConfigRefused: unreadable, not TOML, an unknown key or variable, a value of the wrong type or out of bounds.
    """
    check_environment(environ)
    return Settings() if path is None else read(path)


def read(path: Path) -> Settings:
    """The settings of a TOML file.

    Raises:
        ConfigRefused: as `load`.
    """
    try:
        tree = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ConfigRefused(f"{path}: cannot be read ({error.strerror}); examples are in config/") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigRefused(f"{path}: not TOML: {error}") from error
    for key, allowed in _unknown_keys(tree, Settings, ""):
        raise ConfigRefused(f"{path}: unknown key {key}; allowed there: {', '.join(allowed)}")
    try:
        return msgspec.convert(tree, Settings, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigRefused(f"{path}: {_located(str(error))}") from error
    except ConfigRefused as error:
        raise ConfigRefused(f"{path}: {error}") from error


def check_environment(environ: Mapping[str, str]) -> None:
    """Refuse EVENKEEL_ variables we do not know: a typo must not silently do nothing.

    Raises:
        ConfigRefused: names the variable and those that exist.
    """
    for name in sorted(environ):
        if name.startswith("EVENKEEL_") and name not in VARIABLES:
            raise ConfigRefused(f"environment: unknown variable {name}; known are {', '.join(VARIABLES)}")


def home_folder(option: Path | None, environ: Mapping[str, str]) -> Path:
    """Where state lives: the option, else EVENKEEL_HOME, else `var` in the current folder."""
    return option or Path(environ.get("EVENKEEL_HOME") or HOME_DEFAULT)


def config_hash(settings: msgspec.Struct) -> str:
    """sha256 of the canonical encoding: every setting in effect, keys sorted, whoever wrote it and in which order."""
    tree = msgspec.to_builtins(settings, order="sorted")
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def schema() -> dict[str, Any]:
    """The JSON schema of a configuration file."""
    return msgspec.json.schema(Settings)


def sections(settings: Settings) -> dict[str, dict[str, Any]]:
    """Every setting in effect by its TOML table: `engine.carry` -> key -> value."""
    return dict(_sections(settings, ""))


def _sections(struct: msgspec.Struct, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Plain values of this table first, then the tables below it, as TOML wants them."""
    values = {name: getattr(struct, name) for name in struct.__struct_fields__}
    flat = {name: value for name, value in values.items() if not isinstance(value, msgspec.Struct)}
    if flat:
        yield path, msgspec.to_builtins(flat)
    for name, value in values.items():
        if isinstance(value, msgspec.Struct):
            yield from _sections(value, f"{path}.{name}".lstrip("."))


def _unknown_keys(tree: Mapping[str, Any], kind: type[msgspec.Struct], path: str) -> Iterator[tuple[str, list[str]]]:
    """Keys of nested tables that no struct has, with those it does have."""
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in tree.items():
        here = f"{path}.{key}".lstrip(".")
        if key not in fields:
            yield here, list(fields)
        elif isinstance(value, Mapping) and isinstance(fields[key], type) and issubclass(fields[key], msgspec.Struct):
            yield from _unknown_keys(value, fields[key], here)


def _located(text: str) -> str:
    """msgspec's message with the key first, as a person would look for it in the file."""
    what, at, where = text.rpartition(" - at `$")
    if not at:
        return text
    key = where.rstrip("`").lstrip(".")
    return f"{key}: {what.replace('`', '')}" if key else what
