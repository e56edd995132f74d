"""Simulated episodes with true causes, for questions to memories.

On a table objects are pushed by a robot and carried by a person, often at the same time; pushed
objects run into others. Now and then the camera looks away, and something is moved or taken.
What truly caused what is found by running each step again without an action or without an object:
whoever's absence stops a motion is its cause. An observer with noise turns the rest into the scene
states that a tracker would give.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.calibration import Calibration
from perception_nodes.scene import Influence
from perception_simulation.model import PUSHER
from perception_simulation.specification import (
    Box,
    CameraKey,
    Carry,
    MovingCamera,
    Object,
    Push,
    Scene,
)
from perception_simulation.world import World

SECOND = 1_000_000_000
RATE = 10
ROBOT, PERSON = "robot", "person"
_LONG = 1e6  # s; the scene's length, of which only a part is run
_AREA = (0.46, 0.34)  # m, half of the part of the table that is used
_HEIGHT = 0.73
_TRUE_MOVE = 0.01  # m
_BYSTANDERS = 0.4  # share of pushes with one
_SHORTLY = 0.3  # s
_THRESHOLD = Calibration().influence  # m, from which the world model tells of an influence
_STOPPED = 0.3  # share of a motion; what is left of it without its cause is less


@dataclass(frozen=True, slots=True)
class Action:
    """Something an agent did; `told` says whether the log may know."""

    name: str
    agent: str
    target: str
    stamp: int
    told: bool

    @property
    def acts(self) -> bool:
        """Whether it takes part in the physics."""
        return not self.name.startswith("touch")


@dataclass(frozen=True, slots=True)
class Course:
    """Motion of a step: (T,) seconds, by object (T, 3) meters, and whom the pusher touched."""

    times: Floats
    positions: dict[str, Floats]
    pushed: list[set[str]]


@dataclass(slots=True)
class Step:
    """A stretch between two times of rest, with the truth about it."""

    start: int
    end: int
    seen: bool
    actions: list[Action]
    before: dict[str, Floats]
    after: dict[str, Floats]
    by_action: dict[str, set[str]] = field(default_factory=dict)  # moved object -> actions
    by_object: dict[str, set[str]] = field(default_factory=dict)  # moved object -> direct movers
    shares: list[Influence] = field(default_factory=list)
    model_like: list[Influence] = field(default_factory=list)  # as `cjepa.influence` tells them
    removed: str = ""
    path: Course | None = None

    def moving(self, name: str, stamp: int) -> bool:
        """Whether an object truly moved within half a second of a time."""
        assert self.path is not None
        near = np.abs(self.path.times * SECOND - stamp) <= SECOND / 2
        places = self.path.positions.get(name, np.zeros((0, 3)))[near[: len(self.path.times)]]
        return len(places) > 0 and float(np.ptp(places, axis=0).max()) > _TRUE_MOVE / 2


class Table:
    """The world of one episode, step by step.

    Args:
        seed: Everything follows from it.
        count: How many objects there are.
    """

    def __init__(self, seed: int, count: int = 14) -> None:
        self.rng = np.random.default_rng(seed)
        self._numbers = {"push": 0, "carry": 0, "touch": 0}
        objects = tuple(self._objects(count))
        camera = MovingCamera((CameraKey(0.0, (-0.7, 0.0, 1.3), (0.0, 0.0, _HEIGHT)),))
        # A carry far in the future of each object: the model then has a hand for it.
        carries = tuple(
            Carry(f"never_{o.name}", o.name, (0.0, 1.0, 1.2), (0.0, 0.0), _LONG - 10, 5.0)
            for o in objects
        )
        pushes = (Push("never", (-0.5, -0.4), (-0.4, -0.4), _LONG - 10, 1.0),)
        scene = Scene(objects, (camera,), pushes=pushes, carries=carries, duration=_LONG)
        self.scene = scene
        self.world = World(scene)
        self.world.advance(1.0)

    def step(self) -> tuple[Step, Course]:
        """One step: what is true of it, and how the objects moved."""
        kind = self.rng.choice(["together", "push", "away push", "away carry", "taken"],
                               p=[0.55, 0.2, 0.1, 0.12, 0.03])  # fmt: skip
        begin = round(self.world.time, 3)
        pushes, carries = self._plan(kind, begin)
        ends = [p.start + p.duration + 1.2 for p in pushes]
        ends += [c.start + c.duration for c in carries]
        end = max([*ends, begin + 1.5]) + 1.0
        self._extend(pushes, carries)
        told = not kind.startswith("away c")
        actions = [
            self._action(p.name, ROBOT, self._target(p), p.start - 1.0, True) for p in pushes
        ]
        actions += [self._action(c.name, PERSON, c.object, c.start, told) for c in carries]
        seen = kind in ("together", "push")
        if pushes and self.rng.random() < _BYSTANDERS:
            actions.append(self._touch(actions[0]))
        step = Step(self._stamp(begin), self._stamp(end), seen, actions, self._places(), {})
        if kind == "taken":
            step.removed = str(self.rng.choice(list(self.world.present)))
            self.world = self.world.branch({step.removed})
        before = self.world.branch(())
        path = _follow(self.world, end)
        step.path = path
        self._causes(step, before, path, end)
        step.after = self._places()
        return step, path

    def _action(self, name: str, agent: str, target: str, time: float, told: bool) -> Action:
        return Action(name, agent, target, self._stamp(time), told)

    def _touch(self, push: Action) -> Action:
        """A person lays a hand on what is pushed, without any force: a bystander."""
        self._numbers["touch"] += 1
        stamp = push.stamp + self._stamp(float(self.rng.uniform(0.8, 1.6)))
        return Action(f"touch_{self._numbers['touch']}", PERSON, push.target, stamp, True)

    def _stamp(self, time: float) -> int:
        return round(time * SECOND)

    def _places(self) -> dict[str, Floats]:
        return {n: self.world.motion(n).pose.translation for n in self.world.present}

    def _objects(self, count: int) -> Iterator[Object]:
        placed: list[Floats] = []
        while len(placed) < count:
            spot = self.rng.uniform(-1, 1, 2) * (np.array(_AREA) * 0.5)
            if all(np.linalg.norm(spot - other) > 0.085 for other in placed):
                placed.append(spot)
        for index, spot in enumerate(placed):
            size = tuple(float(v) for v in self.rng.uniform(0.045, 0.065, 3).round(3))
            mass = float(self.rng.uniform(0.1, 0.4))
            place = (float(spot[0]), float(spot[1]))
            yield Object(f"o{index + 1}", Box(size), place, mass=mass)  # type: ignore[arg-type]

    def _on_table(self) -> list[str]:
        return [
            name
            for name, place in self._places().items()
            if place[2] > _HEIGHT - 0.05 and (np.abs(place[:2]) < _AREA).all()
        ]

    def _plan(self, kind: str, begin: float) -> tuple[list[Push], list[Carry]]:
        names = self._on_table()
        self.rng.shuffle(names)
        pushes, carries = [], []
        if kind in ("together", "push", "away push"):
            for name in names[:4]:
                if (push := self._push(name, begin + 1.2)) is not None:
                    pushes.append(push)
                    names.remove(name)
                    break
        if kind in ("together", "away carry") and names:
            start = begin + (float(self.rng.uniform(0.4, 1.8)) if pushes else 0.5)
            carries.append(self._carry(names[0], round(start, 3)))
        return pushes, carries

    def _push(self, name: str, start: float) -> Push | None:
        places = self._places()
        middle = places[name][:2]
        others = [place[:2] for other, place in places.items() if other != name]
        for _ in range(12):
            angle = self.rng.uniform(-math.pi, math.pi)
            way = np.array([math.cos(angle), math.sin(angle)])
            origin = middle - 0.075 * way
            travel = float(self.rng.uniform(0.14, 0.26))
            target = origin + travel * way
            free = all(np.linalg.norm(origin - other) > 0.065 for other in others)
            if free and (np.abs(target) < np.array(_AREA) * 0.9).all():
                self._numbers["push"] += 1
                return Push(f"push_{self._numbers['push']}", _pair(origin), _pair(target), start,
                            round(travel / 0.12, 3))  # fmt: skip
        return None

    def _target(self, push: Push) -> str:
        """Whom the pusher is aimed at."""
        places = self._places()
        origin = np.array(push.origin)
        return min(places, key=lambda name: float(np.linalg.norm(places[name][:2] - origin)))

    def _carry(self, name: str, start: float) -> Carry:
        others = [place[:2] for other, place in self._places().items() if other != name]
        for _ in range(50):
            spot = self.rng.uniform(-1, 1, 2) * np.array(_AREA) * 0.8
            if all(np.linalg.norm(spot - other) > 0.1 for other in others):
                break
        self._numbers["carry"] += 1
        away = (float(spot[0]), float(spot[1]) + 0.1, _HEIGHT + 0.35)
        return Carry(f"carry_{self._numbers['carry']}", name, away, _pair(spot), start, 4.0)

    def _extend(self, pushes: Sequence[Push], carries: Sequence[Carry]) -> None:
        """Go on from this moment with a longer script."""
        # Old entries are over, and a carry that is over can't begin again.
        scene = replace(
            self.scene,
            pushes=(*self.scene.pushes[:1], *pushes),
            carries=(*self.scene.carries[: len(self.scene.objects)], *carries),
        )
        gone = {o.name for o in scene.objects} - set(self.world.present)
        world = World(scene, copy.copy(self.world.model))
        world.restore(self.world.snapshot())
        world._removed = frozenset(gone)
        self.scene, self.world = scene, world

    def _causes(self, step: Step, before: World, path: Course, end: float) -> None:
        """Run the step again without each action and each object that moved."""
        onsets = {n: t for n, p in path.positions.items() if (t := _onset(p)) is not None}
        without = {
            key: _follow(before.branch({key}), end)
            for key in [*(a.name for a in step.actions if a.acts), *sorted(onsets)]
        }
        # Without a bystander all is as it was.
        without |= {a.name: path for a in step.actions if not a.acts}
        stops: dict[str, set[str]] = {}
        for name, onset in onsets.items():
            # How far it came shortly after it set off: later on others could have moved it too.
            until = min(onset + round(_SHORTLY * RATE), len(path.times) - 1)
            way = _way(path, name, until)
            left = {
                key: min(1.0, _way(other, name, until) / way)
                for key, other in without.items()
                if key != name
            }
            step.by_action[name] = {a.name for a in step.actions if left[a.name] < _STOPPED}
            stops[name] = {o for o in onsets if o != name and left[o] < _STOPPED}
            step.model_like += _as_model(step, name, path, without, until)
            for agent in {a.agent for a in step.actions}:
                least = min(left[a.name] for a in step.actions if a.agent == agent)
                step.shares.append(Influence(agent, name, 1.0 - least, 0.0))
            for other in sorted(onsets.keys() - {name}):
                step.shares.append(Influence(other, name, 1.0 - left[other], 0.0))
        for name, sources in stops.items():
            indirect = {far for near in sources for far in stops[near] if name not in stops[far]}
            step.by_object[name] = sources - indirect


def _as_model(
    step: Step, name: str, path: Course, without: dict[str, Course], until: int
) -> Iterator[Influence]:
    """Who moved an object: only those above the threshold, with strengths as the model's."""
    agents = {a.name: a.agent for a in step.actions}
    for key, other in without.items():
        if key == name or name not in other.positions:
            continue
        away = float(np.linalg.norm(path.positions[name][until] - other.positions[name][until]))
        if away > _THRESHOLD:
            yield Influence(agents.get(key, key), name, away / (away + _THRESHOLD), 0.0)


def _pair(values: Floats) -> tuple[float, float]:
    return round(float(values[0]), 4), round(float(values[1]), 4)


def _onset(positions: Floats) -> int | None:
    """The first sample in which an object is not where it was, if it truly moves."""
    far = np.linalg.norm(positions - positions[0], axis=1)
    return int(np.argmax(far > _TRUE_MOVE)) if far.max() > _TRUE_MOVE else None


def _way(path: Course, name: str, until: int) -> float:
    """How far an object is at a sample from where it began, meters."""
    positions = path.positions.get(name)
    return 0.0 if positions is None else float(np.linalg.norm(positions[until] - positions[0]))


def _follow(world: World, end: float) -> Course:
    """Positions at `RATE`, from now on."""
    begin = world.time
    world.advance(begin)  # a fresh branch does not know yet where its bodies are
    times = np.arange(math.floor(begin * RATE) + 1, math.floor(end * RATE) + 1) / RATE
    names = world.present
    rows: dict[str, list[Floats]] = {name: [world.motion(name).pose.translation] for name in names}
    pushed: list[set[str]] = [set()]
    for time in times:
        world.advance(float(time))
        for name in names:
            rows[name].append(world.motion(name).pose.translation)
        pushed.append({name for pair in world.touching() if PUSHER in pair for name in pair})
    positions = {name: np.array(row) for name, row in rows.items()}
    return Course(np.array([begin, *times]), positions, pushed)
