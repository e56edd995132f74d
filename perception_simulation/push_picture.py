"""A drawing of a push from above: where the object went, was believed to be, and should be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.report.markup import num
from perception_simulation.push_robot import Account
from perception_simulation.push_task import PushTask
from perception_simulation.random_objects import footprint

_PIXELS = 700.0
_INK = "#222"


def draw(task: PushTask, account: Account, path: Path) -> None:
    """Write the drawing as SVG."""
    length, width = task.scene.area
    scale = _PIXELS / length
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {num(_PIXELS)} '
            f'{num(width * scale + 60.0)}" font-family="sans-serif" font-size="14">'
        ),
        f'<rect width="{num(_PIXELS)}" height="{num(width * scale)}" fill="#f4efe6"/>',
    ]

    def at(place: Floats | Sequence[float]) -> tuple[float, float]:
        return (float(place[0]) + length / 2.0) * scale, (width / 2.0 - float(place[1])) * scale

    for item in task.scene.objects:
        x, y = at(item.position[:2])
        radius = footprint(item.shape, item.rotation) * scale
        fill = "#9ec5e8" if item.name == task.name else "#d8d2c6"
        parts.append(f'<circle cx="{num(x)}" cy="{num(y)}" r="{num(radius)}" fill="{fill}"/>')
    for panel in task.scene.occluders:
        key = panel.path[0]
        side = np.array([-np.sin(key.yaw), np.cos(key.yaw)]) * panel.size[1] / 2.0
        ends = [at(np.array(key.position[:2]) + sign * side) for sign in (1.0, -1.0)]
        parts.append(_line(ends, _INK, 5.0))
    parts.append(_line([at(p) for p in account.tips], "#bbb", 1.0))
    parts.append(_line([at(p) for p in account.true_path], "#1f6fb4", 4.0))
    known = [p for p in account.believed_path if np.isfinite(p).all()]
    parts.append(_line([at(p) for p in known], "#e4572e", 2.0))
    x, y = at(task.target)
    parts.append(
        f'<path d="M{num(x - 9)} {num(y)}h18M{num(x)} {num(y - 9)}v18" stroke="#2a9d4a" '
        'stroke-width="3"/>'
    )
    parts += _legend(width * scale)
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


def _line(points: Sequence[tuple[float, float]], color: str, width: float) -> str:
    text = " ".join(f"{num(x)},{num(y)}" for x, y in points)
    return (
        f'<polyline points="{text}" fill="none" stroke="{color}" stroke-width="{num(width)}" '
        'stroke-linejoin="round"/>'
    )


def _legend(top: float) -> list[str]:
    said = (
        ("#1f6fb4", "where it was"),
        ("#e4572e", "where it was believed to be"),
        ("#2a9d4a", "target"),
        ("#bbb", "tip of the pusher"),
        (_INK, "panel"),
    )
    found, left = [], 10.0
    for color, text in said:
        found.append(
            f'<rect x="{num(left)}" y="{num(top + 22)}" width="14" height="14" fill="{color}"/>'
            f'<text x="{num(left + 20)}" y="{num(top + 34)}">{text}</text>'
        )
        left += 40.0 + 7.2 * len(text)
    return found
