"""Small helpers to write HTML and SVG; all text from data goes through `esc`."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable

PALETTE = (
    "#3f7fe8",
    "#e8891c",
    "#1fa574",
    "#d64a8a",
    "#8460e0",
    "#17a2b8",
    "#c9a50c",
    "#e0523f",
    "#6aa121",
    "#b05cc9",
    "#5572a8",
    "#a8713d",
)
"""Colors of objects: told apart on light and dark ground and on photographs."""


def esc(text: object) -> str:
    """Text made safe for element content and quoted attributes.

    Control characters and broken Unicode become U+FFFD, so that the page stays valid.
    """
    raw = str(text).encode("utf-8", "replace").decode("utf-8")
    clean = "".join(c if c in "\t\n" or (ord(c) >= 32 and ord(c) != 127) else "\ufffd" for c in raw)
    return html.escape(clean, quote=True)


def bdi(text: object) -> str:
    """Escaped text whose writing direction can't disturb what stands beside it."""
    return f"<bdi>{esc(text)}</bdi>"


def color(index: int) -> str:
    """The color of the object that appeared as number `index`."""
    if index < len(PALETTE):
        return PALETTE[index]
    # Beyond the palette, the golden angle keeps neighbors in number apart in hue.
    return f"hsl({(index * 137.508 + 20) % 360:.0f} 52% 56%)"


def num(value: float, digits: int = 1) -> str:
    """A number for coordinates: short, and never "-0" or "nan"."""
    if not math.isfinite(value):
        return "0"
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def seconds(value: float) -> str:
    """A time of the run for a person: "4.8 s", "2:05 min"; number and unit stay on one line."""
    if value < 100:
        return f"{value:.1f}\N{NO-BREAK SPACE}s"
    return f"{int(value) // 60}:{int(value) % 60:02d}\N{NO-BREAK SPACE}min"


def plural(count: int, word: str) -> str:
    """A count with its noun: "1 object", "1,204 objects"."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def nice_step(span: float, parts: int) -> float:
    """The 1-2-5 step that divides `span` into about `parts` parts."""
    raw = max(span, 1e-9) / max(parts, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    return next((m * power for m in (1.0, 2.0, 5.0) if m * power >= raw), 10.0 * power)


def path(points: Iterable[tuple[float, float]], closed: bool = False) -> str:
    """SVG path data through points."""
    data = "L".join(f"{num(x)} {num(y)}" for x, y in points)
    return f"M{data}{'Z' if closed else ''}" if data else ""


def table(head: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "") -> str:
    """A table from cells that are markup already; the first column is text, the rest numbers."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
