"""The venue's report against our books: to the last digit, and absence only where it proves something."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.events import AccountReport, CashMoved, Fill, PositionRow
from bot.domain.values import NS_PER_S, Coin, Nanos, OrderId, Side, Venue, Wallet
from bot.execution.order_ids import client_order_id
from bot.execution.order_states import Order, OrderState
from bot.execution.reconcile import compare_books, compare_open_orders
from bot.portfolio.ledger import Ledger
from tests.unit.execution.scenes import PAIR_ID, PERP, SPOT, T0, after, intent

ALPHA = Venue("alpha")
OURS = client_order_id("main", 1, 1)
RULES = {SPOT.id: SPOT, PERP.id: PERP}


def report(*, spot: str = "0", futures: str = "0", coins: tuple[tuple[Coin, Decimal], ...] = (),
           positions: tuple[PositionRow, ...] = (), open_orders: tuple[OrderId, ...] = (),
           taken_ns: Nanos = T0) -> AccountReport:
    return AccountReport(
        taken_ns, ALPHA, "r", taken_ns, Decimal(spot), Decimal(futures), coins, positions, open_orders, (), (), (), (),
        0)


def books() -> Ledger:
    """1,000 USD of cash, a coin bought for 100 with a fee of 0.001 coin, one perp sold at 100."""
    ledger = Ledger()
    ledger.apply_cash(CashMoved(T0, ALPHA, Wallet.SPOT, Decimal(1000), "d1"))
    ledger.apply_fill(Fill(T0, ALPHA, SPOT.id, "1", OrderId("o"), Side.BUY, 1000, 1000, Decimal("0.001"), True, False),
                      PAIR_ID, SPOT, None)
    ledger.apply_fill(Fill(T0, ALPHA, PERP.id, "2", OrderId("o"), Side.SELL, 1000, 1000, Decimal("0.05"), False, False),
                      PAIR_ID, PERP, None)
    return ledger


AGREED = {
    "spot": "900", "futures": "-0.05", "coins": ((Coin("BTC"), Decimal("0.999")),),
    "positions": (PositionRow(PERP.id, Decimal(-1), Decimal(-100)),),
}


def test_equal_books_have_no_difference_however_written() -> None:
    """900 and 900.00 are one number."""
    assert compare_books(report(**AGREED), books(), RULES) == ()  # type: ignore[arg-type]
    assert compare_books(report(**AGREED | {"spot": "900.00"}), books(), RULES) == ()  # type: ignore[arg-type]


def test_each_kind_of_difference_is_named_with_both_figures() -> None:
    """Cash, coins and positions, to the last digit."""
    found = compare_books(report(spot="900.00000001", futures="0", coins=((Coin("ETH"), Decimal(1)),)), books(), RULES)
    assert [(d.what, d.venue_says, f"{Decimal(d.we_say).normalize():f}") for d in found] == [
        ("spot_usd", "900.00000001", "900"), ("futures_usd", "0", "-0.05"), ("coin BTC", "0", "0.999"),
        ("coin ETH", "1", "0"), ("position alpha:BTC/USDT:USDT", "0", "-1"),
    ]


def live(state: OrderState, name: OrderId = OURS) -> dict[OrderId, Order]:
    return {name: Order(intent=intent(name=name), sent_ns=T0, state=state)}


def test_a_finished_or_unknown_order_of_ours_that_is_open_is_forgotten() -> None:
    """F22: it carries our prefix, so it is cancelled; a live one is left alone."""
    seen = report(open_orders=(OURS,))
    assert compare_open_orders(seen, {}, (), 0).forgotten == (OURS,)
    assert compare_open_orders(seen, live(OrderState.CANCELLED), (), 0).forgotten == (OURS,)
    assert compare_open_orders(seen, live(OrderState.OPEN), (OURS,), 0).forgotten == ()


def test_an_order_that_is_not_ours_is_foreign_and_nothing_else() -> None:
    """F41: named, never cancelled."""
    found = compare_open_orders(report(open_orders=(OrderId("x-1"),)), {}, (), 0)
    assert (found.foreign, found.forgotten) == ((OrderId("x-1"),), ())


def test_an_acknowledged_order_that_is_not_listed_is_asked_after() -> None:
    """Not before the grace is over, and only where it was acknowledged: the others have their own clocks."""
    grace = 2 * NS_PER_S
    late, early = report(taken_ns=after(2.1)), report(taken_ns=after(2))
    assert compare_open_orders(late, live(OrderState.OPEN), (OURS,), grace).missing == (OURS,)
    assert compare_open_orders(early, live(OrderState.OPEN), (OURS,), grace).missing == ()
    assert compare_open_orders(late, live(OrderState.SENT), (OURS,), grace).missing == ()
