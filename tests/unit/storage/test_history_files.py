"""What a data folder may look like, and the one line that refuses it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from bot.domain.errors import DataRefused
from bot.storage.history import HistoryFolder
from bot.storage.history_files import bar_name, bar_seconds, manifest_hash
from tests.history_folders import bars, funding, hours, marks, ns, perp_folder, write

BTC = "BTC/USDT:USDT"
N = 24
EVER = (0, ns("2030-01-01"))


def _read(folder: Path) -> None:
    with HistoryFolder(folder) as history:
        for one in history.series("ohlcv"):
            history.bars(one.venue, one.symbol, one.bar_s, *EVER)
        for one in history.series("funding"):
            history.funding(one.venue, one.symbol, *EVER)
        for one in history.series("mark"):
            history.marks(one.venue, one.symbol, one.bar_s, *EVER)


def _bars(folder: Path, **changed: list[float | None]) -> None:
    bars(folder / "ohlcv_1h_x.parquet", "binance", BTC, hours("2024-01-01", N), [100.0] * N, **changed)


def _with(value: float | None, place: int = 5, base: float = 100.0) -> list[float | None]:
    return [value if at == place else base for at in range(N)]


def _stamped(folder: Path, change: Callable[[list[int]], list[int]]) -> None:
    times = change(hours("2024-01-01", N))
    bars(folder / "ohlcv_1h_x.parquet", "binance", BTC, times, [100.0] * len(times))


BAD_BARS: dict[str, tuple[Callable[[Path], None], str]] = {
    "nan price": (lambda d: _bars(d, close=_with(math.nan)), r"row 6 \(2024-01-01T05:00:00Z\): close is nan"),
    "negative price": (lambda d: _bars(d, low=_with(-1.0, base=99.0)), r"row 6 .*low is -1.0"),
    "zero price": (lambda d: _bars(d, open=_with(0.0)), r"row 6 .*open is 0.0"),
    "infinite price": (lambda d: _bars(d, high=_with(math.inf, base=101.0)), r"row 6 .*high is inf"),
    "high below low": (lambda d: _bars(d, high=_with(98.0, base=101.0)), r"row 6 .*high is below low"),
    "close outside": (lambda d: _bars(d, close=_with(105.0)), r"row 6 .*open or close lies outside"),
    "negative volume": (lambda d: _bars(d, volume=_with(-1.0)), r"row 6 .*volume is negative"),
    "duplicate": (lambda d: _stamped(d, lambda t: [*t[:6], t[5], *t[6:]]), r"row 7 .*the same ts twice; remove"),
    "disorder": (lambda d: _stamped(d, lambda t: [*t[:5], t[6], t[5], *t[7:]]), r"row 7 .*ts goes back; sort"),
    "off the grid": (lambda d: _stamped(d, lambda t: [*t[:5], t[5] + 60 * 10**9, *t[6:]]), r"row 6 .*off the bar grid"),
    "too thin": (lambda d: _stamped(d, lambda t: [*t[:5], *t[6:]]), r"23 of 24 rows .* at least 99 %"),
}


@pytest.mark.parametrize("case", BAD_BARS)
def test_bad_bars_are_refused_in_one_line_that_names_file_series_and_row(tmp_path: Path, case: str) -> None:
    """Whatever is wrong with a bar, the message says where and what to do."""
    make, expected = BAD_BARS[case]
    make(tmp_path)
    with pytest.raises(DataRefused, match=expected) as refused:
        _read(tmp_path)
    text = str(refused.value)
    assert text.startswith("ohlcv_1h_x.parquet: ohlcv_1h binance:BTC/USDT:USDT: ")
    assert "\n" not in text
    assert ";" in text, "it ends with the cure"


def _fund(folder: Path, times: list[int] | None = None, rates: list[float | None] | None = None,
          spans: list[float | None] | None = None) -> None:
    stamps = hours("2024-01-01", 4, 8) if times is None else times
    funding(folder / "funding_x.parquet", "binance", BTC, stamps, rates or [0.0001] * len(stamps),
            spans or [8.0] * len(stamps))


BAD_FUNDING: dict[str, tuple[Callable[[Path], None], str]] = {
    "no interval": (lambda d: _fund(d, spans=[8.0, None, 8.0, 8.0]), "row 2 .*interval_hours is null; add"),
    "odd interval": (lambda d: _fund(d, spans=[8.0, 0.0, 8.0, 8.0]), "row 2 .*not a whole number from 1 to 24"),
    "per cent": (lambda d: _fund(d, rates=[0.01, 0.8, 0.01, 0.01]), "row 2 .*larger than 0.5"),
    "nan rate": (lambda d: _fund(d, rates=[0.01, math.nan, 0.01, 0.01]), "row 2 .*funding_rate is not a finite"),
    "off the hour": (lambda d: _fund(d, times=[ns("2024-01-01"), ns("2024-01-01T08:03")]), "row 2 .*than a minute"),
    "twice an hour": (lambda d: _fund(d, times=[ns("2024-01-01"), ns("2024-01-01") + 10**9]), "row 2 .*same ts twice"),
    "a hole": (lambda d: _fund(d, times=[ns("2024-01-01"), ns("2024-01-02")]), "2 of 4 rows"),
}


@pytest.mark.parametrize("case", BAD_FUNDING)
def test_bad_settlements_are_refused(tmp_path: Path, case: str) -> None:
    """A rate without hours, off the hour, or in per cent is never guessed at."""
    make, expected = BAD_FUNDING[case]
    make(tmp_path)
    with pytest.raises(DataRefused, match=expected):
        _read(tmp_path)


def test_a_missing_column_is_named_with_its_cure(tmp_path: Path) -> None:
    """Funding without `interval_hours` is refused before any row is read."""
    write(tmp_path / "funding_x.parquet", {"ts": ("TIMESTAMPTZ", [ns("2024-01-01")]), "venue": ("VARCHAR", ["binance"]),
                                          "symbol": ("VARCHAR", [BTC]), "funding_rate": ("DOUBLE", [0.1])})
    with pytest.raises(DataRefused, match=r"funding_x.parquet: column 'interval_hours' is missing; add the hours"):
        _read(tmp_path)


@pytest.mark.parametrize(("column", "kind", "values"), [
    ("ts", "TIMESTAMP", [ns("2024-01-01")]), ("venue", "INTEGER", [1]), ("rate", "VARCHAR", ["0.1"])])
def test_wrong_types_are_refused(tmp_path: Path, column: str, kind: str, values: list[object]) -> None:
    """A naive timestamp, a number for a name, a text for a number."""
    columns: dict[str, tuple[str, list[object]]] = {
        "ts": ("TIMESTAMPTZ", [ns("2024-01-01")]), "venue": ("VARCHAR", ["binance"]), "symbol": ("VARCHAR", [BTC]),
        "funding_rate": ("DOUBLE", [0.1]), "interval_hours": ("DOUBLE", [8.0])}
    columns["funding_rate" if column == "rate" else column] = (kind, values)
    write(tmp_path / "funding_x.parquet", columns)
    with pytest.raises(DataRefused, match=r"funding_x.parquet: column '\w+' is .*; store it as"):
        _read(tmp_path)


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    """Half a file is not read as half the data."""
    _bars(tmp_path)
    path = tmp_path / "ohlcv_1h_x.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataRefused, match=r"ohlcv_1h_x.parquet: cannot be read as Parquet .*; fetch or convert"):
        _read(tmp_path)


def test_a_file_that_is_no_parquet_is_refused_by_name(tmp_path: Path) -> None:
    """A CSV with the wrong ending."""
    (tmp_path / "funding_x.parquet").write_text("ts,venue\n1,2\n")
    with pytest.raises(DataRefused, match="funding_x.parquet: cannot be read as Parquet"):
        _read(tmp_path)


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    """No folder, and a folder without a file of ours."""
    with pytest.raises(DataRefused, match="no such folder"):
        _read(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataRefused, match=r"holds no ohlcv_\*"):
        _read(tmp_path)


def test_a_name_without_bar_length_is_refused(tmp_path: Path) -> None:
    """`ohlcv_binance.parquet` does not say how long its bars are."""
    bars(tmp_path / "ohlcv_binance.parquet", "binance", BTC, hours("2024-01-01", N), [100.0] * N)
    with pytest.raises(DataRefused, match="does not say the bar length"):
        _read(tmp_path)


def test_rows_without_names_are_refused(tmp_path: Path) -> None:
    """A null symbol belongs to no series."""
    write(tmp_path / "funding_x.parquet", {
        "ts": ("TIMESTAMPTZ", [ns("2024-01-01")]), "venue": ("VARCHAR", ["binance"]), "symbol": ("VARCHAR", [None]),
        "funding_rate": ("DOUBLE", [0.1]), "interval_hours": ("DOUBLE", [8.0])})
    with pytest.raises(DataRefused, match="without ts, venue or symbol"):
        _read(tmp_path)


def test_overlapping_files_of_one_series_are_refused(tmp_path: Path) -> None:
    """The same bars in two files would count twice."""
    for name in ("a", "b"):
        bars(tmp_path / f"ohlcv_1h_{name}.parquet", "binance", BTC, hours("2024-01-01", N), [100.0] * N)
    with pytest.raises(DataRefused, match=r"ohlcv_1h_b.parquet: .*overlaps ohlcv_1h_a.parquet"):
        _read(tmp_path)


def test_a_series_may_stand_in_one_file_per_month(tmp_path: Path) -> None:
    """Files that follow each other are one series, whatever their names."""
    bars(tmp_path / "ohlcv_1h_z.parquet", "binance", BTC, hours("2024-01-01", 24), [100.0] * 24)
    bars(tmp_path / "ohlcv_1h_a.parquet", "binance", BTC, hours("2024-01-02", 24), [200.0] * 24)
    with HistoryFolder(tmp_path) as history:
        read = history.bars("binance", BTC, 3_600, *EVER)
    assert read.coverage.rows == 48
    assert read.open[23:25].tolist() == [100.0, 200.0]


def test_nulls_are_gaps_not_errors(tmp_path: Path) -> None:
    """A row with a null is left out and counted; 1 of 200 is still enough."""
    closes: list[float | None] = [100.0] * 200
    closes[50] = None
    bars(tmp_path / "ohlcv_1h_x.parquet", "binance", BTC, hours("2024-01-01", 200), [100.0] * 200, close=closes)
    with HistoryFolder(tmp_path) as history:
        coverage = history.bars("binance", BTC, 3_600, *EVER).coverage
    assert (coverage.rows, coverage.expected, coverage.gaps) == (199, 200, 1)
    assert coverage.pct == pytest.approx(99.5)


def test_funding_jitter_is_taken_onto_the_hour(tmp_path: Path) -> None:
    """Venues stamp settlements some milliseconds late or early."""
    jittered = [at + shift * 10**6 for at, shift in zip(hours("2024-01-01", 3, 8), (3, -7, 59_000), strict=True)]
    funding(tmp_path / "funding_x.parquet", "binance", BTC, jittered, [0.1] * 3, [8.0] * 3)
    with HistoryFolder(tmp_path) as history:
        read = history.funding("binance", BTC, *EVER)
    assert read.ts_ns.tolist() == hours("2024-01-01", 3, 8)


def test_a_change_of_interval_is_full_coverage(tmp_path: Path) -> None:
    """8 h, then 2 h: nothing is missing."""
    times = [*hours("2024-01-01", 3, 8), *hours("2024-01-01T18:00", 4, 2)]
    funding(tmp_path / "funding_x.parquet", "binance", BTC, times, [0.1] * 7, [8.0] * 3 + [2.0] * 4)
    with HistoryFolder(tmp_path) as history:
        coverage = history.funding("binance", BTC, *EVER).coverage
    assert (coverage.rows, coverage.expected, coverage.gaps) == (7, 7, 0)


def test_marks_need_no_index_column(tmp_path: Path) -> None:
    """Without one the index is unknown, not zero."""
    marks(tmp_path / "mark_1h_x.parquet", "binance", BTC, hours("2024-01-01", N), [100.0] * N)
    with HistoryFolder(tmp_path) as history:
        read = history.marks("binance", BTC, 3_600, *EVER)
    assert all(math.isnan(value) for value in read.index.tolist())


def test_the_data_hash_follows_the_bytes_of_the_files_used(tmp_path: Path) -> None:
    """The same files give the same hash; another byte, or another file, another one."""
    perp_folder(tmp_path)
    paths = sorted(tmp_path.glob("*.parquet"))
    before = manifest_hash(paths)
    assert before == manifest_hash(reversed(paths))
    paths[0].write_bytes(paths[0].read_bytes() + b"x")
    assert manifest_hash(paths) != before
    with pytest.raises(DataRefused, match="cannot be read"):
        manifest_hash([tmp_path / "gone.parquet"])


def test_only_files_that_were_read_count_for_the_hash(tmp_path: Path) -> None:
    """A series nobody asked for does not change the identity of the run."""
    perp_folder(tmp_path)
    with HistoryFolder(tmp_path) as history:
        history.funding("binance", BTC, *EVER)
        assert history.data_hash() == manifest_hash([tmp_path / "funding_binance.parquet"])


def test_bar_lengths_are_spelt_one_way() -> None:
    """Seconds and spelling are each other's inverse."""
    for text in ("5m", "1h", "4h", "1d", "30s"):
        assert bar_name(bar_seconds(text)) == text
    with pytest.raises(ValueError, match="write it as 5m"):
        bar_seconds("hourly")


def test_the_converters_of_the_format_page_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SQL a user copies from DATA_FORMAT.md makes files that are read without complaint."""
    page = Path(__file__).resolve().parents[3] / "bot" / "storage" / "DATA_FORMAT.md"
    statements = re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    candles = [f"{at // 10**6},100,101,99,100.5,12" for at in hours("2024-01-01", 24)]
    Path("btc_1h.csv").write_text("timestamp,open,high,low,close,volume\n" + "\n".join(candles), encoding="utf-8")
    rates = [f"{at // 10**6},0.0001" for at in hours("2024-01-01", 4, 8)]
    Path("btc_funding.csv").write_text("timestamp,fundingRate\n" + "\n".join(rates), encoding="utf-8")
    for statement in statements:
        duckdb.connect(":memory:").execute(statement)
    with HistoryFolder(tmp_path) as history:
        assert history.bars("binance", BTC, 3_600, *EVER).coverage.rows == 24
        assert history.funding("binance", BTC, *EVER).interval_h.tolist() == [8, 8, 8, 8]
