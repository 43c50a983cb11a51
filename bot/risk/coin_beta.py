"""One coin's beta to the market from the panel's daily closes, a perpetual's with its funding."""

from __future__ import annotations

from typing import Final

from bot.domain.values import InstrumentId
from bot.market.panel import Panel
from bot.quant.beta import Beta, Prior, ewma_beta, shrunk
from bot.quant.no_answer import NoAnswer

DAYS: Final = 250
"""Eight half-lives of the estimator's weights."""
_PLACES: Final = 6
"""Last bits of a sum tell machines apart; nothing is decided by them."""


def coin_beta(panel: Panel, instrument: InstrumentId, market: InstrumentId) -> Beta:
    """Age-weighted and shrunk to what is usual; the prior itself, its spread as error, where days are too few.

    Returns of a perpetual are those of its long side, funding paid (quant-reference section 10). The market's own beta
    is 1 and known.
    """
    if instrument == market:
        return Beta(1.0, 0.0, 0, "market")
    rows = panel.joint_rows((instrument, market), DAYS)
    earned = rows.returns - rows.funding
    raw = ewma_beta(earned[:, 0], earned[:, 1])
    if isinstance(raw, NoAnswer):
        prior = Prior()
        return Beta(prior.mean, prior.sd, 0, "prior")
    found = shrunk(raw, Prior())
    return Beta(round(found.value, _PLACES), round(found.se, _PLACES), found.rows, found.method)
