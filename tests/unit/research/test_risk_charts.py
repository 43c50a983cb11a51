"""The charts of the risk report: what is known is drawn where it belongs, what is unknown is a gap, text is escaped."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

from bot.research.risk_charts import bars_chart, curve_chart, lines_chart


def svg(markup: str) -> ET.Element:
    """The picture, parsed: it must be well formed."""
    return ET.fromstring(re.sub(r"</svg>.*", "</svg>", markup, flags=re.DOTALL))


def paths(markup: str) -> list[str]:
    """The drawn lines."""
    return [path.get("d", "") for path in svg(markup).iter("path")]


def test_an_unknown_value_is_a_gap_and_no_line_to_zero() -> None:
    """The pen is lifted at NaN."""
    (path,) = paths(lines_chart(["a", "b", "c", "d"], [("one", [1.0, math.nan, 3.0, 4.0])], unit="%"))
    assert path.count("M") == 2
    assert "nan" not in path


def test_a_mark_stands_on_the_first_line() -> None:
    """A breach is shown where it happened, once."""
    both = [("pnl", [0.0, -5.0, 1.0]), ("var", [2.0, 2.0, 2.0])]
    drawn = svg(lines_chart(["a", "b", "c"], both, unit="", marked=[1]))
    (dot,) = list(drawn.iter("circle"))
    lowest = max(float(y) for y in re.findall(r"[ML]\S+ (\S+)", next(iter(drawn.iter("path"))).get("d", "")))
    assert math.isclose(float(dot.get("cy", "0")), lowest, abs_tol=0.1)


def test_names_are_escaped() -> None:
    """A hostile name is text."""
    assert "<script>" not in lines_chart(["a", "b"], [("<script>", [1.0, 2.0])], unit="%")
    assert "<script>" not in bars_chart([("<script>", 1.0, False)], unit="%")


def test_too_little_to_draw_is_a_dash() -> None:
    """No empty axes."""
    assert lines_chart(["a"], [("one", [1.0])], unit="") == "<p>-</p>"
    assert lines_chart(["a", "b"], [("one", [math.nan, math.nan])], unit="") == "<p>-</p>"
    assert curve_chart([(1.0, 1.0, "p")], x_name="x", y_name="y") == "<p>-</p>"
    assert bars_chart([], unit="%") == "<p>-</p>"


def test_a_bar_beyond_its_limit_wears_another_class() -> None:
    """Colour and the number both say it; a gain grows to the right, a loss to the left of zero."""
    drawn = svg(bars_chart([("bad", -20.0, True), ("good", 5.0, False)], unit="%", limit=-10.0))
    bad, good = list(drawn.iter("rect"))
    assert (bad.get("class"), good.get("class")) == ("bad", "good")
    edge = float(bad.get("x", "0")) + float(bad.get("width", "0"))
    assert math.isclose(edge, float(good.get("x", "0")), abs_tol=0.2)
    assert len(list(drawn.iter("line"))) == 1


def test_a_curve_keeps_the_order_of_its_points() -> None:
    """More risk stands farther right, more return farther up."""
    (path,) = paths(curve_chart([(1.0, 2.0, "a"), (3.0, 6.0, "b")], x_name="risk", y_name="return"))
    found = re.findall(r"[ML](\S+) (\S+)", path)
    (x_first, y_first), (x_last, y_last) = ([float(part) for part in pair] for pair in found)
    assert x_last > x_first
    assert y_last < y_first
