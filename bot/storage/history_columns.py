"""One or more number columns of a CSV or Parquet file of a person's own; what cannot be read is one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt

from bot.domain.errors import DataRefused
from bot.storage.history_files import sql_path

Vector = npt.NDArray[np.float64]

_READERS: Final = {".csv": "read_csv", ".parquet": "read_parquet"}


def columns_of(path: Path) -> dict[str, str]:
    """Every column and its type, in file order.

    Raises:
        DataRefused: no such file, another kind of file, or not readable as what its name says.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataRefused(f"{path}: give a .csv or .parquet file")
    if not path.is_file():
        raise DataRefused(f"{path}: no such file")
    with duckdb.connect(":memory:") as connection:
        try:
            rows = connection.execute(f"DESCRIBE SELECT * FROM {reader}({sql_path(path)})").fetchall()  # noqa: S608
        except duckdb.Error as error:
            raise DataRefused(f"{path}: cannot be read ({str(error).splitlines()[0][:160]})") from error
    return {str(row[0]): str(row[1]) for row in rows}


def read_columns(path: Path, names: tuple[str, ...]) -> tuple[Vector, ...]:
    """The columns of these names in file order, each of shape (n,).

    Raises:
        DataRefused: as `columns_of`; a column is missing, no number, empty, or has a row that is no finite number.
    """
    have = columns_of(path)
    for name in names:
        if name not in have:
            raise DataRefused(f"{path}: no column {name!r}; it has {', '.join(have) or 'none'}")
    reader = _READERS[path.suffix.lower()]
    wanted = ", ".join('CAST("' + name.replace('"', '""') + '" AS DOUBLE)' for name in names)
    with duckdb.connect(":memory:") as connection:
        try:
            query = f"SELECT {wanted} FROM {reader}({sql_path(path)})"  # noqa: S608 names were found in the file
            fetched = connection.execute(query).fetchnumpy()
        except duckdb.Error as error:
            raise DataRefused(f"{path}: {', '.join(names)}: {str(error).splitlines()[0][:160]}") from error
    return tuple(_finite(path, name, column) for name, column in zip(names, fetched.values(), strict=True))


def _finite(path: Path, name: str, column: npt.NDArray[np.float64]) -> Vector:
    values: Vector = np.asarray(np.ma.filled(column, np.nan), dtype=np.float64)
    if not len(values):
        raise DataRefused(f"{path}: column {name!r} is empty")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise DataRefused(f"{path}: column {name!r}, row {int(bad[0]) + 1}: no finite number ({len(bad)} such rows);"
                          " remove or mend them")
    return values
