"""When is an image worth searching for objects? Gate, frame differencing, fixed rate, oracle.

Simulated tables at 10 frames a second on which a pusher moves things twice; in every other sequence
the camera moves too. The depth finder has searched every frame; each way to choose lets the tracker
have only the chosen ones, at equal shares of frames. All search at least every two seconds.

    python bench/days_gate.py [--sequences 10]    (about 3 minutes of one core)
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from common import write_result

from perception_nodes.arrays import Floats
from perception_nodes.gate.change import Glance, glance, moved
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.scene import UNSCORED_LABELS, EventKind, Frame, Slots, Truth, Visibility
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_simulation.random_objects import random_objects, random_texture
from perception_simulation.simulator import Simulator
from perception_simulation.specification import (
    TABLE_HEIGHT,
    CameraKey,
    MovingCamera,
    Push,
    Scene,
)

SHARES = (0.1, 0.25, 0.5)
RATE, SECONDS, WARM_UP, LONGEST = 10.0, 10.0, 8, 20
MOVING, WORST = 0.03, 0.3
"""m/s from which a thing counts as moving; meters at which an error is cut off."""
CONTACT_SLACK = 2
"""Frames around a contact in which a search must fall, or the contact is missed."""


@dataclass
class Film:
    """What is kept of a sequence, and the scores of pairs of its frames once computed."""

    frames: list[Frame] = field(default_factory=list)
    slots: list[Slots] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    glances: list[Glance] = field(default_factory=list)
    grays: list[Floats] = field(default_factory=list)
    scores: dict[tuple[str, int, int], float] = field(default_factory=dict)


Score = Callable[[Film, int, int], float]


def scene(seed: int) -> Scene:
    """A table with five things; two pushes towards the table's middle."""
    rng = np.random.default_rng((seed, 13))
    objects = random_objects(rng, 5, (0.6, 0.5), 1.0, TABLE_HEIGHT)
    pushes = []
    for number, start in enumerate((2.5, 6.5)):
        x, y = objects[int(rng.integers(len(objects)))].position[:2]
        angle = math.atan2(-y, -x) + float(rng.uniform(-0.5, 0.5))
        dx, dy = math.cos(angle), math.sin(angle)
        pushes.append(
            Push(f"push{number}", (x - 0.15 * dx, y - 0.15 * dy), (x + 0.12 * dx, y + 0.12 * dy),
                 start, 1.5)
        )  # fmt: skip
    first = float(rng.uniform(-math.pi, math.pi))
    middle = (0.0, 0.0, TABLE_HEIGHT + 0.03)
    turn = 0.5 if seed % 2 else 0.0
    path = tuple(
        CameraKey(t, (0.85 * math.cos(a), 0.85 * math.sin(a), TABLE_HEIGHT + 0.6), middle)
        for t, a in ((0.0, first), (SECONDS, first + turn))
    )
    return Scene(
        objects=tuple(objects), cameras=(MovingCamera(path),), surface=random_texture(rng),
        pushes=tuple(pushes), duration=SECONDS, rate=RATE, seed=seed,
    )  # fmt: skip


def record(seed: int) -> Film:
    """Simulate, and search every frame."""
    sequence, finder = Film(), DepthFinder()
    for frame, truth in Simulator(scene(seed)):
        assert truth is not None
        seen = glance(frame)
        assert seen is not None
        sequence.slots.append(finder.find(frame))
        gray = cv2.cvtColor(frame.color, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(gray, (40, 30), interpolation=cv2.INTER_AREA)
        sequence.grays.append(np.asarray(small, np.float32))
        sequence.glances.append(seen)
        sequence.frames.append(replace(frame, color=np.zeros((1, 1, 3), np.uint8)))
        sequence.truths.append(truth)
    return sequence


def gate(s: Film, a: int, b: int) -> float:
    """What the package does."""
    return float(moved(s.glances[a], s.glances[b]).max())


def difference(s: Film, a: int, b: int) -> float:
    """Plain frame differencing of small gray images."""
    return float(np.abs(s.grays[a] - s.grays[b]).mean())


def depth_difference(s: Film, a: int, b: int) -> float:
    """The same with depth, and without regard to the camera's motion."""
    return float(np.nanmean(np.abs(s.glances[a].depth - s.glances[b].depth)))


def oracle(s: Film, a: int, b: int) -> float:
    """How far something truly moved."""
    return max(
        float(np.linalg.norm(p.position - q.position))
        for p, q in zip(s.truths[a].objects, s.truths[b].objects, strict=True)
        if p.label not in UNSCORED_LABELS
    )


ARMS: dict[str, Score] = {
    "gate": gate,
    "frame differencing": difference,
    "depth differencing": depth_difference,
    "oracle": oracle,
}


def chosen(s: Film, name: str, threshold: float) -> list[bool]:
    """Which frames are searched with a threshold."""
    looks, last = [], 0
    for k in range(len(s.frames)):
        look = k < WARM_UP or k - last >= LONGEST
        if not look:
            key = (name, last, k)
            if key not in s.scores:
                s.scores[key] = ARMS[name](s, last, k)
            look = s.scores[key] > threshold
        last = k if look else last
        looks.append(look)
    return looks


def at_share(sequences: Sequence[Film], name: str, share: float) -> list[list[bool]]:
    """What is searched when the threshold gives a share of all frames after the start."""
    if name == "fixed rate":
        return [
            [k < WARM_UP or int(k * share) != int((k - 1) * share) for k in range(len(s.frames))]
            for s in sequences
        ]
    low, high = 0.0, 300.0
    for _ in range(24):
        middle = math.sqrt(max(low, 1e-5) * high)
        looks = [chosen(s, name, middle) for s in sequences]
        if used(looks) > share:
            low = middle
        else:
            high = middle
    return [chosen(s, name, high) for s in sequences]


def used(looks: Sequence[Sequence[bool]]) -> float:
    """The share of frames that are searched, after the start."""
    return float(np.mean([look for row in looks for look in row[WARM_UP:]]))


def follow(s: Film, looks: Sequence[bool]) -> list[Floats]:
    """(n, 3) positions of the visible objects after each frame."""
    tracker, positions = ObjectTracker(), []
    for frame, slots, look in zip(s.frames, s.slots, looks, strict=True):
        given = slots if look else replace(slots, items=(), rested=True)
        states, _ = tracker.update(frame, given)
        seen = [x.position for x in states if x.visibility is Visibility.VISIBLE]
        positions.append(np.array(seen).reshape(-1, 3))
    return positions


def away(place: Floats, found: Floats) -> float:
    """Meters to the nearest of what was found."""
    return min(WORST, float(np.linalg.norm(found - place, axis=1).min(initial=WORST)))


def errors_of_moving(s: Film, found: Sequence[Floats]) -> list[float]:
    """Distance of what truly moves from the nearest state, m."""
    errors = []
    for k in range(WARM_UP, len(s.frames)):
        for p, q in zip(s.truths[k - 1].objects, s.truths[k].objects, strict=True):
            speed = float(np.linalg.norm(q.position - p.position)) * RATE
            if speed > MOVING and q.label not in UNSCORED_LABELS:
                errors.append(away(q.position, found[k]))
    return errors


def missed(s: Film, looks: Sequence[bool]) -> tuple[int, int]:
    """Contacts without a search around them, and all contacts."""
    at = [
        k
        for k in range(WARM_UP, len(s.frames))
        for event in s.truths[k].events
        if event.kind is EventKind.CONTACT_ON
    ]
    near = [any(looks[max(0, k - CONTACT_SLACK) : k + CONTACT_SLACK + 1]) for k in at]
    return near.count(False), len(at)


def row(sequences: Sequence[Film], looks: Sequence[Sequence[bool]]) -> dict[str, Any]:
    """Figures of one way to choose."""
    found = [follow(s, look) for s, look in zip(sequences, looks, strict=True)]
    errors = [errors_of_moving(s, f) for s, f in zip(sequences, found, strict=True)]
    everything = np.concatenate([np.array(e) for e in errors])
    lost = [missed(s, look) for s, look in zip(sequences, looks, strict=True)]
    return {
        "share": used(looks),
        "mean_mm": 1e3 * float(everything.mean()),
        "p95_mm": 1e3 * float(np.percentile(everything, 95)),
        "each_sequence_mm": [1e3 * float(np.mean(e)) if e else None for e in errors],
        "missed_contacts": sum(a for a, _ in lost),
        "contacts": sum(b for _, b in lost),
    }


def flicker(sequences: Sequence[Film]) -> dict[str, float]:
    """The share searched under flickering light, with the thresholds of a quarter without it."""
    result = {}
    rng = np.random.default_rng(7)
    gains = [rng.uniform(0.7, 1.3, len(s.frames)) for s in sequences]
    lit = [
        replace(s, scores={}, grays=[g * np.float32(x) for g, x in zip(s.grays, gain, strict=True)])
        for s, gain in zip(sequences, gains, strict=True)
    ]
    for name in ("gate", "frame differencing"):
        low, high = 1e-5, 300.0
        for _ in range(24):
            middle = math.sqrt(low * high)
            busy = used([chosen(s, name, middle) for s in sequences]) > SHARES[1]
            low, high = (middle, high) if busy else (low, middle)
        result[name] = used([chosen(s, name, high) for s in lit])
    return result


def main() -> None:
    """Record, choose, follow, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=10)
    parser.add_argument("--tier", default="cpu")
    args = parser.parse_args()
    test = [record(seed) for seed in range(500, 500 + args.sequences)]
    print("recorded")
    every = [[True] * len(s.frames) for s in test]
    figures: dict[str, Any] = {"every frame": row(test, every), "shares": {}}
    for share in SHARES:
        rows = {name: row(test, at_share(test, name, share)) for name in ("fixed rate", *ARMS)}
        figures["shares"][f"{share:g}"] = rows
        for name, r in rows.items():
            print(f"{share:4.2f} {name:20s} {r['share']:.3f} {r['mean_mm']:6.1f} {r['p95_mm']:6.1f}"
                  f" {r['missed_contacts']}/{r['contacts']}", flush=True)  # fmt: skip
    figures["flicker"] = flicker(test)
    figures["sequences"] = args.sequences
    write_result("days_gate", figures)


if __name__ == "__main__":
    main()
