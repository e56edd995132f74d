"""Names of cameras, from the names of their topics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_STREAMS = ("depth", "color", "rgb", "image")
_GENERIC = {"camera", "cameras", "sensor", "sensors", "hd", "qhd", "sd"}


def has(name: str, words: Iterable[str]) -> bool:
    """Whether a name contains one of the words."""
    lower = name.lower()
    return any(word in lower for word in words)


def camera_name(depth: str, color: str) -> str:
    """What distinguishes a camera in the names of its two image topics.

    Examples: /camera/color/... and /camera/depth/... give "camera", /left/camera/... "left",
    /zed/zed_node/rgb/... and /zed/zed_node/depth/... "zed", the recordings of the RealSense viewer
    "device_0". Topics without a common namespace give "camera".
    """
    shared = []
    first, second = (name.strip("/").split("/")[:-1] for name in (depth, color or depth))
    for a, b in zip(first, second, strict=False):
        if a != b or has(a, _STREAMS):
            break
        shared.append(re.sub(r"\W", "_", a))
    telling = [p for p in shared if p not in _GENERIC and not p.endswith("_node")]
    return (telling or [p for p in shared if p in _GENERIC] or ["camera"])[-1]


def unique(names: Sequence[str]) -> list[str]:
    """The same names; those that are equal get numbers."""
    return [
        name if names.count(name) == 1 else f"{name}_{names[:i].count(name)}"
        for i, name in enumerate(names)
    ]
