"""Small inline SVG charts, written by hand: lines, bars by year, a heat table of months. No script, no reference.

Colours are CSS classes of the page, so that a chart follows its light or dark theme; every text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

WIDTH: Final = 900
LEFT: Final = 76
RIGHT: Final = 12
TOP: Final = 10
BOTTOM: Final = 24
POINTS_MAX: Final = 900
"""More points than pixels only make the file large."""


def line_chart(labels: Sequence[str], values: Sequence[float], *, unit: str, height: int = 220,
               fill: bool = False) -> str:
    """A line over evenly spaced samples with four grid lines; a dash where there are not two points.

    Args:
        labels: one per value, of which five are shown under the axis.
        values: all finite, oldest first.
        unit: written at each grid line.
        height: of the picture, px.
        fill: shade the area between the line and zero.

    Returns:
        One `<svg>` element.
    """
    if len(values) < 2:
        return "<p>-</p>"
    low, high = axis_bounds(values, with_zero=fill)
    bottom = height - BOTTOM
    span = WIDTH - LEFT - RIGHT

    def x(place: int) -> float:
        return LEFT + span * place / (len(values) - 1)

    def y(value: float) -> float:
        return TOP + (bottom - TOP) * (high - value) / (high - low)

    kept = _thinned(values)
    path = " ".join(f"{'M' if i == 0 else 'L'}{x(place):.1f} {y(values[place]):.1f}" for i, place in enumerate(kept))
    area = ""
    if fill:
        area = f'<path class="area" d="{path} L{x(kept[-1]):.1f} {y(0.0):.1f} L{x(kept[0]):.1f} {y(0.0):.1f} Z"/>'
    ticks = [place * (len(values) - 1) // 4 for place in range(5)] if len(values) > 4 else [0, len(values) - 1]
    names = "".join(
        f'<text class="tick" x="{x(place):.1f}" y="{height - 6}" text-anchor="{_anchor(place, len(values))}">'
        f"{escape(labels[place])}</text>" for place in ticks)
    return (f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{horizontal_grid(low, high, bottom, unit)}{area}'
            f'<path class="line" d="{path}"/>{names}</svg>')


def stacked_bars(groups: Sequence[tuple[str, Sequence[tuple[str, float]]]], *, unit: str, height: int = 240) -> str:
    """One column per group; parts above zero stack upwards, parts below downwards, each named by a tooltip.

    Args:
        groups: (label, ((part, value), ...)); the place of a part chooses its colour class `p0`, `p1`, ...
        unit: written at each grid line.
        height: of the picture, px.

    Returns:
        One `<svg>` element.
    """
    if not groups:
        return "<p>-</p>"
    ends = [0.0]
    for _, parts in groups:
        ends.append(sum(value for _, value in parts if value > 0))
        ends.append(sum(value for _, value in parts if value < 0))
    low, high = axis_bounds(ends, with_zero=True)
    bottom = height - BOTTOM
    step = (WIDTH - LEFT - RIGHT) / len(groups)
    scale = (bottom - TOP) / (high - low)
    shapes = []
    for column, (label, parts) in enumerate(groups):
        left = LEFT + step * column + step * 0.2
        up = down = 0.0
        for place, (name, value) in enumerate(parts):
            base = up if value > 0 else down
            top = TOP + (high - max(base, base + value)) * scale
            shapes.append(f'<rect class="p{place}" x="{left:.1f}" y="{top:.1f}" width="{step * 0.6:.1f}" '
                          f'height="{abs(value) * scale:.1f}"><title>{escape(label)} {escape(name)} {value:+,.0f} '
                          f"{escape(unit)}</title></rect>")
            up, down = (up + value, down) if value > 0 else (up, down + value)
        shapes.append(f'<text class="tick" x="{left + step * 0.3:.1f}" y="{height - 6}" text-anchor="middle">'
                      f"{escape(label)}</text>")
    zero = TOP + high * scale
    axis = f'<line class="zero" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{zero:.1f}" y2="{zero:.1f}"/>'
    grid = horizontal_grid(low, high, bottom, unit)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{grid}{"".join(shapes)}{axis}</svg>'


def heat_table(rows: Sequence[tuple[str, Sequence[float | None]]], columns: Sequence[str]) -> str:
    """A table whose cells are shaded by size, gains and losses in two colours, the number always written.

    Args:
        rows: (label, one value or None per column).
        columns: the headings.

    Returns:
        One `<table>` element; an unknown value is an empty cell.
    """
    largest = max((abs(value) for _, values in rows for value in values if value is not None), default=0.0)
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *columns))
    body = []
    for label, values in rows:
        cells = "".join(_heat_cell(value, largest) for value in values)
        body.append(f"<tr><th>{escape(label)}</th>{cells}</tr>")
    return f'<table class="heat"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def _heat_cell(value: float | None, largest: float) -> str:
    if value is None:
        return "<td></td>"
    strength = 0 if largest == 0 else round(60 * abs(value) / largest)
    colour = "gain" if value >= 0 else "loss"
    return f'<td style="background:color-mix(in srgb,var(--{colour}) {strength}%,transparent)">{value:,.0f}</td>'


def _thinned(values: Sequence[float]) -> list[int]:
    """The places that are drawn: first and last, and in each slice of the rest its lowest and its highest."""
    if len(values) <= POINTS_MAX:
        return list(range(len(values)))
    width = 2 * len(values) / POINTS_MAX
    kept = {0, len(values) - 1}
    for piece in range(POINTS_MAX // 2):
        places = range(int(piece * width), min(int((piece + 1) * width), len(values)))
        kept.update((min(places, key=values.__getitem__), max(places, key=values.__getitem__)))
    return sorted(kept)


def horizontal_grid(low: float, high: float, bottom: int, unit: str) -> str:
    """Horizontal lines at round values with their labels."""
    step = _round_step((high - low) / 4)
    places = max(0, -math.floor(math.log10(step)))
    lines = []
    for multiple in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        value = multiple * step
        y = TOP + (bottom - TOP) * (high - value) / (high - low)
        text = f"{value:,.{places}f}"
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                     f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}{escape(unit)}</text>')
    return "".join(lines)


def _round_step(raw: float) -> float:
    """1, 2 or 5 times a power of ten, not below `raw`."""
    power = math.pow(10.0, math.floor(math.log10(raw)))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * (1 - 1e-9))


def axis_bounds(values: Sequence[float], *, with_zero: bool) -> tuple[float, float]:
    """A little air around the values; never empty."""
    low, high = min(values), max(values)
    if with_zero:
        low, high = min(low, 0.0), max(high, 0.0)
        if low == high:
            return 0.0, 1.0
    air = (high - low) * 0.05 or max(abs(high), 1.0) * 0.05
    return (low if with_zero and low == 0.0 else low - air), (high if with_zero and high == 0.0 else high + air)


def _anchor(place: int, count: int) -> str:
    """Labels at the ends stay inside the picture."""
    return "start" if place == 0 else "end" if place == count - 1 else "middle"
