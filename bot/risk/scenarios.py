"""The stress scenarios as data: what prices, basis, funding and venues do, step by step.

Moves of BTC and ETH in the histories run from the open to the mark's low of the day; those of SOL, XRP and DOGE and the
shapes of the paths are measured on hourly marks (2020 to mid-2025); 2025-10-10 is taken from public reports. A coin not
named moves by `other`. Source: quant-reference section 14.
"""

from __future__ import annotations

from typing import Final

import msgspec

MAJORS: Final = ("BTC", "ETH")
"""Their funding is capped near 0.3 % per 8 h; that of all others at 2 %."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One story; what is not said does not happen."""

    name: str
    text: str
    history: bool = False
    """It has happened; liquidation in it is a breach by itself unless the scenario is accepted by name."""
    step_h: float = 1.0
    path: tuple[float, ...] = (1.0,)
    """Share of each coin's log move that is reached at the end of each step."""
    moves: dict[str, float] = {}
    other: float = 0.0
    """Simple moves of price by coin, and of every coin not named."""
    sigmas: float = 0.0
    """Added to the log move, in daily standard deviations of the coin."""
    correlation: float | None = None
    """All coins move so that this book loses most among equally likely moves of `sigmas` under this correlation."""
    basis: tuple[float, ...] = ()
    """Perp over spot at the end of each step, beyond what it was at the start."""
    funding: tuple[float, ...] = ()
    funding_other: tuple[float, ...] = ()
    """Sum of the settlements of each step, for majors and for others. What a leg would receive is not counted."""
    funding_coins: dict[str, tuple[float, ...]] = {}
    """The same for coins by name, in place of both."""
    adl_step: int = -1
    adl_share: float = 1.0
    """Profitable perps closed against us at the end of that step, at mark."""
    recall_penalty: float = 0.0
    """Above 0: all borrowed coins are recalled at the end of the first step, bought back at this loss."""
    each_venue: bool = False
    """The scenario is told once per venue, of that venue."""
    down_steps: tuple[int, ...] = ()
    lost_step: int = -1
    quote_value: float = 1.0
    """Below 1: told once per stablecoin, worth so much in the end; coins priced in it rise by as much."""
    spread_x: float = 3.0
    unwind: bool = False
    """Everything is closed at the end, at that spread."""
    reaction_s: float = 120.0
    """From the end of a step to the trades decided there."""


_FALL: Final = (0.15, 0.40, 0.50, 0.45, 0.75, 0.85, 1.0)
"""Hours of 2020-03-12 and 2021-05-19 on the mark: half the fall, a pause, then its worst hour."""
_RISE: Final = (0.10, 0.20, 0.30, 0.36, 0.46, 0.56, 0.65, 0.72, 0.80, 0.88, 0.94, 1.0)
"""Half-hours: the largest rises of a day on the mark, pressed into six hours."""

SCENARIOS: Final = (
    Scenario(name="2020-03-12", text="Covid crash: BTC -44 %, ETH -48 % within a day", history=True, path=_FALL,
             moves={"BTC": -0.44, "ETH": -0.48, "XRP": -0.42}, other=-0.50, spread_x=10.0,
             basis=(0.0, -0.01, -0.01, 0.0, -0.02, -0.02)),
    Scenario(name="2021-05-19", text="deleveraging: BTC -31 %, ETH -48 % within a day", history=True, path=_FALL,
             moves={"BTC": -0.31, "ETH": -0.48, "SOL": -0.44, "XRP": -0.40, "DOGE": -0.45}, other=-0.50, spread_x=5.0),
    Scenario(name="2022-11-08", text="FTX: BTC -25 %, ETH -31 %, SOL -65 % in two days", history=True, step_h=6.0,
             path=(0.30, 0.55, 0.60, 0.50, 0.75, 0.88, 1.0),
             moves={"BTC": -0.25, "ETH": -0.31, "SOL": -0.65, "XRP": -0.29, "DOGE": -0.35}, other=-0.45, spread_x=5.0),
    Scenario(name="2022-11_sol_funding", text="SOL shorts pay 33 % of notional in twelve days", history=True,
             step_h=48.0, path=(0.0,) * 6, funding_coins={"SOL": (-0.055,) * 6}),
    Scenario(name="2025-10-10", text="BTC -16 %, ETH -22 %, alts -70 % within an hour; shorts closed by ADL on the way",
             history=True, step_h=0.25, path=(0.25, 0.60, 1.0, 0.60), moves={"BTC": -0.16, "ETH": -0.22}, other=-0.70,
             adl_step=1, adl_share=0.5, spread_x=10.0),
    Scenario(name="melt_up", text="the largest rises of a day by mark: BTC +35 %, ETH +39 %, alts +80 %, DOGE tenfold",
             history=True, path=_RISE, step_h=0.5, other=0.80,
             moves={"BTC": 0.35, "ETH": 0.39, "SOL": 0.80, "XRP": 0.76, "DOGE": 9.0}),
    Scenario(name="up_and_back", text="everything +35 % in half a day and back", step_h=2.0,
             path=(0.2, 0.5, 0.8, 1.0, 0.6, 0.2, 0.0), other=0.35),
    Scenario(name="basis_down", text="perps 300 bp below spot for 24 h", step_h=24.0, path=(0.0, 0.0),
             basis=(-0.03, 0.0)),
    Scenario(name="basis_up", text="perps 300 bp above spot for 24 h", step_h=24.0, path=(0.0, 0.0), basis=(0.03, 0.0)),
    Scenario(name="funding_floor", text="funding at the floor for 3 days: 9 x -0.30 %, others 17 x -2 %",
             path=(0.0,) * 6, funding=(-0.0045,) * 6, funding_other=(-0.34 / 6,) * 6),
    Scenario(name="funding_cap", text="funding at the cap for 3 days: longs pay 9 x 0.30 %, others 17 x 2 %",
             step_h=12.0, path=(0.0,) * 6, funding=(0.0045,) * 6, funding_other=(0.34 / 6,) * 6),
    Scenario(name="borrow_recall", text="all borrowed coins recalled, bought back 5 % too dear, prices +10 %",
             path=(1.0, 1.0), other=0.10, recall_penalty=0.05),
    Scenario(name="stablecoin", text="a stablecoin at 0.88: collateral and what shorts have sold is worth 12 % less",
             path=(0.5, 1.0), quote_value=0.88),
    Scenario(name="venue_down", text="a venue down for 6 h while everything falls 20 %", step_h=2.0, each_venue=True,
             path=(0.4, 0.8, 1.0, 1.0), other=-0.20, down_steps=(0, 1, 2)),
    Scenario(name="venue_down_up", text="a venue down for 6 h while everything rises 20 %", step_h=2.0, each_venue=True,
             path=(0.4, 0.8, 1.0, 1.0), other=0.20, down_steps=(0, 1, 2)),
    Scenario(name="venue_lost", text="a venue is gone with all it holds; the legs elsewhere stand naked",
             each_venue=True, path=(0.5, 1.0), other=-0.10, lost_step=0),
    Scenario(name="adl", text="shorts closed by ADL at -20 %, then on to -45 %", path=(0.373, 0.7, 1.0), other=-0.45,
             adl_step=0, spread_x=10.0),
    Scenario(name="spreads_x10", text="the whole book closed at ten times the spread", path=(0.0,), spread_x=10.0,
             unwind=True),
    Scenario(name="correlation_95", text="correlations of 0.95 and the worst move of 3 standard deviations",
             sigmas=3.0, correlation=0.95, step_h=24.0),
    Scenario(name="volatility_x3_down", text="three times the volatility: a fall of 9 standard deviations of a day",
             path=_RISE, sigmas=-9.0),
    Scenario(name="volatility_x3_up", text="three times the volatility: a rise of 9 standard deviations of a day",
             path=_RISE, sigmas=9.0),
    Scenario(name="latency_60s", text="every answer 60 s late, half of each short closed by ADL, the fall goes on",
             path=(0.5, 1.0), step_h=0.25, other=-0.15, adl_step=0, adl_share=0.5, reaction_s=180.0, spread_x=5.0),
)
