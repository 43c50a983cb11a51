"""Starts and clean ends of an account's daemon, kept in one small file: how often it crashed of late (F61)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bot.domain.errors import Retryable
from bot.domain.values import NS_PER_S
from bot.storage.durable_file import write_durably

KEPT_MAX: Final = 50


class Start(msgspec.Struct):
    """One start by the wall clock; `ended_ns` None: it runs, or it did not end by itself."""

    started_ns: int
    pid: int
    ended_ns: int | None = None


class StartRecord:
    """Reads and writes the file; the account's lock makes us its only writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts: list[Start] = []

    def crashes(self, now_ns: int, window_s: float) -> int:
        """Starts within the window that never ended by themselves.

        Raises:
            Retryable: the file is there and cannot be read; nothing is known then.
        """
        if self._path.exists():
            try:
                self._starts = msgspec.json.decode(self._path.read_bytes(), type=list[Start])
            except (OSError, msgspec.DecodeError) as error:
                raise Retryable(f"{self._path}: cannot be read ({error}); delete it once you know why") from None
        since_ns = now_ns - int(window_s * NS_PER_S)
        return sum(1 for start in self._starts if start.ended_ns is None and start.started_ns > since_ns)

    def begin(self, now_ns: int, pid: int) -> None:
        """This start; it counts as a crash until `end` is written.

        Raises:
            Retryable: the file could not be written.
        """
        self._starts = [*self._starts[-KEPT_MAX + 1:], Start(now_ns, pid)]
        self._write()

    def end(self, now_ns: int) -> None:
        """It ended by itself, well or badly, but in order.

        Raises:
            Retryable: the file could not be written.
        """
        if self._starts:
            self._starts[-1].ended_ns = now_ns
            self._write()

    def _write(self) -> None:
        try:
            write_durably(self._path, msgspec.json.encode(self._starts))
        except OSError as error:
            raise Retryable(f"{self._path}: cannot be written ({error})") from None
