"""Mass and friction of objects, told from their size and from how they slide.

What slides freely slows down by friction times gravity, whatever its mass: friction is read from
the way on which it comes to rest. A push with a known velocity that ends tells as much as a throw.
Mass shows in nothing that one thing does by itself; an object is believed to weigh what things of
its size weigh. Beliefs are Gaussian in the logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.actors import Actor
from perception_nodes.cjepa.bodies import POSITION, VELOCITY, reach
from perception_nodes.cjepa.model import Bodies, gaps
from perception_nodes.scene import UNKNOWN_MASS, Gaussian, ObjectState

GRAVITY = 9.81
DENSITY = Gaussian(math.log(350.0), 0.6)
"""Log mass of a thing over the volume of its box, kg/m^3: from hollow to solid things."""
_FRICTIONS = np.exp(np.linspace(math.log(0.1), math.log(1.2), 26))
_ROLLING = 0.03
_SPEEDS = 32
_NOISE = 0.003
_DOUBT, _DOUBT_UNTOUCHED = 0.15, 0.5
_SLIDING = 0.1
_RESTING = 0.03
_NEAR = 0.012
_SEPARATING = 0.03
_LEVEL = 0.006
_REST_FRAMES = 3
_FRAMES = 4
_RELEASE, _LONG_AGO = 4, 1000
_GAP = 0.25
_TIP = 0.012
_NANOSECONDS = 1e-9


@dataclass(slots=True)
class _Slide:
    """How an object moves since nothing that is known touches it.

    Attributes:
        since: Frames since it was touched.
        course: Seconds and places (3,) since it slides freely.
        released: Whether something known let go of it just before.
        rested: Frames since it stopped.
    """

    since: int = _LONG_AGO
    released: bool = False
    course: list[tuple[float, Floats]] = field(default_factory=list)
    rested: int = 0


class PhysicsBeliefs:
    """Learns from object states as they come.

    A slide that begins where something known lets go, the robot or another object, is believed more
    than any other: a hand that nobody sees slows things down as it likes.
    """

    def __init__(self) -> None:
        self._friction: dict[str, Gaussian] = {}
        self._slides: dict[str, _Slide] = {}

    def reset(self) -> None:
        """Forget earlier frames, not what was learned."""
        self._slides = {}

    def update(
        self, states: Sequence[ObjectState], robot: Actor | None = None
    ) -> Mapping[str, tuple[Gaussian, Gaussian]]:
        """Take the states after a frame.

        Args:
            states: All objects.
            robot: What pushes them, if anything does.

        Returns:
            By id, log mass (kg) and log friction coefficient.
        """
        self._friction = {s.id: self._friction.get(s.id, s.log_friction) for s in states}
        bodies = Bodies.of([s for s in states if s.last_seen == s.stamp])
        touched = touched_by_something(bodies, robot)
        for k, name in enumerate(bodies.ids):
            place, velocity = bodies.states[k, POSITION], bodies.states[k, VELOCITY]
            moment = (states[0].stamp * _NANOSECONDS, place)
            self._note(name, moment, float(np.linalg.norm(velocity)), name in touched)
        for name in set(self._slides) - set(bodies.ids):
            self._finish(name)
            del self._slides[name]
        return {state.id: (mass_by_size(state), self._friction[state.id]) for state in states}

    def _note(self, name: str, moment: tuple[float, Floats], speed: float, touched: bool) -> None:
        slide = self._slides.setdefault(name, _Slide())
        if slide.course and not 0.0 < moment[0] - slide.course[-1][0] < _GAP:
            slide = self._slides[name] = _Slide()
        if touched or (slide.course and abs(moment[1][2] - slide.course[0][1][2]) > _LEVEL):
            self._finish(name)
        elif slide.course or speed > _SLIDING:
            slide.released |= slide.since <= _RELEASE and not slide.course
            slide.course.append(moment)
            slide.rested = slide.rested + 1 if speed < _RESTING else 0
            if slide.rested >= _REST_FRAMES:
                self._finish(name)
        slide.since = 0 if touched else slide.since + 1

    def _finish(self, name: str) -> None:
        """A free slide has ended."""
        slide = self._slides[name]
        if len(slide.course) >= _FRAMES and name in self._friction:
            doubt = _DOUBT if slide.released else _DOUBT_UNTOUCHED
            self._friction[name] = slid(self._friction[name], slide.course, doubt)
        slide.course, slide.rested, slide.released = [], 0, False


def mass_by_size(state: ObjectState) -> Gaussian:
    """What an object weighs as far as it was told, else as things of its size do; log kg."""
    if state.log_mass != UNKNOWN_MASS:
        return state.log_mass
    volume = float(np.prod(np.maximum(state.size, 0.005)))
    return Gaussian(math.log(volume) + DENSITY.mean, DENSITY.variance)


def touched_by_something(bodies: Bodies, robot: Actor | None) -> set[str]:
    """Ids of what may be touched: something is near, and does not move away from it."""
    found: set[str] = set()
    places, velocities = bodies.states[:, POSITION], bodies.states[:, VELOCITY]
    for i, j in zip(*np.nonzero(gaps(bodies) < _NEAR), strict=True):
        if _parting(places[j] - places[i], velocities[j] - velocities[i]) < _SEPARATING:
            found.add(bodies.ids[i])
    if robot is None:
        return found
    half = reach(bodies.states, bodies.size)
    away = np.abs(robot.tip - places)[:, :2] - half[:, :2]
    close = (away.max(axis=1) < _NEAR + _TIP) & (robot.tip[2] < places[:, 2] + half[:, 2])
    for k in np.flatnonzero(close):
        if _parting(places[k] - robot.tip, velocities[k] - robot.velocity) < _SEPARATING:
            found.add(bodies.ids[k])
    return found


def _parting(offset: Floats, velocity: Floats) -> float:
    """Speed with which two things part, level, m/s."""
    length = float(np.linalg.norm(offset[:2]))
    return float(offset[:2] @ velocity[:2]) / max(length, 1e-6)


def slid(
    belief: Gaussian, course: Sequence[tuple[float, Floats]], doubt: float = _DOUBT
) -> Gaussian:
    """The belief of log friction after a free slide.

    The way along the slide is s0 + v0 t - mu g t^2 / 2 until it stands still. The likelihood of mu
    is that of the best s0, summed over v0; a thing that rolls tells nothing.

    Args:
        belief: Before.
        course: Seconds and places (3,), at least four.
        doubt: How likely it is something else: an unseen touch, a tumble.
    """
    time = np.array([stamp for stamp, _ in course])
    place = np.array([p[:2] for _, p in course])
    time -= time[0]
    span = place[-1] - place[0]
    length = float(np.linalg.norm(span))
    if length < 2.0 * _NOISE:
        return belief
    way = (place - place[0]) @ (span / length)
    fits = np.array([_fit(mu * GRAVITY, time, way, length) for mu in (*_FRICTIONS, _ROLLING)])
    logs = np.log(_FRICTIONS)
    prior = -0.5 * (logs - belief.mean) ** 2 / belief.variance
    prior -= np.logaddexp.reduce(prior)
    joint = prior + fits[:-1]
    if fits[-1] > np.logaddexp.reduce(joint):
        return belief
    weight = np.exp(joint - np.logaddexp.reduce(joint))
    told = float(weight @ logs)
    mean = (1.0 - doubt) * told + doubt * belief.mean
    spread = float(weight @ (logs - mean) ** 2)
    before = belief.variance + (belief.mean - mean) ** 2
    return Gaussian(mean, (1.0 - doubt) * spread + doubt * before)


def _fit(slowing: float, time: Floats, way: Floats, length: float) -> float:
    """Log-likelihood of a deceleration, m/s^2."""
    end = float(time[-1])
    slowest = length / end
    fastest = max(slowest + slowing * end, math.sqrt(2.0 * slowing * length) * 1.5)
    speeds = np.linspace(0.5 * slowest, 1.2 * fastest, _SPEEDS)[:, None]
    moving = np.minimum(time[None], speeds / slowing)
    course = speeds * moving - 0.5 * slowing * moving**2
    off = way[None] - course
    off -= off.mean(axis=1, keepdims=True)
    return float(np.logaddexp.reduce(-0.5 * (off**2).sum(axis=1) / _NOISE**2))
