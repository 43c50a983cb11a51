"""`report risk`: the models judged on a history of coins, from files or the embedded market."""

from __future__ import annotations

from bot.app.worlds import DEMO_START_NS
from bot.domain.errors import ConfigRefused
from bot.domain.instrument import Instrument
from bot.options import RiskReportOptions
from bot.research.risk_history import CoinHistory, from_demo, from_folder
from bot.research.risk_report import RiskReport, build_risk_report
from bot.settings import Settings, config_hash
from bot.storage.history import HistoryFolder
from bot.venues.instrument_table import load_table
from bot.venues.simulated.market.path import PathModel

DEMO_DAYS = 730
_COINS = ("BTC", "ETH")


def run_risk_report(settings: Settings, options: RiskReportOptions) -> RiskReport:
    """Read or make the history, walk it, and put the report together.

    Raises:
        DataRefused: the data lack a coin, or are too short.
        ConfigRefused: more than one venue is named.
    """
    scope = options.scope
    coins = scope.symbols or _COINS
    if len(scope.venues) > 1:
        raise ConfigRefused(f"--venues {','.join(scope.venues)}: a risk report looks at one venue; name one")
    advance = options.screen.advance if options.screen is not None else _silent
    if scope.data is None:
        if scope.venues:
            raise ConfigRefused("--venues goes with --data; without it the report looks at the embedded market")
        advance(0.0, f"{DEMO_DAYS} days of the embedded market")
        histories = from_demo(settings.embedded, settings.embedded.seed, coins, DEMO_DAYS, DEMO_START_NS)
        legs = _demo_legs(settings, histories)
        source = f"embedded market, {DEMO_DAYS} days, seed {settings.embedded.seed}"
        data_hash = config_hash(settings)[:16]
    else:
        venue = scope.venues[0] if scope.venues else "binance"
        with HistoryFolder(scope.data) as folder:
            histories = from_folder(folder, venue, coins, scope.from_ns, scope.to_ns)
            source, data_hash = f"recorded history, {venue}", folder.data_hash()[:16]
        legs = _listed_legs(histories)
    return build_risk_report(histories, legs, source=source, data_hash=data_hash, advance=advance)


def _silent(done: float, text: str) -> None:
    """No screen is watching."""


def _listed_legs(histories: tuple[CoinHistory, ...]) -> dict[str, tuple[Instrument, Instrument]]:
    """Spot and perpetual of each coin by the shipped table; coins without both are not stressed."""
    table, found = load_table(), {}
    for coin in histories:
        at_ns = int(coin.closed_ns[-1])
        for quote in ("USDT", "USDC"):
            symbols = (f"{coin.coin}/{quote}", f"{coin.coin}/{quote}:{quote}")
            if all(table.lists(coin.venue, symbol) for symbol in symbols):
                found[coin.coin] = (table.instrument(coin.venue, symbols[0], at_ns),
                                    table.instrument(coin.venue, symbols[1], at_ns))
                break
    return found


def _demo_legs(settings: Settings, histories: tuple[CoinHistory, ...]) -> dict[str, tuple[Instrument, Instrument]]:
    rows = [row.instrument for row in PathModel(settings.embedded, settings.embedded.seed).rows]
    found: dict[str, tuple[Instrument, Instrument]] = {}
    for coin in histories:
        own = {rules.is_perp: rules for rules in rows if (rules.coin, rules.venue) == (coin.coin, coin.venue)}
        if len(own) == 2:
            found[coin.coin] = (own[False], own[True])
    return found
