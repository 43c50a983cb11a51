"""One HTML file that refers to nothing outside itself: the page, its sections and its tables. Everything is escaped.

Readable in light and in dark, no script.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c2430;--dim:#5d6b7c;--paper:#fbfaf7;--card:#fff;--rule:#dcdfe4;--gain:#1a8a5a;
--loss:#c43d3d;--line:#1f6feb}
@media(prefers-color-scheme:dark){:root{--ink:#e3e8ee;--dim:#93a1b1;--paper:#12161c;--card:#1a2029;--rule:#303946;
--gain:#3fb37f;--loss:#e06c6c;--line:#6aa5ff}}
body{margin:0 auto;max-width:1080px;padding:24px 20px 60px;background:var(--paper);color:var(--ink);
font:14px/1.45 system-ui,sans-serif}
h1{font-size:20px;margin:0 0 2px}h2{font-size:13px;letter-spacing:.06em;text-transform:uppercase;color:var(--dim);
margin:30px 0 8px}
.dim,.tick{color:var(--dim);fill:var(--dim)}.tick{font-size:11px}code{font-size:12px;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(145px,1fr));gap:8px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:8px 10px}
.card b{display:block;font-size:17px;font-variant-numeric:tabular-nums}.card span{color:var(--dim);font-size:12px}
.gain{color:var(--gain)}.loss{color:var(--loss)}
svg{display:block;width:100%;height:auto;background:var(--card);border:1px solid var(--rule);border-radius:6px}
.grid{stroke:var(--rule)}.zero{stroke:var(--dim)}.line{fill:none;stroke:var(--line);stroke-width:1.6}
.area{fill:var(--loss);opacity:.18}
.s0{stroke:#1f6feb}.s1{stroke:#d9534f}.s2{stroke:#2f9e6e}.s3{stroke:#e39a36}.s4{stroke:#9a6fd8}
.series{fill:none;stroke-width:1.4}.mark{fill:var(--loss)}.dot{fill:var(--line)}.bad{fill:var(--loss)}.good{fill:var(--line)}
.p0{fill:#2f9e6e}.p1{fill:#4c8df5}.p2{fill:#9a6fd8}.p3{fill:#d9534f}.p4{fill:#e39a36}.p5{fill:#8b95a3}
.key i{display:inline-block;width:10px;height:10px;border-radius:2px;margin:0 5px 0 14px}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:4px 8px;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th{color:var(--dim);font-weight:500}th:first-child,td:first-child,.text{text-align:left}
td.wrap{white-space:normal;text-align:left}
"""


def page(title: str, subtitle: str, sections: Iterable[str]) -> str:
    """The whole file as text; write it as UTF-8."""
    return ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
            f'<div class="dim">{escape(subtitle)}</div>{"".join(sections)}</body></html>\n')


def section(title: str, body: str) -> str:
    """A heading and what stands below it; the body is markup."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that scrolls sideways where it is too wide; nothing but a dash where it is empty."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return '<p class="dim">none</p>'
    body = "".join("<tr>" + "".join(row) + "</tr>" for row in cells)
    heads = "".join(f'<th{" class=text" if cell.startswith("<td class=text") else ""}>{escape(name)}</th>'
                    for name, cell in zip(head, cells[0], strict=True))
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: str) -> str:
    """Signed amounts wear their colour beside their sign; words stand left."""
    amount = value.rstrip("%").replace(",", "")
    if amount[:1] in "+-" and amount[1:2].isdigit():
        return f'<td class="{"gain" if Decimal(amount) > 0 else "loss"}">{escape(value)}</td>'
    is_word = any(letter.isalpha() for letter in value) and not value[:1].isdigit()
    return f'<td{" class=text" if is_word else ""}>{escape(value)}</td>'
