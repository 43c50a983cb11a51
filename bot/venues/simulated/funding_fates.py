"""What may go wrong with a funding payment at its venue: late, at another rate than was published, never made (F40)."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.events import FundingPaid, FundingRate
from bot.domain.values import Nanos, Venue
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.faults import Faults
from bot.venues.simulated.pending import ARRIVAL_RANK, LatePayment, Pending

_STEP = Decimal("0.00000001")


class FundingFates:
    """Draws each payment's fate and keeps late ones until they are due."""

    def __init__(self, faults: Faults, pending: Pending) -> None:
        self._faults = faults
        self._pending = pending

    def rate(self, venue: Venue, at_ns: Nanos, rate: FundingRate) -> Decimal | None:
        """The rate that is really paid; None: nothing is."""
        if self._faults.hits(FaultKind.FUNDING_MISSING, venue, "funding", at_ns):
            return None
        drawn = self._faults.draw(FaultKind.FUNDING_RESTATED, venue, "funding", at_ns)
        if drawn is None:
            return rate.rate
        share = self._faults.size_max(FaultKind.FUNDING_RESTATED) * (2 * drawn - 1)
        return (rate.rate * Decimal(str(round(1 + share, 6)))).quantize(_STEP)

    def later(self, venue: Venue, at_ns: Nanos, paid: FundingPaid) -> bool:
        """Whether this payment is booked later; it is kept until then."""
        late_ns = self._faults.span_ns(FaultKind.FUNDING_LATE, venue, "funding", at_ns)
        if late_ns:
            self._pending.push(Nanos(at_ns + late_ns), ARRIVAL_RANK, venue, LatePayment(paid))
        return bool(late_ns)
