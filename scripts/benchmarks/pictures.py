"""Bar charts as SVG, readable on a light and on a dark page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 780, 290, 96, 30, 64, 34
STYLE = """
svg{--page:#fff;--text:#1f2328;--faint:#59636e;--line:#d1d9e0;--bar:#8c959f;--ours:#0969da}
@media (prefers-color-scheme:dark){
svg{--page:#151b23;--text:#e6edf3;--faint:#9198a1;--line:#3d444d;--bar:#6e7681;--ours:#4493f8}}
text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:var(--text)}
.title{font-size:15px;font-weight:600}.faint{fill:var(--faint);font-size:12px}
.page{fill:var(--page);stroke:var(--line)}.grid{stroke:var(--line)}
.middle{text-anchor:middle}rect{rx:3px}.bar{fill:var(--bar)}.ours{fill:var(--ours)}.number{font-variant-numeric:tabular-nums}
"""


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value, and how that is written."""

    label: str
    value: float
    text: str
    ours: bool = False


def bars(title: str, note: str, rows: list[Bar]) -> str:
    """A chart with a logarithmic scale, from a power of ten to a power of ten."""
    low = math.floor(math.log10(min(row.value for row in rows)))
    high = max(low + 1, math.ceil(math.log10(max(row.value for row in rows))))
    span = WIDTH - LEFT - RIGHT
    height = TOP + ROW * len(rows) + BOTTOM

    def x(value: float) -> float:
        return LEFT + span * max(0.004, (math.log10(value) - low) / (high - low))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        f' width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        f'<text class="title" x="20" y="28">{escape(title)}</text>',
        f'<text class="faint" x="20" y="46">{escape(note)}</text>',
    ]
    bottom = TOP + ROW * len(rows)
    for power in range(low, high + 1):
        at = LEFT + span * (power - low) / (high - low)
        label = f"{10**power:,}" if power >= 0 else f"{10**power:g}"
        parts += [
            f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>',
            f'<text class="faint middle" x="{at:.1f}" y="{bottom + 18}">{label}</text>',
        ]
    for number, row in enumerate(rows):
        y = TOP + ROW * number
        end = x(row.value)
        kind = "ours" if row.ours else "bar"
        parts += [
            f'<text x="{LEFT - 12}" y="{y + 20}" text-anchor="end">{escape(row.label)}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{y + 6}" width="{end - LEFT:.1f}" height="18"/>',
            f'<text class="number" x="{end + 8:.1f}" y="{y + 20}">{escape(row.text)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
