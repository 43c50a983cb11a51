"""The dated table of instruments that ships with the bot: which rules held at which venue from when.

Four short lists (fees, sizes, margin tiers, funding rules) are put together for one symbol and one instant. The file
says where each figure comes from. A venue or coin that is not in it is refused; with a price given, a coin gets a
generic row, which says so in its `source`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from bot.domain.errors import ConfigRefused, DataRefused
from bot.domain.instrument import FundingRule, Instrument, Kind, MarginTier, instrument_id, kind_of_symbol
from bot.domain.values import NS_PER_S, Coin, Nanos, Venue

ASSUMED: Final = "assumed"
"""An instrument whose `source` begins so has a tick and a lot that were derived from its price."""
_TABLE: Final = Path(__file__).with_name("instrument_table.toml")
_ALL: Final = "*"
_GENERIC_NOTIONAL_MIN: Final = Decimal(10)
_GENERIC_DIGITS: Final = 4


class FeeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fees of a venue and kind from a day on."""

    venue: str
    kind: Kind
    valid_from: date
    maker: Decimal
    taker: Decimal
    fee_in_base: bool
    source: str


class SizeRow(msgspec.Struct, frozen=True, array_like=True):
    """One coin's price and quantity steps."""

    coin: str
    tick: Decimal
    lot: Decimal
    lots_min: int


class SizesRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Steps of several coins of a venue and kind from a day on."""

    venue: str
    kind: Kind
    quote: str
    valid_from: date
    notional_min: Decimal
    source: str
    rows: tuple[SizeRow, ...]
    symbols: dict[str, str] = {}


class MarginRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Margin tiers of some coins of a venue from a day on."""

    venue: str
    coins: tuple[str, ...]
    valid_from: date
    source: str
    tiers: tuple[MarginTier, ...]


class FundingRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The funding rule of some coins of a venue from a day on."""

    venue: str
    coins: tuple[str, ...]
    valid_from: date
    interval_h: int
    interest_8h: Decimal
    clamp_8h: Decimal
    cap: Decimal
    source: str
    cap_before_division: bool = False
    time_weighted: bool = True
    paid_on_index: bool = False


_Dated = TypeVar("_Dated", FeeRow, SizesRow, MarginRow, FundingRow)
_OfCoins = TypeVar("_OfCoins", MarginRow, FundingRow)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fees: tuple[FeeRow, ...]
    sizes: tuple[SizesRow, ...]
    margin: tuple[MarginRow, ...]
    funding: tuple[FundingRow, ...]


class InstrumentTable:
    """The rules of every listed instrument at every instant."""

    def __init__(self, rows: _File) -> None:
        self._rows = rows
        self._coins: dict[tuple[str, Kind, str], str] = {
            (group.venue, group.kind, base): coin for group in rows.sizes for coin, base in group.symbols.items()
        }

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues that have rules, by name."""
        return tuple(sorted({row.venue for row in self._rows.fees} - {_ALL}))

    def coin(self, venue: str, symbol: str) -> Coin:
        """The coin a symbol's base stands for: BTC for Hyperliquid's `UBTC/USDC`, else the base itself.

        Raises:
            ConfigRefused: a symbol that is not traded here (inverse, quanto, dated).
        """
        base = symbol.partition("/")[0]
        return Coin(self._coins.get((venue, kind_of_symbol(symbol), base), base))

    def instrument(self, venue: str, symbol: str, at_ns: int, price: float | None = None) -> Instrument:
        """The instrument as its venue ruled it at `at_ns`.

        With `price`, a coin that is not listed gets a tick of about five digits of it and a lot worth at most 1 USD; a
        venue without rows takes those of venue `*`. The instrument's `source` then begins with `ASSUMED`.

        Raises:
            DataRefused: no rules for the venue, or for the coin and no price to assume them from.
        """
        kind, coin = kind_of_symbol(symbol), self.coin(venue, symbol)
        day = datetime.fromtimestamp(at_ns // NS_PER_S, tz=UTC).date()
        ruler = venue if venue in self.venues or price is None else _ALL
        fee = _latest([row for row in self._rows.fees if row.venue == ruler and row.kind is kind], day)
        if fee is None:
            raise DataRefused(f"{venue}: no {kind.value} rules in bot/venues/instrument_table.toml (it has"
                              f" {', '.join(self.venues)}); add fees, sizes, margin and funding rows for it")
        size, notional_min, source = self._size(venue, symbol, kind, coin, day, price)
        perp = kind is Kind.PERP
        margins = _for_coin([row for row in self._rows.margin if row.venue == ruler and perp], coin)
        rules = _for_coin([row for row in self._rows.funding if row.venue == ruler and perp], coin)
        margin, funding = _latest(margins, day), _latest(rules, day)
        return Instrument(
            id=instrument_id(venue, symbol), venue=Venue(venue), symbol=symbol, coin=coin,
            quote=symbol.partition("/")[2].partition(":")[0], kind=kind, tick_size=size.tick, lot_size=size.lot,
            lots_min=size.lots_min, notional_min_usd=notional_min, maker_fee=fee.maker, taker_fee=fee.taker,
            fee_in_base=fee.fee_in_base, tiers=margin.tiers if margin else (),
            funding=_rule(funding) if funding else None, source=f"{source}; fees: {fee.source}",
        )

    def changes(self, symbols: Sequence[tuple[str, str]], from_ns: int,
                to_ns: int) -> tuple[tuple[Nanos, Instrument], ...]:
        """Instruments of (venue, symbol) whose rules change in (from_ns, to_ns], oldest first, with their new rules.

        Symbols without listed sizes are left to the caller, who knows the price their rules were assumed from.
        """
        found: list[tuple[Nanos, Instrument]] = []
        for at_ns in self.dates(from_ns, to_ns):
            for venue, symbol in symbols:
                if not self.lists(venue, symbol):
                    continue
                before, after = self.instrument(venue, symbol, at_ns - 1), self.instrument(venue, symbol, at_ns)
                if before != after:
                    found.append((at_ns, after))
        return tuple(found)

    def dates(self, from_ns: int, to_ns: int) -> tuple[Nanos, ...]:
        """The instants in (from_ns, to_ns] at which any rule begins."""
        days = [*(row.valid_from for row in self._rows.fees), *(row.valid_from for row in self._rows.sizes),
                *(row.valid_from for row in self._rows.margin), *(row.valid_from for row in self._rows.funding)]
        starts = {_start_ns(day) for day in days}
        return tuple(Nanos(one) for one in sorted(starts) if from_ns < one <= to_ns)

    def lists(self, venue: str, symbol: str) -> bool:
        """Whether the table has sizes of its own for the symbol."""
        kind, coin, quote = kind_of_symbol(symbol), self.coin(venue, symbol), _quote(symbol)
        return any(row.coin == coin for group in self._rows.sizes
                   if (group.venue, group.kind, group.quote) == (venue, kind, quote) for row in group.rows)

    def _size(self, venue: str, symbol: str, kind: Kind, coin: str, day: date,
              price: float | None) -> tuple[SizeRow, Decimal, str]:
        groups = [group for group in self._rows.sizes
                  if (group.venue, group.kind, group.quote) == (venue, kind, _quote(symbol))
                  and any(row.coin == coin for row in group.rows)]
        group = _latest(groups, day)
        if group is not None:
            return next(row for row in group.rows if row.coin == coin), group.notional_min, group.source
        if price is None:
            raise DataRefused(f"{venue}:{symbol}: no tick and lot in bot/venues/instrument_table.toml; add the coin to"
                              f" the {venue} {kind.value} sizes or leave it out")
        power = Decimal(repr(price)).adjusted()
        tick, lot = _power_of_ten(power - _GENERIC_DIGITS), _power_of_ten(-power - 1)
        size = SizeRow(coin=coin, tick=tick, lot=lot, lots_min=1)
        return size, _GENERIC_NOTIONAL_MIN, f"{ASSUMED} from a price of {price:g}"


def load_table(path: Path | None = None, extra: Path | None = None) -> InstrumentTable:
    """The table shipped with the bot, or one of the same form; rows of `extra`, if that file exists, come on top.

    Raises:
        ConfigRefused: the file is missing or malformed; names the file and the place.
    """
    source = _TABLE if path is None else path
    tree = _toml(source)
    if extra is not None and extra.exists():
        source = extra
        more = _toml(extra)
        unknown = sorted(set(more) - set(tree))
        if unknown:
            raise ConfigRefused(f"{extra.name}: unknown table {unknown[0]}; allowed: {', '.join(tree)}")
        tree = {key: [*rows, *more.get(key, ())] for key, rows in tree.items()}
    try:
        return InstrumentTable(msgspec.convert(tree, _File, strict=True))
    except msgspec.ValidationError as error:
        raise ConfigRefused(f"{source.name}: {error}; see the head of bot/venues/instrument_table.toml") from error


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        what = f"{path.name}: cannot be read as TOML ({error}); correct it or use the shipped table"
        raise ConfigRefused(what) from error


def _power_of_ten(power: int) -> Decimal:
    return Decimal(f"{Decimal(1).scaleb(power):f}")


def _start_ns(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * NS_PER_S


def _quote(symbol: str) -> str:
    return symbol.partition("/")[2].partition(":")[0]


def _latest(rows: Sequence[_Dated], day: date) -> _Dated | None:
    """The newest row valid on that day; before the first one, the first."""
    valid = [row for row in rows if row.valid_from <= day]
    if valid:
        return max(valid, key=lambda row: row.valid_from)
    return min(rows, key=lambda row: row.valid_from, default=None)


def _for_coin(rows: Sequence[_OfCoins], coin: str) -> list[_OfCoins]:
    """The rows that name the coin, else those for all others."""
    return [row for row in rows if coin in row.coins] or [row for row in rows if _ALL in row.coins]


def _rule(row: FundingRow) -> FundingRule:
    return FundingRule(interval_h=row.interval_h, interest_8h=row.interest_8h, clamp_8h=row.clamp_8h, cap=row.cap,
                       cap_before_division=row.cap_before_division, time_weighted=row.time_weighted,
                       paid_on_index=row.paid_on_index)
