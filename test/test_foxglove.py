"""The Foxglove layout shows topics that nodes publish, in panels that are all placed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from perception_nodes.ros.interfaces import NODES

LAYOUT = json.loads(
    (Path(__file__).resolve().parents[1] / "config" / "foxglove.json").read_text(encoding="utf-8")
)


def placed(node: Any) -> Iterator[str]:
    """Panels of a layout."""
    if isinstance(node, str):
        yield node
    else:
        yield from placed(node["first"])
        yield from placed(node["second"])


def test_every_panel_is_placed_once() -> None:
    panels = list(placed(LAYOUT["layout"]))
    assert sorted(panels) == sorted(LAYOUT["configById"])


def test_every_topic_is_published_by_a_node() -> None:
    given = {"/" + t.name.lstrip("/") for n in NODES for t in (*n.publishes, *n.subscribes)}
    given |= {"/diagnostics"} | {f"/{n.name}/processing_time_ms" for n in NODES}
    named = set(re.findall(r'"(/[a-z_/]+)(?:\.data)?"', json.dumps(LAYOUT["configById"])))
    assert {"/objects", "/objects_markers", "/slot_masks", "/plan"} <= named
    assert named <= given
