"""What plans that attack the verification are made of: a setting, put into words, and its truth.

What is believed differs from what is true by up to as many standard deviations as the limits count;
people truly accelerate by up to what the limits take them to be able to.
"""

from __future__ import annotations

from collections.abc import Callable
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
