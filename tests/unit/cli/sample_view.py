"""Pictures of an engine to look at: busy, idle, halted; run this file to see the live view on them.

`python tests/unit/cli/sample_view.py busy` from the root of the repository, with the root on `PYTHONPATH`.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import msgspec

from bot.domain.values import NS_PER_S, Nanos
from bot.engine.view import (
    AlertView,
    AttributionView,
    EngineView,
    LegView,
    LimitView,
    OrderView,
    PairView,
    PositionView,
    VenueView,
)

NOW_NS = 1_709_294_405 * NS_PER_S
"""2024-03-01 12:00:05 UTC."""
NO_PROFIT = AttributionView(price="0", basis="0", funding="0", fees="0", slippage="0", borrow="0", total="0")


def nanos(offset_s: float) -> Nanos:
    """So many seconds from now."""
    return Nanos(NOW_NS + int(offset_s * NS_PER_S))


def leg(instrument: str, quantity: str, value: str, price: str, distance: float | None) -> LegView:
    """One leg."""
    return LegView(instrument=instrument, quantity_base=quantity, value_usd=value, price=price,
                   liquidation_distance_pct=distance)


def pair(coin: str, state: str, long_leg: LegView, short_leg: LegView, **changes: Any) -> PairView:
    """One pair, steady unless told otherwise."""
    steady = PairView(
        pair_id=f"pair-{coin.lower()}-1", coin=coin, state=state, long_leg=long_leg, short_leg=short_leg,
        notional_usd="24900.12", target_notional_usd="25000", delta_usd="3.20", unhedged_s=0.0,
        opened_ns=nanos(-75 * 3_600), funding_usd="41.21", fees_usd="-12.45", net_usd="26.02",
        forecast_annual_pct=11.2, next_funding_ns=nanos(845), basis_bps=-4.1, reason="carry above hold threshold")
    return msgspec.structs.replace(steady, **changes)


def busy(after_s: float = 0.0) -> EngineView:
    """Three pairs, one of them being rebalanced, one venue stale, an alert nobody has seen."""
    pairs = (
        pair("BTC", "hedged", leg("binance:BTC/USDT", "0.41", "24901.02", "60734.20", None),
             leg("bybit:BTC/USDT:USDT", "-0.41", "-24897.82", "60726.40", 38.2)),
        pair("SOL", "rebalancing", leg("okx:SOL/USDT:USDT", "120", "17400.00", "145.00", 22.0),
             leg("hyperliquid:SOL/USDC:USDC", "-118", "-17110.00", "145.00", 21.4), notional_usd="17400",
             target_notional_usd="17400", delta_usd="290", unhedged_s=2.4, funding_usd="12.70", net_usd="-3.11",
             forecast_annual_pct=9.8, next_funding_ns=nanos(845), basis_bps=11.0),
        pair("ETH", "opening", leg("binance:ETH/USDT", "0", "0", "3400.10", None),
             leg("binance:ETH/USDT:USDT", "0", "0", "3399.80", None), notional_usd="0", target_notional_usd="20000",
             delta_usd="0", funding_usd="0", fees_usd="0", net_usd="0", opened_ns=None, next_funding_ns=nanos(14_400),
             basis_bps=None),
    )
    return EngineView(
        at_ns=nanos(after_s), kind="demo", account="default", epoch=3, mode="RUN", mode_reasons=(),
        equity_usd="101842.10371", start_equity_usd="100000", net_pct=1.84, day_usd="63.2", drawdown_pct=0.42,
        attribution=AttributionView(price="1.20", basis="-88.41", funding="2310.22", fees="-310.15",
                                    slippage="-70.76", borrow="0", total="1842.10"),
        unhedged_usd="290.00", unhedged_s=2.4, gross_usd="84309.0", pairs=pairs, closed_pairs=14, venues=venues(),
        positions=positions(), orders_open=orders(), orders_unknown=1, limits=limits(),
        alerts=(AlertView(at_ns=nanos(-1_265), name="pair_unhedged_late", text="SOL unhedged for 31 s (bound 30 s)",
                          page=True),),
        next_funding_ns=nanos(845), idle_reasons=(), last_decision_ns=nanos(-125),
        last_notes=(f"{nanos(-3_485)} pair_opened coin=BTC notional_usd=24900.12 forecast_usd=41.2000",
                    f"{nanos(-1_205)} margin_reduce coin=SOL", f"{nanos(-85)} parent_started coin=SOL slices=8",
                    f"{nanos(-3)} funding_booked instrument=bybit:BTC/USDT:USDT amount_usd=3.10"),
    )


def venues() -> tuple[VenueView, ...]:
    """Two well, one stale and not reconciled."""
    fine = VenueView(venue="binance", data_age_s=0.4, connected=True, reconciled_ns=nanos(-12), blocked=(),
                     spot_usd="40120.11", futures_usd="10300", equity_usd="50420.11", margin_used_pct=18.0,
                     open_orders=2, positions=3)
    return (fine, msgspec.structs.replace(fine, venue="bybit", equity_usd="31421.99", margin_used_pct=21.5),
            msgspec.structs.replace(fine, venue="hyperliquid", data_age_s=41.0, reconciled_ns=nanos(-605),
                                    blocked=("data_stale",), equity_usd="20000", margin_used_pct=44.0))


def positions() -> tuple[PositionView, ...]:
    """Two legs of one pair."""
    long_leg = PositionView(
        instrument="binance:BTC/USDT", owner="pair-btc-1", quantity_base="0.41", average_price="60100.10",
        price="60734.20", value_usd="24901.02", unrealised_usd="259.98", realised_usd="0", funding_usd="0",
        fees_usd="-7.21")
    return (long_leg, msgspec.structs.replace(
        long_leg, instrument="bybit:BTC/USDT:USDT", quantity_base="-0.41", value_usd="-24897.82",
        unrealised_usd="-256.78", funding_usd="41.21", fees_usd="-5.24"))


def orders() -> tuple[OrderView, ...]:
    """One resting order, one whose outcome is not known."""
    resting = OrderView(order_id="e4e1" + "0" * 24 + "00a1", at_ns=nanos(-3), instrument="hyperliquid:SOL/USDC:USDC",
                        owner="pair-sol-1", side="sell", quantity_base="2", filled_base="0.5", limit_price="144.93",
                        state="open", purpose="hedge")
    return (resting, msgspec.structs.replace(resting, order_id="e4e1" + "0" * 24 + "00a2", state="unknown"))


def limits() -> tuple[LimitView, ...]:
    """Nearest first only after sorting."""
    return (LimitView(limit="margin_distance_bybit", value=1.1, allowed=0.6, unit="of entry"),
            LimitView(limit="gross_leverage_max", value=2.1, allowed=3.0, unit="x"),
            LimitView(limit="unhedged_notional", value=0.28, allowed=1.0, unit="%"),
            LimitView(limit="venue_share", value=49.5, allowed=50.0, unit="%"),
            LimitView(limit="daily_loss_stop_pct", value=0.0, allowed=2.0, unit="%"))


def idle(after_s: float = 0.0) -> EngineView:
    """Nothing clears its costs."""
    return msgspec.structs.replace(
        busy(after_s), pairs=(), unhedged_usd="0", unhedged_s=0.0, gross_usd="0", positions=(), orders_open=(),
        orders_unknown=0, alerts=(), limits=(), venues=venues()[:2],
        idle_reasons=(("carry_below_costs", 18), ("basis_unknown", 2)), last_notes=())


def halted(after_s: float = 0.0) -> EngineView:
    """Killed by its operator."""
    return msgspec.structs.replace(busy(after_s), mode="HALTED", mode_reasons=("kill: operator, wallet drained",))


def fresh(after_s: float = 0.0) -> EngineView:
    """The first second of a run: nothing is known yet."""
    return msgspec.structs.replace(
        idle(after_s), equity_usd="100000", net_pct=0.0, day_usd="0", drawdown_pct=0.0, attribution=NO_PROFIT,
        closed_pairs=0, venues=(), idle_reasons=(), next_funding_ns=None, last_decision_ns=None)


def crowded(after_s: float = 0.0) -> EngineView:
    """More pairs than any terminal holds."""
    pairs = tuple(pair(f"C{n:02d}", "hedged", leg(f"binance:C{n:02d}/USDT", "1000", "10000", "10", None),
                       leg(f"bybit:C{n:02d}/USDT:USDT", "-1000", "-10000", "10", 40.0)) for n in range(20))
    return msgspec.structs.replace(busy(after_s), pairs=(*busy().pairs, *pairs))


def as_json(view: EngineView) -> dict[str, Any]:
    """The picture as the control socket hands it over: decoded JSON."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(view))
    return decoded


def show(name: str, seconds: float) -> None:
    """Run the live view on one picture for a while."""
    from bot.cli.live_view import LiveView

    make = {"busy": busy, "idle": idle, "halted": halted, "fresh": fresh, "crowded": crowded}[name]
    start = time.monotonic()
    with LiveView() as live:
        while time.monotonic() - start < seconds:
            live.update(as_json(make(time.monotonic() - start)))
            time.sleep(0.1)


if __name__ == "__main__":
    show(sys.argv[1] if len(sys.argv) > 1 else "busy", float(sys.argv[2]) if len(sys.argv) > 2 else 60.0)
