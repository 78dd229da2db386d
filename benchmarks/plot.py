"""Rows per second as horizontal bars, one group per scenario, as hand-written SVG.

Colours and fonts follow the reader's settings, including dark mode. Bars are identified by their
labels, not by colour alone.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from benchmarks.results import Results, Span

WIDTH, LABELS, FIGURES, MARGIN = 760, 210, 190, 16
BAR, GAP, HEADING = 18, 6, 30
OURS = "Open Register"

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #222 }
  .title { font-weight: 600; font-size: 15px }
  .scenario { font-weight: 600 }
  .ground { fill: #fff }
  .bar { fill: #8a94a3 }
  .ours { fill: #1f6fd0 }
  .floor { fill: #c5ccd6 }
  .range { stroke: #222; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6e6e6 }
    .ground { fill: #1e2129 }
    .bar { fill: #7d8899 }
    .ours { fill: #5aa2f5 }
    .floor { fill: #4c5563 }
    .range { stroke: #e6e6e6 }
  }
"""


def svg(results: Results, title: str) -> str:
    """The drawing. Raises ValueError when there is nothing to draw."""
    rates = {key: results.rate(*key) for key in results.samples}
    known = {key: rate for key, rate in rates.items() if rate is not None}
    if not known:
        raise ValueError("nothing was measured")
    scale = (WIDTH - LABELS - FIGURES - 2 * MARGIN) / max(rate.high for rate in known.values())
    parts: list[str] = []
    y = MARGIN + HEADING
    for scenario in results.scenarios:
        y += GAP
        parts.append(_text(MARGIN, y + 14, scenario, "scenario"))
        y += HEADING - GAP
        names = results.programs(scenario)
        for name in sorted(names, key=lambda name: -known[scenario, name].median):
            parts += _bar(y, name, known[scenario, name], scale)
            y += BAR + GAP
    height = y + MARGIN
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
            f'<title id="title">{escape(title)}</title>',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
            _text(MARGIN, MARGIN + 12, title, "title"),
            *parts,
            "</svg>\n",
        ]
    )


def _bar(y: float, name: str, rate: Span, scale: float) -> list[str]:
    kind = "ours" if name.startswith(OURS) else "floor" if _bare(name) else "bar"
    left, middle = MARGIN + LABELS, y + BAR / 2
    width = max(rate.median * scale, 1)
    low, high = left + rate.low * scale, left + rate.high * scale
    return [
        _text(left - 8, y + 14, name, anchor="end"),
        f'<rect class="{kind}" x="{left}" y="{y}" width="{width:.1f}" height="{BAR}"/>',
        f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
        _text(max(high, left + width) + 8, y + 14, f"{rate.median:,.0f} rows/s"),
    ]


def _bare(name: str) -> bool:
    """Only reads or writes rows, so it is not a competitor."""
    return name.startswith(("floor", "bare"))


def _text(x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y}"{style} text-anchor="{anchor}">{escape(text)}</text>'
