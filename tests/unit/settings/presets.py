"""What the files in `config/` hold: the defaults, and the few settings in which each differs from them.

`python -m tests.unit.settings.presets` writes them anew after a parameter has changed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bot.cli.toml_text import toml_text
from bot.settings import Settings
from tests.unit.house.source_tree import REPO

HEADERS = {
    "demo": """The demo: an embedded market, made-up money, 600 times as fast as life. These are the built-in defaults.

    ./evenkeel run                                  the same as with this file
    ./evenkeel run --config config/demo.toml --for 30d

Every key may be left out; an unknown one is refused. Units stand in brackets. Amounts of money are strings, so that no
binary fraction touches them. `./evenkeel config check FILE` says whether a file is good.""",
    "paper": """Paper: the same engine and the same simulated exchange at the pace of life, in an account of its own.

    ./evenkeel run --config config/paper.toml

Prices come from the embedded market until live streams are there. Differs from the defaults in account.kind,
account.name and runtime.speed.""",
    "research": """Research: backtests, replays and simulations as fast as the machine goes.

    ./evenkeel backtest --config config/research.toml --data DIR --from 2021-01-01 --to 2025-06-30

Differs from the defaults in account.name, account.venues, account.coins and runtime.speed. The command line's --venues,
--symbols and --capital come before this file.""",
}
CHANGES: dict[str, dict[str, Any]] = {
    "demo": {},
    "paper": {"account.kind": "paper", "account.name": "paper", "runtime.speed": 1.0},
    "research": {
        "account.name": "research", "account.venues": ("binance",), "account.coins": ("BTC", "ETH"),
        "runtime.speed": float("inf"),
    },
}


def preset(name: str) -> Settings:
    """The defaults with this preset's changes."""
    settings: Any = Settings()
    for path, value in CHANGES[name].items():
        section, key = path.split(".")
        inner = msgspec.structs.replace(getattr(settings, section), **{key: value})
        settings = msgspec.structs.replace(settings, **{section: inner})
    assert isinstance(settings, Settings)
    return settings


def preset_text(name: str) -> str:
    """The whole file."""
    return toml_text(preset(name), HEADERS[name])


if __name__ == "__main__":
    for name in HEADERS:
        (REPO / "config" / f"{name}.toml").write_text(preset_text(name), "utf-8")
