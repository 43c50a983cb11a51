"""Between the exchange and its file: knows which history rows are on disk already."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.events import CashMoved, Fill, ForcedFill, FundingPaid, TransferEnded
from bot.domain.values import Venue
from bot.venues.simulated.account import LogEntry, VenueAccount
from bot.venues.simulated.books_file import BooksFile
from bot.venues.simulated.saved import ENCODE, HistoryRow, SavedExchange


class Bookkeeper:
    """Writes the present and the history that is new since the last commit."""

    def __init__(self, books: BooksFile) -> None:
        self._books = books
        self._orders_written: dict[Venue, int] = {}
        self._log_written: dict[Venue, int] = {}

    def commit(self, saved: SavedExchange, accounts: list[VenueAccount]) -> None:
        """One transaction; what is counted as written is so only after it."""
        rows = [row for account in accounts for row in self._new_rows(account)]
        self._books.write(ENCODE.encode(saved), rows)
        self.count_written(accounts)

    def count_written(self, accounts: list[VenueAccount]) -> None:
        """All history of these accounts is on disk."""
        for account in accounts:
            self._orders_written[account.venue] = len(account.closed)
            self._log_written[account.venue] = len(account.log)

    def _new_rows(self, account: VenueAccount) -> Iterator[HistoryRow]:
        first = self._orders_written.get(account.venue, 0)
        for place, order in enumerate(account.closed[first:], first):
            yield HistoryRow("orders", account.venue, place, order.order_id, ENCODE.encode(order))
        first = self._log_written.get(account.venue, 0)
        for place, entry in enumerate(account.log[first:], first):
            table, name = _filed(entry)
            yield HistoryRow(table, account.venue, place, name, ENCODE.encode(entry))


def _filed(entry: LogEntry) -> tuple[str, str]:
    """(table, name) of a log entry."""
    match entry:
        case Fill() | ForcedFill():
            return "trades", entry.trade_id
        case FundingPaid():
            return "funding", entry.instrument
        case CashMoved():
            return "cash", entry.reference
        case TransferEnded():
            return "cash", entry.transfer_id
