"""Which settlements have been booked, remembered for ever in little space."""

from __future__ import annotations

import msgspec


class SettlementRuns(msgspec.Struct):
    """A set of instants kept as arithmetic runs: a year of hourly payments is one row, not 8,760."""

    runs: list[tuple[int, int, int]] = msgspec.field(default_factory=list)
    """(first_ns, last_ns, step_ns); step 0 for a single instant."""
    newest_ns: int = -1

    def contains(self, instant_ns: int) -> bool:
        """Whether the instant has been added; instants newer than all others answer without a search."""
        if instant_ns > self.newest_ns:
            return False
        for first, last, step in reversed(self.runs):
            if first <= instant_ns <= last and (step == 0 or (instant_ns - first) % step == 0):
                return True
        return False

    def add(self, instant_ns: int) -> None:
        """Add an instant that is not contained yet."""
        if self.runs:
            first, last, step = self.runs[-1]
            if instant_ns > last and (step == 0 or instant_ns == last + step):
                self.runs[-1] = (first, instant_ns, instant_ns - last)
            else:
                self.runs.append((instant_ns, instant_ns, 0))
        else:
            self.runs.append((instant_ns, instant_ns, 0))
        self.newest_ns = max(self.newest_ns, instant_ns)
