"""Answers to reads and cancels: the venue's own truth at the instant in which the request arrives."""

from __future__ import annotations

from bot.domain.commands import CancelOrder, QueryOrder, ReadAccount, SubmitOrder
from bot.domain.events import (
    AccountReport,
    CancelFailed,
    CashMoved,
    ErrorClass,
    Fill,
    ForcedFill,
    FundingPaid,
    OrderRejected,
    OrderReport,
    OrderStatus,
    PositionRow,
    ReadFailed,
    RejectReason,
    TransferEnded,
)
from bot.domain.values import MONEY, Nanos
from bot.venues.simulated.desk import Desk
from bot.venues.simulated.pending import Request

_TRADES = (Fill, ForcedFill)


def cancel(desk: Desk, at_ns: Nanos, command: CancelOrder) -> None:
    """Cancel what is open; anything else says why not."""
    order = desk.account.find(command.order_id)
    if order is None:
        desk.tell(CancelFailed(at_ns, desk.venue, command.order_id, "not found", ErrorClass.REFUSED), True)
    elif order.status is not OrderStatus.OPEN:
        why = f"already {order.status.value}"
        desk.tell(CancelFailed(at_ns, desk.venue, command.order_id, why, ErrorClass.REFUSED), True)
    else:
        desk.close(at_ns, order, OrderStatus.CANCELLED, answers=True)


def report_order(desk: Desk, at_ns: Nanos, command: QueryOrder, taken_ns: Nanos) -> None:
    """One order by client id, from the order list and from the fills: two sources."""
    account, picture = desk.account, desk.picture
    order = account.find(command.order_id) if picture is None else picture.find(account, command.order_id)
    if order is None:
        report = OrderReport(at_ns, desk.venue, command.order_id, False, 2, None, 0, taken_ns=taken_ns)
    else:
        report = OrderReport(at_ns, desk.venue, command.order_id, True, 2, order.status, order.filled_lots,
                             account.fills_of(order), taken_ns)
    desk.tell(report, True)


def report_account(desk: Desk, at_ns: Nanos, command: ReadAccount, taken_ns: Nanos) -> None:
    """Balances, positions, open orders, what was booked after the cursor. Isolated margin counts as futures cash."""
    account, picture = desk.account, desk.picture
    if picture is None:
        holdings, open_orders, length = account.holdings, account.open, len(account.log)
    else:
        holdings, open_orders, length = picture.holdings, picture.open, picture.log_length
    booked = account.log[max(command.cursor, 0):length]
    desk.tell(AccountReport(
        at_ns, desk.venue, command.request_id, taken_ns, holdings.spot_usd,
        MONEY.add(holdings.futures_usd, holdings.isolated_usd()), tuple(sorted(holdings.coins.items())),
        tuple(PositionRow(instrument, position.quantity, position.cost_usd)
              for instrument, position in sorted(holdings.positions.items())),
        tuple(open_orders),
        tuple([entry for entry in booked if isinstance(entry, _TRADES)]),
        tuple([entry for entry in booked if isinstance(entry, FundingPaid)]),
        tuple([entry for entry in booked if isinstance(entry, CashMoved)]),
        tuple([entry for entry in booked if isinstance(entry, TransferEnded)]),
        length, desk.board.account_mode), True)


def refuse_key(desk: Desk, at_ns: Nanos, request: Request) -> None:
    """The key is refused, whatever was asked; an order that was not taken is proven not to have been."""
    why = "invalid API key, address or permission for this action"
    match request:
        case SubmitOrder():
            order_id = request.order.intent.order_id
            desk.tell(OrderRejected(at_ns, desk.venue, order_id, RejectReason.AUTH, why), True)
        case CancelOrder():
            desk.tell(CancelFailed(at_ns, desk.venue, request.order_id, why, ErrorClass.AUTH), True)
        case QueryOrder():
            desk.tell(ReadFailed(at_ns, desk.venue, request.order_id, why, ErrorClass.AUTH), True)
        case ReadAccount():
            desk.tell(ReadFailed(at_ns, desk.venue, request.request_id, why, ErrorClass.AUTH), True)
        case _:
            pass  # a timer is not armed; a transfer does not leave (the venues' books show it)
