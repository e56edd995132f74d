"""Plans that try to get past the verification, each with the world as it truly is.

What is believed differs from what is true by up to as many standard deviations as the limits count;
people truly accelerate by up to what the limits take them to be able to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from pushing_truth import STEP, Being, Table, _push, _supports, harm

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.case import Limits
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.planner.people import BONES, JOINTS, RADII
from perception_nodes.scene import ObjectState, Person, Plan, PlanStatus, Visibility

LIMITS = Limits()
TABLE = 0.7
NOW = 50_000_000_000
_DELTA = 0.1
_HEIGHTS = {
    "nose": 1.6, "eye": 1.65, "ear": 1.62, "shoulder": 1.4, "elbow": 1.15, "wrist": 0.95,
    "hip": 0.95, "knee": 0.5, "ankle": 0.1,
}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """A plan, what is believed, and what it would truly do: `harm` is empty if it is safe.

    `history` are situations seen before, from which motions of people are known.
    """

    kind: str
    plan: Plan
    situation: Situation
    goal: Goal
    protected: frozenset[str]
    harm: str
    begins: int = NOW
    history: tuple[Situation, ...] = ()


@dataclass
class Setting:
    """What a generator makes: objects as (center, half extents, yaw), a tip's way, and the rest."""

    things: list[tuple[Floats, Floats, float]]
    tip: Floats
    protected: tuple[int, ...] = ()
    interval: float = _DELTA
    sigma: float = 0.001
    honest: bool = True
    person: Callable[[np.random.Generator, Floats], tuple[Floats, Floats, Floats]] | None = None
    seen_before: bool = True
    blind: tuple[int, ...] = ()
    age: float = 0.0
    begin_velocity: Floats | None = None
    change: Callable[[Plan], Plan] | None = None
    unsafe_anyway: str = ""


Generator = Callable[[np.random.Generator], Setting]


def trial(kind: str, setting: Setting, rng: np.random.Generator) -> Trial:
    """Put a setting into words that the verifier understands, and find out the truth."""
    count = len(setting.things)
    true = np.array([t[0] for t in setting.things])
    half = np.array([t[1] for t in setting.things])
    yaws = np.array([t[2] for t in setting.things])
    believed = true + _within(rng, (count, 3), LIMITS.sigmas * setting.sigma) * [1.0, 1.0, 0.0]
    states = tuple(
        _state(f"o{n}", believed[n], half[n], float(yaws[n]), setting.sigma) for n in range(count)
    )
    table = _table(setting, true, half, yaws)
    tip = setting.tip
    velocity = np.diff(tip, axis=0) / setting.interval
    before = velocity[0] if setting.begin_velocity is None else setting.begin_velocity
    predicted = _predictions(setting, replace_centers(table, believed), tip)
    people, history, being = _people(setting, rng)
    table.beings = (being,) if being is not None else ()
    did = harm(table, tip, velocity, setting.interval, before)
    plan = Plan(
        stamp=NOW,
        object_id="o0",
        interval=setting.interval,
        tip=tip,
        velocity=velocity,
        predicted=predicted,
        deviation={name: np.full(len(tip), setting.sigma) for name in predicted},
        cost=1.0,
        physics_residual=0.0,
        iterations=1,
        deadline_used=0.5,
        status=PlanStatus.RUNNING,
    )
    if setting.change is not None:
        plan = setting.change(plan)
    stamp = NOW - round(setting.age * 1e9)
    now = Situation(stamp, states, people, (), tip[0].copy(), before)
    seen = tuple(replace(now, people=(p,), stamp=p.stamp) for p in history)
    goal = Goal("o0", Pose(np.eye(3), believed[0]))
    guarded = frozenset(f"o{n}" for n in setting.protected)
    return Trial(kind, plan, now, goal, guarded, setting.unsafe_anyway or did, NOW, seen)


def _table(setting: Setting, centers: Floats, half: Floats, yaws: Floats) -> Table:
    return Table(
        centers=centers,
        half=half,
        yaws=yaws,
        target=0,
        protected=setting.protected,
        low=np.array(LIMITS.low),
        high=np.array(LIMITS.high),
        radius=LIMITS.tool_radius,
        length=LIMITS.tool_length,
        speed=LIMITS.speed,
        acceleration=LIMITS.acceleration,
        person_distance=LIMITS.person_distance,
        radii=RADII,
        bones=tuple(BONES),
    )


def replace_centers(table: Table, centers: Floats) -> Table:
    """The world as it is believed to be."""
    return replace(table, centers=centers.copy())


def _predictions(setting: Setting, table: Table, tip: Floats) -> dict[str, Floats]:
    """What the world of the truth would do from where it is believed to be; or that all rests."""
    centers = table.centers.copy()
    course = np.zeros((len(centers), len(tip), 4))
    supports = _supports(table)
    per = round(setting.interval / STEP)
    for k in range(len(tip)):
        course[:, k, :3], course[:, k, 3] = centers, table.yaws
        if k + 1 < len(tip) and setting.honest:
            for share in np.arange(1, per + 1) / per:
                _push(table, centers, tip[k] + share * (tip[k + 1] - tip[k]), supports)
    moved = np.abs(course - course[:, :1]).max(axis=(1, 2)) > 1e-4
    return {f"o{n}": course[n] for n in range(len(centers)) if moved[n] or n == 0}


def _people(
    setting: Setting, rng: np.random.Generator
) -> tuple[tuple[Person, ...], list[Person], Being | None]:
    """Who is believed to be there, how that was seen before, and who truly is."""
    if setting.person is None:
        return (), [], None
    joints, velocities, accelerations = setting.person(rng, setting.tip)
    spread = 0.005
    seen = []
    for ago in (0.4, 0.3, 0.2, 0.1, 0.0) if setting.seen_before else (0.0,):
        noisy = (
            joints - velocities * ago + rng.normal(0.0, spread, joints.shape).clip(-spread, spread)
        )
        noisy[list(setting.blind)] = np.nan
        covariances = np.tile(np.eye(3) * spread**2, (17, 1, 1))
        stamp = NOW - round(ago * 1e9)
        args = (covariances, np.zeros(17), np.zeros(16))
        seen.append(Person("p", stamp, JOINTS, noisy, *args))
    being = Being(joints, velocities, accelerations, LIMITS.soon)
    return (seen[-1],), seen[:-1], being


def _within(rng: np.random.Generator, shape: tuple[int, ...], reach: float) -> Floats:
    """Vectors within a circle of that radius in x and y."""
    angle, size = rng.uniform(0.0, 2.0 * np.pi, shape[0]), reach * np.sqrt(rng.random(shape[0]))
    return np.stack([size * np.cos(angle), size * np.sin(angle), 0.0 * size], axis=-1)


def _state(name: str, center: Floats, half: Floats, yaw: float, sigma: float) -> ObjectState:
    c, s = np.cos(yaw), np.sin(yaw)
    covariance = np.diag([sigma**2] * 3 + [1e-10] * 3)
    return ObjectState(
        id=name,
        stamp=NOW,
        pose=Pose(np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]), center),
        pose_covariance=covariance,
        velocity=np.zeros(3),
        angular_velocity=np.zeros(3),
        twist_covariance=np.eye(6) * 1e-4,
        size=2.0 * half,
        visibility=Visibility.VISIBLE,
        first_seen=0,
        last_seen=NOW,
        existence=0.99,
    )


# Generators.


def box(x: float, y: float, half: Floats, yaw: float = 0.0, above: float = 0.0) -> tuple:
    """An object on the table, or above it."""
    return np.array([x, y, TABLE + half[2] + above]), half, yaw


def line(start: Floats, way: Floats, steps: int = 12) -> Floats:
    """(T + 1, 3) from rest to rest."""
    share = np.linspace(0.0, 1.0, steps + 1)
    return start + (share * share * (3.0 - 2.0 * share))[:, None] * way


def cube(rng: np.random.Generator, low: float = 0.02, high: float = 0.05) -> Floats:
    """Half extents."""
    return rng.uniform(low, high, 3)


def push_of(rng: np.random.Generator, length: float) -> tuple[tuple, Floats, Floats]:
    """A target, the pusher's way that pushes it along a random direction, and that direction."""
    angle, half = rng.uniform(0.0, 2.0 * np.pi), cube(rng)
    ahead = np.array([np.cos(angle), np.sin(angle), 0.0])
    x, y = rng.uniform(-0.15, 0.15, 2)
    target = box(x, y, half, angle)
    back = half[0] + LIMITS.tool_radius + 0.004
    start = np.array([x, y, TABLE + 0.015]) - ahead * back
    return target, line(start, ahead * length), ahead


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


GENERATORS: dict[str, Generator] = {
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
