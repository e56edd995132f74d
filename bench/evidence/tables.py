"""Markdown tables and small SVG plots; the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from evidence.statistics import Interval

_ROW, _LEFT, _WIDTH, _RIGHT = 24, 150, 360, 150


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers are aligned right and rounded to three digits.

    Raises:
        ValueError: A row has another number of columns.
    """
    if any(len(row) != len(header) for row in rows):
        raise ValueError("a row has another number of columns than the header")
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [
        bool(rows) and all(isinstance(row[k], (int, float, Interval)) for row in rows)
        for k in range(len(header))
    ]
    rule = ["---:" if right else "---" for right in numeric]
    return "\n".join("| " + " | ".join(line) + " |" for line in (list(header), rule, *cells)) + "\n"


def bars(rows: Sequence[tuple[str, Interval]], mark: float | None = None) -> str:
    """Horizontal bars with intervals as an SVG document; `mark` draws a vertical line."""
    top = max(interval.high for _, interval in rows)
    top = max(top, mark or 0.0) * 1.05 or 1.0
    parts = []
    for k, (name, interval) in enumerate(rows):
        y = k * _ROW + 4
        middle = y + _ROW / 2 - 2
        low, value, high = (_LEFT + _WIDTH * v / top for v in (interval.low, interval.value,
                                                              interval.high))  # fmt: skip
        parts += [
            f'<text x="{_LEFT - 8}" y="{middle + 4:.0f}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{value - _LEFT:.1f}" height="{_ROW - 8}"/>',
            f'<path d="M{low:.1f} {middle:.0f}H{high:.1f}"/>',
            f'<text x="{high + 6:.1f}" y="{middle + 4:.0f}">{interval}</text>',
        ]
    height = len(rows) * _ROW + 8
    if mark is not None:
        x = _LEFT + _WIDTH * mark / top
        parts.append(f'<path class="mark" d="M{x:.1f} 0V{height}"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _RIGHT}" '
        f'height="{height}" font-family="sans-serif" font-size="12">'
        "<style>rect{fill:#7aa6d8}path{stroke:#333;stroke-width:2}"
        ".mark{stroke:#b33;stroke-dasharray:4}text{fill:#222}</style>"
        '<rect width="100%" height="100%" style="fill:#fff"/>' + "".join(parts) + "</svg>\n"
    )


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value).replace("|", "\\|")
