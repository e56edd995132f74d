"""Plans that try to get past the verification, kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from adversarial_settings import (
    _DELTA,
    _HEIGHTS,
    LIMITS,
    TABLE,
    Setting,
    Trial,
    box,
    cube,
    line,
    push_of,
    trial,
)

from perception_nodes.arrays import Floats
from perception_nodes.planner.people import JOINTS
from perception_nodes.scene import Plan


def nominal(rng: np.random.Generator) -> Setting:
    """A push over a table with a few things anywhere."""
    target, tip, _ = push_of(rng, rng.uniform(0.05, 0.2))
    things, tries = [target], 0
    while len(things) < 5 and tries < 50:
        tries += 1
        other = box(*rng.uniform(-0.4, 0.4, 2), cube(rng), rng.uniform(0.0, 3.0))
        far = min(np.linalg.norm(other[0][:2] - t[0][:2]) for t in things)
        if far > 0.15:
            things.append(other)
    protected = (1,) if len(things) > 1 else ()
    return Setting(things, tip, protected, sigma=rng.choice([0.001, 0.005]))


def beside(rng: np.random.Generator) -> Setting:
    """The pusher crosses beside an obstacle, within a centimeter of touching it."""
    target, _, _ = push_of(rng, 0.1)
    half, angle = cube(rng), rng.uniform(0.0, 2.0 * np.pi)
    obstacle = box(0.35, 0.25, half, angle)
    normal = np.array([np.cos(angle), np.sin(angle), 0.0])
    along = np.array([-normal[1], normal[0], 0.0])
    off = half[0] + LIMITS.tool_radius + rng.uniform(-0.01, 0.01)
    place = np.array([0.35, 0.25, TABLE + 0.02]) + normal * off
    tip = line(place - along * 0.1, along * 0.2)
    return Setting([target, obstacle], tip, (1,) if rng.random() < 0.5 else ())


def thin(rng: np.random.Generator) -> Setting:
    """A wall between two samples of a coarse plan, so that no sample is near it."""
    target, _, _ = push_of(rng, 0.1)
    wall = box(0.35, 0.25, np.array([0.002, rng.uniform(0.02, 0.1), 0.05]))
    y = 0.25 + rng.uniform(-0.15, 0.15)
    tip = np.array([[0.35 + x, y, TABLE + 0.02] for x in (-0.135, -0.045, 0.045, 0.135)])
    tip[:, 0] += rng.uniform(-0.01, 0.01)
    return Setting([target, wall], tip, (1,) if rng.random() < 0.5 else (), interval=0.4)


def toward_protected(rng: np.random.Generator) -> Setting:
    """Something is pushed until it is within two centimeters of a protected thing, or into it."""
    length = rng.uniform(0.05, 0.15)
    target, tip, ahead = push_of(rng, length)
    half = cube(rng)
    yaw = rng.uniform(0.0, 3.0) if rng.random() < 0.5 else target[2]
    off = target[1][0] + half[0] + length - 0.004 + rng.uniform(-0.02, 0.06)
    aside = np.array([-ahead[1], ahead[0], 0.0]) * rng.uniform(-0.05, 0.05)
    place = target[0] + ahead * off + aside
    guarded = box(place[0], place[1], half, yaw)
    return Setting([target, guarded], tip, (1,), sigma=rng.choice([0.001, 0.003]))


def chain(rng: np.random.Generator) -> Setting:
    """Something pushes something that pushes something protected."""
    length = rng.uniform(0.05, 0.12)
    target, tip, ahead = push_of(rng, length)
    things, reach = [target], target[1][0]
    place = target[0].copy()
    links = int(rng.integers(1, 3))
    for link in range(links + 1):
        half = cube(rng)
        gap = rng.uniform(0.0, 0.04) if link else length + rng.uniform(-0.04, 0.01)
        place = place + ahead * (reach + half[0] + max(gap, 0.001))
        things.append(box(place[0], place[1], half, target[2]))
        reach = half[0]
    return Setting(things, tip, (links + 1,), honest=rng.random() < 0.7)


def stacked(rng: np.random.Generator) -> Setting:
    """A protected thing stands on what is pushed, or on what that pushes."""
    length = rng.uniform(0.03, 0.1)
    target, tip, ahead = push_of(rng, length)
    things, base = [target], target
    if rng.random() < 0.5:
        half = cube(rng)
        off = target[1][0] + half[0] + length + rng.uniform(-0.03, 0.02)
        base = box(*(target[0] + ahead * off)[:2], half, target[2])
        things.append(base)
    top = np.array([0.015, 0.015, 0.03])
    guarded = box(base[0][0], base[0][1], top, base[2], above=2.0 * base[1][2])
    return Setting([*things, guarded], tip, (len(things),))


def denying(rng: np.random.Generator) -> Setting:
    """The plan says that nothing moves, and pushes its target into something."""
    made = toward_protected(rng)
    return replace(made, honest=False)


def _body(x: float, y: float, facing: float) -> Floats:
    """(17, 3) joints of somebody who stands upright."""
    side = np.array([-np.sin(facing), np.cos(facing)]) * 0.2
    sign = {"left": 1.0, "right": -1.0}
    rows = []
    for joint in JOINTS:
        part = joint.split("_")
        shift = side * sign[part[0]] if len(part) > 1 else side * 0.0
        rows.append([x + shift[0], y + shift[1], _HEIGHTS[part[-1]]])
    return np.array(rows)


def _walker(rng: np.random.Generator, tip: Floats) -> tuple[Floats, Floats, Floats]:
    angle, speed = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.0, 1.5)
    distance = rng.uniform(0.5, 2.2)
    place = tip[len(tip) // 2, :2] - distance * np.array([np.cos(angle), np.sin(angle)])
    aim = angle + rng.normal(0.0, 0.3)
    joints = _body(*place, aim)
    velocity = np.tile([speed * np.cos(aim), speed * np.sin(aim), 0.0], (17, 1))
    return joints, velocity, np.zeros((17, 3))


def walks_in(rng: np.random.Generator) -> Setting:
    """Somebody walks over to the table, or past it."""
    return replace(nominal(rng), person=_walker, protected=())


def starts(rng: np.random.Generator) -> Setting:
    """Somebody starts to walk or reach as fast as people are taken to be able to."""

    def being(rng: np.random.Generator, tip: Floats) -> tuple[Floats, Floats, Floats]:
        joints, velocity, still = _walker(rng, tip)
        velocity = velocity * rng.choice([0.0, 0.5])
        joints[:, :2] += rng.uniform(0.0, 0.8) * (tip.mean(axis=0) - joints[0])[:2]
        to = tip.mean(axis=0) - joints
        to /= np.linalg.norm(to, axis=1, keepdims=True)
        moving = np.ones((17, 1)) if rng.random() < 0.5 else np.zeros((17, 1))
        moving[[7, 9]] = 1.0
        return joints, velocity, still + LIMITS.person_acceleration * to * moving

    made = replace(nominal(rng), person=being, protected=())
    return replace(made, tip=made.tip[: round(LIMITS.soon / _DELTA) + 1])


def arm_unseen(rng: np.random.Generator) -> Setting:
    """Somebody whose arm is over the table, where no camera sees it."""

    def being(rng: np.random.Generator, tip: Floats) -> tuple[Floats, Floats, Floats]:
        joints, _, still = _walker(rng, tip)
        joints[:, :2] += rng.uniform(0.0, 0.9) * (tip.mean(axis=0) - joints[0])[:2]
        to = tip[rng.integers(len(tip))] + rng.normal(0.0, 0.1, 3) - joints[5]
        to /= np.linalg.norm(to)
        joints[7] = joints[5] + to * 0.3
        joints[9] = joints[7] + to * 0.25
        return joints, np.zeros((17, 3)), still

    return replace(nominal(rng), person=being, blind=(7, 9), protected=())


def appears(rng: np.random.Generator) -> Setting:
    """Somebody is seen for the first time, and walks already."""
    return replace(walks_in(rng), seen_before=False)


def edges(rng: np.random.Generator) -> Setting:
    """The way leads over the edge of the workspace, or just not."""
    target, tip, ahead = push_of(rng, rng.uniform(0.1, 0.2))
    reach = (0.6 if abs(ahead[0]) > abs(ahead[1]) else 0.45) - rng.uniform(0.0, 0.2)
    shift = ahead * reach - target[0] * [1.0, 1.0, 0.0]
    target = (target[0] + shift * [1.0, 1.0, 0.0], target[1], target[2])
    return Setting([target], tip + shift * [1.0, 1.0, 0.0])


def hurries(rng: np.random.Generator) -> Setting:
    """A little too fast, or too jerky, or just not."""
    target, _, _ = push_of(rng, 0.1)
    free = np.array([-0.5, -0.4, 1.0])
    steps = 8
    speed = LIMITS.speed * rng.uniform(0.9, 1.1)
    way = np.arange(steps + 1) * _DELTA * speed
    way[0] = 0.0
    tip = free + np.outer(way, [1.0, 0.0, 0.0])
    begin = np.array([speed - LIMITS.acceleration * _DELTA * rng.uniform(0.5, 1.5), 0.0, 0.0])
    return Setting([target], tip, begin_velocity=begin)


def stale(rng: np.random.Generator) -> Setting:
    """What is believed is too old to say where things are."""
    age = LIMITS.max_age + rng.uniform(0.01, 5.0)
    return replace(nominal(rng), age=age, unsafe_anyway="states too old")


def damaged(rng: np.random.Generator) -> Setting:
    """Numbers that are none, and arrays of the wrong length."""

    def poked(values: Floats) -> Floats:
        values = np.array(values, dtype=float)
        place = tuple(rng.integers(n) for n in values.shape)
        values[place] = rng.choice([np.nan, np.inf, -np.inf])
        return values

    changes: list[Callable[[Plan], Plan]] = [
        lambda p: replace(p, tip=poked(p.tip)),
        lambda p: replace(p, velocity=poked(p.velocity)),
        lambda p: replace(p, predicted={k: poked(v) for k, v in p.predicted.items()}),
        lambda p: replace(p, deviation={k: poked(v) for k, v in p.deviation.items()}),
        lambda p: replace(p, cost=float(rng.choice([np.nan, np.inf]))),
        lambda p: replace(p, physics_residual=float("nan")),
        lambda p: replace(p, tip=p.tip[:-1]),
        lambda p: replace(p, velocity=p.velocity[1:]),
        lambda p: replace(p, velocity=p.velocity[:0], tip=p.tip[:1]),
        lambda p: replace(p, predicted={}),
        lambda p: replace(p, predicted={k: v[:-1] for k, v in p.predicted.items()}),
        lambda p: replace(p, interval=float(rng.choice([0.0, -0.1, np.nan, np.inf]))),
        lambda p: replace(p, object_id="o99"),
        lambda p: replace(p, tip=p.tip + 0.05),
        lambda p: replace(p, velocity=-p.velocity),
    ]
    change = changes[int(rng.integers(len(changes)))]
    return replace(nominal(rng), change=change, unsafe_anyway="no plan")


GENERATORS: dict[str, Callable[[np.random.Generator], Setting]] = {
    "things anywhere": nominal,
    "close beside an obstacle": beside,
    "a wall between two samples": thin,
    "toward a protected object": toward_protected,
    "a chain to a protected object": chain,
    "a protected object on top": stacked,
    "the plan denies what it pushes": denying,
    "a person walks in": walks_in,
    "a person starts to move": starts,
    "an arm that no camera sees": arm_unseen,
    "a person who just appeared": appears,
    "over the edge": edges,
    "too fast": hurries,
    "old states": stale,
    "numbers that are none": damaged,
}


def trials(kind: str, each: int, seed: int = 0) -> Iterator[Trial]:
    """So many plans of a kind; the same seed gives the same plans."""
    rng = np.random.default_rng((seed, list(GENERATORS).index(kind)))
    for _ in range(each):
        yield trial(kind, GENERATORS[kind](rng), rng)
