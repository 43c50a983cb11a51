"""A run with makers on: pairs open with makers' fills, are hedged in time, and cost less where a maker pays less."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from tests.daemon_process import bot, document


def test_pairs_open_with_makers_fills_and_every_dollar_is_attributed(tmp_path: Path) -> None:
    """Four days: perps against perps cost fewer bp of fees than all-taker (the spot markets charge both alike)."""
    bps: dict[bool, Decimal] = {}
    for makers in (True, False):
        config = tmp_path / f"{makers}.toml"
        config.write_text(f"[engine.execution]\nmakers = {str(makers).lower()}\n", "utf-8")
        home = tmp_path / f"home-{makers}"
        done = bot("run", "--home", home, "--config", config, "--for", "4d", "--account", "main", "--json")
        assert done.returncode == 0, done.stderr[-2000:]
        told = document(done)
        assert Decimal(told["attribution_usd"]["residual"]) == 0
        assert len(told["pairs"]) >= 3
        assert told["unhedged"]["seconds_max"] <= 10.0
        booked = [json.loads(line) for line in done.stderr.splitlines() if '"fill_booked"' in line]
        assert any(fill["maker"] == "True" for fill in booked) is makers
        with_spot = {fill["owner"] for fill in booked if fill["instrument"].count(":") == 1}
        perps = [fill for fill in booked if fill["owner"] not in with_spot]
        worth = sum(Decimal(fill["quantity_base"]) * Decimal(fill["price"]) for fill in perps)
        bps[makers] = sum((Decimal(fill["fee"]) for fill in perps), Decimal(0)) / worth * 10_000
    assert bps[True] < bps[False] - Decimal("0.3"), bps
