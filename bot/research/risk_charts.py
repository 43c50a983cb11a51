"""More inline SVG: several lines on one axis with marked points, a curve of points, horizontal bars. No script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from bot.research.report_charts import BOTTOM, LEFT, POINTS_MAX, RIGHT, TOP, WIDTH, axis_bounds, horizontal_grid

SERIES_COLOURS: Final = ("#1f6feb", "#d9534f", "#2f9e6e", "#e39a36", "#9a6fd8")
Series = tuple[str, Sequence[float]]
_BAR_PX: Final = 20
_NAME_PX: Final = 190


def lines_chart(labels: Sequence[str], series: Sequence[Series], *, unit: str, marked: Sequence[int] = (),
                height: int = 260, with_zero: bool = False) -> str:
    """Several lines over one time axis; NaN leaves a gap; `marked` are places of the first series shown as dots.

    Args:
        labels: one per value, of which five are shown.
        series: (name, values), at most five; each as long as `labels`.
        unit: written at each grid line.
    Returns:
        One `<svg>` and a key of names; a dash where there are not two points.
    """
    known = [value for _, values in series for value in values if math.isfinite(value)]
    if len(labels) < 2 or not known:
        return "<p>-</p>"
    low, high = axis_bounds(known, with_zero=with_zero)
    bottom, span = height - BOTTOM, WIDTH - LEFT - RIGHT

    def x(place: int) -> float:
        return LEFT + span * place / (len(labels) - 1)

    def y(value: float) -> float:
        return TOP + (bottom - TOP) * (high - value) / (high - low)

    kept = range(0, len(labels), max(1, len(labels) // POINTS_MAX))
    paths = []
    for number, (_, values) in enumerate(series):
        path, pen = [], "M"
        for place in kept:
            if not math.isfinite(values[place]):
                pen = "M"
                continue
            path.append(f"{pen}{x(place):.1f} {y(values[place]):.1f}")
            pen = "L"
        paths.append(f'<path class="series s{number}" d="{" ".join(path)}"/>')
    dots = "".join(f'<circle class="mark" cx="{x(place):.1f}" cy="{y(series[0][1][place]):.1f}" r="3">'
                   f"<title>{escape(labels[place])}</title></circle>"
                   for place in marked if math.isfinite(series[0][1][place]))
    ticks = sorted({place * (len(labels) - 1) // 4 for place in range(5)})
    names = "".join(
        f'<text class="tick" x="{x(place):.1f}" y="{height - 6}" text-anchor="'
        f'{"start" if place == 0 else "end" if place == len(labels) - 1 else "middle"}">{escape(labels[place])}</text>'
        for place in ticks)
    key = "".join(f'<i style="background:{SERIES_COLOURS[number]}"></i>{escape(name)}'
                  for number, (name, _) in enumerate(series))
    return (f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{horizontal_grid(low, high, bottom, unit)}'
            f'{"".join(paths)}{dots}{names}</svg><p class="key dim">{key}</p>')


def curve_chart(points: Sequence[tuple[float, float, str]], *, x_name: str, y_name: str, unit: str = "%",
                height: int = 320, others: Sequence[tuple[float, float, str]] = ()) -> str:
    """A curve through (x, y, label) points in order, and other points named beside it; both axes are labelled.

    Returns:
        One `<svg>`; a dash where there are not two points.
    """
    every = [*points, *others]
    if len(points) < 2:
        return "<p>-</p>"
    low, high = axis_bounds([row[1] for row in every], with_zero=True)
    left, right = axis_bounds([row[0] for row in every], with_zero=True)
    bottom, span = height - BOTTOM - 16, WIDTH - LEFT - RIGHT

    def x(value: float) -> float:
        return LEFT + span * (value - left) / (right - left)

    def y(value: float) -> float:
        return TOP + (bottom - TOP) * (high - value) / (high - low)

    path = " ".join(f"{'M' if place == 0 else 'L'}{x(row[0]):.1f} {y(row[1]):.1f}" for place, row in enumerate(points))
    dots = "".join(f'<circle class="dot" cx="{x(row[0]):.1f}" cy="{y(row[1]):.1f}" r="3"><title>{escape(row[2])}'
                   "</title></circle>" for row in points)
    named = "".join(f'<circle class="mark" cx="{x(row[0]):.1f}" cy="{y(row[1]):.1f}" r="4"/><text class="tick" '
                    f'x="{x(row[0]) + 7:.1f}" y="{y(row[1]) + 4:.1f}">{escape(row[2])}</text>' for row in others)
    ticks = "".join(f'<text class="tick" x="{x(left + (right - left) * part / 4):.1f}" y="{bottom + 16}" '
                    f'text-anchor="middle">{left + (right - left) * part / 4:.1f}{escape(unit)}</text>'
                    for part in range(1, 4))
    axes = (f'<text class="tick" x="{WIDTH - RIGHT}" y="{height - 6}" text-anchor="end">{escape(x_name)}</text>'
            f'<text class="tick" x="{LEFT + 6}" y="{TOP + 10}">{escape(y_name)}</text>')
    return (f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{horizontal_grid(low, high, bottom, unit)}'
            f'<path class="line" d="{path}"/>{dots}{named}{ticks}{axes}</svg>')


def bars_chart(rows: Sequence[tuple[str, float, bool]], *, unit: str, limit: float | None = None) -> str:
    """Horizontal bars of (name, value, breaks its limit), in the order given; `limit` is drawn as a line.

    Bars longer than three times the limit are cut there: their number says how far they go.

    Returns:
        One `<svg>`; a dash where there is nothing to show.
    """
    if not rows:
        return "<p>-</p>"
    far = math.inf if limit is None else 3.0 * abs(limit)
    values = [min(max(row[1], -far), far) for row in rows] + ([limit] if limit is not None else [])
    low, high = min(0.0, *values), max(0.0, *values)
    low, high = (low * 1.05, high * 1.05) if high > low else (-1.0, 1.0)
    span, height = WIDTH - _NAME_PX - 80, _BAR_PX * len(rows) + 12

    def x(value: float) -> float:
        return _NAME_PX + span * (min(max(value, -far), far) - low) / (high - low)

    shapes = []
    for place, (name, value, broken) in enumerate(rows):
        top = 4 + _BAR_PX * place
        shapes.append(
            f'<text class="tick" x="{_NAME_PX - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{"bad" if broken else "good"}" x="{min(x(0.0), x(value)):.1f}" y="{top + 3}" '
            f'width="{max(abs(x(value) - x(0.0)), 1.0):.1f}" height="{_BAR_PX - 7}"/>'
            f'<text class="tick" x="{WIDTH - 6}" y="{top + 13}" text-anchor="end">{value:+.2f}{escape(unit)}</text>')
    if limit is not None:
        shapes.append(f'<line class="zero" stroke-dasharray="4 3" x1="{x(limit):.1f}" x2="{x(limit):.1f}" y1="0" '
                      f'y2="{height}"/>')
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(shapes)}</svg>'
