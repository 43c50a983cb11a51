"""What the simulated market must look like: public statistics of real venues, and the bands we hold ourselves to.

Source: the development data set of hourly bars, settled funding rates and books of large public venues, 2020-01 to
2025-06 (its `calibration.json`). alpha is held to Binance, beta to Bybit, gamma to Hyperliquid. Bands are for a sample
of 400 days: wide where such a sample is itself noisy (a mean over a few regimes, a fourth moment), narrow where it is
not. Chosen differences are stated in `note`.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Reference(msgspec.Struct, frozen=True):
    """One figure of a real market and the band in which 400 simulated days must put it."""

    name: str
    value: float
    low: float
    high: float
    note: str = ""


_TAILS = "the five-year sample holds one day of -51 %; since 2022 daily excess kurtosis is 4"
_SOL = "level of the Hyperliquid sample: Binance's SOL holds the 2022-11 squeeze, which a scenario plants"
_XRP = "Bybit's figure for beta; Binance's is 1.60"
_BASIS = "one stationary process instead of the years' drift from rich 2021 to poor 2025"

REFERENCES: Final[tuple[Reference, ...]] = (
    Reference("vol_1h_pct/BTC", 0.692, 0.48, 1.00),
    Reference("vol_1h_pct/ETH", 0.884, 0.62, 1.25),
    Reference("vol_1h_pct/SOL", 1.359, 0.95, 1.90),
    Reference("vol_1h_pct/XRP", 1.147, 0.80, 1.65),
    Reference("vol_1d_pct/BTC", 3.405, 2.3, 5.0),
    Reference("vol_1d_pct/ETH", 4.491, 3.0, 6.4),
    Reference("vol_1d_pct/SOL", 6.420, 4.3, 9.2),
    Reference("vol_1d_pct/XRP", 5.547, 3.7, 8.0),
    Reference("kurtosis_1h/BTC", 55.7, 6.0, 150.0, _TAILS),
    Reference("kurtosis_1h/SOL", 29.2, 5.0, 120.0, _TAILS),
    Reference("kurtosis_1d/BTC", 27.6, 1.0, 60.0, _TAILS),
    Reference("abs_return_acf/1", 0.294, 0.17, 0.45),
    Reference("abs_return_acf/6", 0.191, 0.08, 0.32),
    Reference("abs_return_acf/24", 0.165, 0.06, 0.28),
    Reference("abs_return_acf/168", 0.131, 0.02, 0.25),
    Reference("return_ac1_1h/BTC", -0.018, -0.08, 0.08),
    Reference("hour_vol_spread", 1.65, 1.3, 2.3, "busiest hour over quietest, BTC"),
    Reference("beta_btc/ETH", 1.106, 0.95, 1.30),
    Reference("beta_btc/SOL", 1.449, 1.10, 1.75),
    Reference("beta_btc/XRP", 0.954, 0.70, 1.25),
    Reference("corr_1d/BTC-ETH", 0.84, 0.74, 0.92),
    Reference("corr_1d/BTC-SOL", 0.73, 0.60, 0.86),
    Reference("corr_1d/BTC-XRP", 0.60, 0.45, 0.76),
    Reference("corr_1d/ETH-SOL", 0.73, 0.55, 0.84),
    Reference("corr_1d/SOL-XRP", 0.58, 0.40, 0.74),

    Reference("funding_mean_bp_8h/alpha/BTC", 1.229, 0.5, 2.3),
    Reference("funding_mean_bp_8h/alpha/ETH", 1.484, 0.5, 2.6),
    Reference("funding_mean_bp_8h/alpha/SOL", 1.604, 0.4, 3.0, _SOL),
    Reference("funding_mean_bp_8h/alpha/XRP", 1.601, 0.4, 3.0),
    Reference("funding_mean_bp_8h/beta/BTC", 1.361, 0.5, 2.5),
    Reference("funding_mean_bp_8h/beta/XRP", 1.130, 0.4, 3.0, _XRP),
    Reference("funding_mean_bp_8h/gamma/BTC", 1.617, 0.7, 2.8),
    Reference("funding_mean_bp_8h/gamma/ETH", 1.622, 0.7, 2.8),
    Reference("funding_std_bp_8h/alpha/BTC", 2.270, 1.3, 3.4),
    Reference("funding_std_bp_8h/alpha/ETH", 2.959, 1.6, 4.2),
    Reference("funding_std_bp_8h/alpha/SOL", 3.461, 2.0, 5.2, _SOL),
    Reference("funding_std_bp_8h/alpha/XRP", 3.884, 2.0, 5.4),
    Reference("funding_std_bp_8h/gamma/BTC", 2.259, 1.3, 3.2),
    Reference("funding_median_bp_8h/alpha/BTC", 1.0, 0.6, 1.0),
    Reference("funding_ac1_8h/alpha/BTC", 0.795, 0.65, 0.92),
    Reference("funding_ac1_8h/gamma/BTC", 0.834, 0.72, 0.96),
    Reference("funding_ac_24h/alpha/BTC", 0.691, 0.45, 0.82),
    Reference("funding_ac_7d/alpha/BTC", 0.452, 0.10, 0.65),
    Reference("funding_pct_default/alpha/BTC", 38.4, 28.0, 50.0),
    Reference("funding_pct_default/alpha/XRP", 45.3, 30.0, 54.0),
    Reference("funding_pct_default/beta/BTC", 46.5, 34.0, 58.0),
    Reference("funding_pct_default/gamma/BTC", 50.7, 36.0, 60.0),
    Reference("funding_pct_negative/alpha/BTC", 12.7, 4.0, 25.0),
    Reference("funding_pct_negative/gamma/BTC", 11.0, 3.0, 24.0),
    Reference("funding_coin_corr/BTC-ETH", 0.85, 0.58, 0.92),
    Reference("funding_coin_corr/BTC-SOL", 0.77, 0.55, 0.90),
    Reference("funding_spread_corr/beta-alpha/BTC", 0.665, 0.50, 0.85),
    Reference("funding_spread_mean_bp/beta-alpha/BTC", 0.184, -0.6, 0.9),
    Reference("funding_spread_mean_abs_bp/beta-alpha/BTC", 1.059, 0.6, 1.6),
    Reference("funding_spread_corr/gamma-alpha/BTC", 0.647, 0.40, 0.82),
    Reference("funding_spread_mean_bp/gamma-alpha/BTC", 0.791, 0.0, 1.5),
    Reference("funding_spread_std_bp/gamma-alpha/BTC", 1.789, 1.2, 2.9),
    Reference("funding_spread_ac1/gamma-alpha/BTC", 0.723, 0.52, 0.88),

    Reference("basis_mean_bp/alpha/BTC", -2.08, -4.0, 1.8, _BASIS),
    Reference("basis_std_bp/alpha/BTC", 4.61, 3.2, 7.8, _BASIS),
    Reference("basis_std_bp/alpha/ETH", 5.14, 3.4, 8.4, _BASIS),
    Reference("basis_std_bp/alpha/XRP", 6.35, 3.8, 9.0, _BASIS),
    Reference("basis_half_life_h/alpha/BTC", 6.54, 3.0, 14.0),
    Reference("basis_half_life_h/alpha/ETH", 4.67, 2.5, 12.0),
    Reference("basis_half_life_h/alpha/XRP", 3.79, 2.0, 11.0),
    Reference("spot_gap_std_bp/beta-alpha/BTC", 1.67, 1.1, 2.3),

    Reference("turnover_hour_musd/alpha/BTC", 517.5, 360.0, 760.0),
    Reference("turnover_hour_musd/alpha/SOL", 103.4, 70.0, 155.0),
    Reference("turnover_hour_musd/beta/BTC", 250.5, 170.0, 370.0),
    Reference("turnover_hour_musd/gamma/BTC", 50.2, 33.0, 75.0),
    Reference("spread_bp_median/gamma/BTC", 0.1475, 0.08, 0.25),
    Reference("spread_bp_mean/gamma/BTC", 0.243, 0.12, 0.36),
    Reference("spread_bp_median/gamma/ETH", 0.379, 0.25, 0.75),
    Reference("depth_50bp_musd/gamma/BTC", 2.911, 1.9, 4.2),
    Reference("depth_50bp_musd/gamma/ETH", 4.189, 2.7, 6.0),
)
"""Rates in bp per 8 h, autocorrelations by lag, turnover and depth (both sides) in million USD, medians of hours."""
