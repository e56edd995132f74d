"""What nodes tell on /diagnostics besides a level and a sentence; documentation is made from it.

Keys with <words> stand for many: `input objects` is told as `input <topic>`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Figures = tuple[tuple[str, str], ...]

EVERY_NODE: Figures = (
    ("input <topic>", "messages so far, Hz over the last 3 s, seconds since the last one"),
    ("output", "results so far, Hz over the last 3 s"),
    ("latency p50/p95/p99 ms", "age of the image or states when the result left"),
    ("processing p50/p95/p99 ms", "time that was worked on a result"),
    ("dropped, <cause>", "messages that were not used"),
    ("errors", "callbacks that raised; each is logged"),
    ("clock jumps", "of the ROS clock"),
)

_NETWORK: Figures = (
    ("device", "what the network runs on"),
    ("precision", "of its products, and why not half"),
    ("inference", "milliseconds a call"),
    ("not on <device>", "why the network does not run on something faster"),
)

OF_NODE: Mapping[str, Figures] = {
    "viewrope": (
        ("slots from", "parameter `slots`"),
        ("model", "name and version of what finds objects"),
        *_NETWORK,
        ("key frames", "kept by the learned encoder"),
        ("without pose", "frames whose slots are those of a single frame"),
        ("pose jumps", "faster than a camera moves"),
        ("slots without depth", "not used: the depth image does not say where they are"),
        ("frames rested", "with the gate: images that were not searched"),
        ("compute", "with a budget: what searching takes, and what is allowed"),
        ("slowed down", "with a budget: whether searching is"),
        ("subjective time", "with a budget: how often something happened"),
        ("detections not used", "boxes without a frame or without depth"),
    ),
    "embodmocap": (
        ("people", "tracked now"),
        ("keypoints", "messages, or the network that finds them"),
        ("views too late", "keypoints that came after the other camera's were used"),
        ("left and right exchanged", "persons whose sides a detector had mixed up"),
        ("calibration", "joints and condition number; or why it was refused"),
        ("residual before", "of the calibration, mm"),
        ("residual after", "of the calibration, mm"),
        ("correction of <camera>", "degrees, cm and ms against its transform and clock"),
        ("noticed", "wrong extrinsics, if they are"),
    ),
    "cjepa": (
        ("futures", "model that foresees"),
        ("models", "folder of the networks, and on what they run"),
        ("restored from memory", "objects taken over at the start"),
        ("compute", "with a budget: computing of all nodes, and what is allowed"),
        ("slowed down", "with a budget: parts that run less often"),
        ("subjective time", "with a budget: how often something happened"),
    ),
    "planner": (("planning", "what computes rounds of candidates, and why"),),
    "simulator": (("scene", "file or kind, and seed, of the world"),),
    "view": (("page", "where it can be looked at"),),
    "memory": (
        ("memory file", "path"),
        ("memory health", "whether writing works; if not, why"),
    ),
}


def documented(node: str, key: str) -> bool:
    """Whether a key that a node told is one of those above."""
    known = (*EVERY_NODE, *OF_NODE.get(node, ()))
    return any(re.fullmatch(_pattern(name), key) for name, _ in known)


def _pattern(name: str) -> str:
    return re.sub(r"<[a-z ]+>", ".+", re.escape(name).replace(r"\ ", " "))
