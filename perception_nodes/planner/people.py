"""Where people may be soon: capsules around their limbs that go on as they move, and widen.

A joint goes on with its velocity. Around that place its part of the body lies within

    r(t) = part + k sigma_x + min(k sigma_v t + a min(t, t_c)^2 / 2, (|v| + v_most) t),

t being the time since it was seen: what is uncertain, what it may do until the plan is verified
anew (t_c), and never more than a person can move. `v_most` is the speed at which ISO 13855 lets
the parts of a body approach a machine that is near.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.scene import Person

MOST_SPEED = 2.0
"""How fast a part of a body may move, m/s."""
_WINDOW_NS = 400_000_000

_SIDED = {
    # part: (radius, name of the joint nearer to the trunk, longest bone to it); meters
    "eye": (0.16, "nose", 0.1),
    "ear": (0.16, "eye", 0.15),
    "shoulder": (0.16, "nose", 0.4),
    "elbow": (0.1, "shoulder", 0.42),
    "wrist": (0.22, "elbow", 0.35),
    "hip": (0.18, "shoulder", 0.65),
    "knee": (0.12, "hip", 0.55),
    "ankle": (0.28, "knee", 0.55),
}
_ACROSS = {"shoulder": 0.5, "hip": 0.45}


def _skeleton() -> tuple[tuple[str, ...], Floats, list[tuple[int, int]], Floats]:
    """Names in COCO order, radii of the parts, bones, and longest ways from joint to joint."""
    names = ("nose", *(f"{side}_{part}" for part in _SIDED for side in ("left", "right")))
    index = {name: k for k, name in enumerate(names)}
    radii = np.array([0.16, *(radius for radius, _, _ in _SIDED.values() for _ in range(2))])
    ways = np.full((len(names), len(names)), np.inf)
    np.fill_diagonal(ways, 0.0)
    bones = []
    for part, (_, inner, length) in _SIDED.items():
        for side in ("left_", "right_"):
            start = inner if inner == "nose" else side + inner
            bones.append((index[start], index[side + part], length))
    for part, length in _ACROSS.items():
        bones.append((index[f"left_{part}"], index[f"right_{part}"], length))
    for a, b, length in bones:
        ways[a, b] = ways[b, a] = length
    for k in range(len(names)):
        ways = np.minimum(ways, ways[:, k, None] + ways[None, k])
    return names, radii, [(a, b) for a, b, _ in bones], ways


JOINTS, RADII, BONES, _WAYS = _skeleton()
"""COCO's joints; radii (17,) that hold hands, feet and head; bones as pairs of joints."""


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A person as last seen, and how it moves.

    Attributes:
        id: Of the person.
        stamp: When it was seen, ns.
        joints: (17, 3), of an unknown joint the nearest known one; world frame.
        velocities: (17, 3).
        radii: (17,) of the parts; of an unknown joint widened by how far it can be away.
        spread: (17,) standard deviation of the place, m, in the worst direction.
        speed_spread: (17,) that of the velocity, m/s; infinite where it was seen only once.
    """

    id: str
    stamp: int
    joints: Floats
    velocities: Floats
    radii: Floats
    spread: Floats
    speed_spread: Floats

    def places(self, times: Floats) -> Floats:
        """(n, 17, 3) at times (n,), s since it was seen."""
        return np.asarray(self.joints + times[:, None, None] * self.velocities)

    def reach(self, times: Floats, sigmas: float, acceleration: float, soon: float) -> Floats:
        """(n, 17) radius around `places` at times (n,), s since it was seen; never falls.

        Args:
            times: (n,), not negative.
            sigmas: How many standard deviations count.
            acceleration: What a person is taken to be able to, m/s^2.
            soon: For how long that counts, s.
        """
        t = times[:, None]
        drifts = np.minimum(sigmas * self.speed_spread, self._most()) * t
        wanders = drifts + acceleration * np.minimum(t, soon) ** 2 / 2.0
        least = np.minimum(wanders, self._most() * t)
        return np.asarray(self.radii + sigmas * self.spread + least)

    def reach_rate(self, sigmas: float, acceleration: float, soon: float) -> Floats:
        """(17,) upper bound of how fast `reach` grows, m/s."""
        drifts, most = sigmas * self.speed_spread, self._most()
        wanders = np.maximum(drifts + acceleration * soon, most)
        return np.asarray(np.where(drifts >= most, most, wanders))

    def _most(self) -> Floats:
        return np.asarray(np.linalg.norm(self.velocities, axis=-1) + MOST_SPEED)


class PeopleMotion:
    """Follows people from message to message, to know how fast they move.

    The velocity of a joint is the slope of a line through its places in the last 0.4 s.
    """

    def __init__(self) -> None:
        self._seen: dict[str, deque[Person]] = {}

    def update(self, people: Iterable[Person]) -> tuple[Body, ...]:
        """The bodies of those who are there now, in their order.

        Raises:
            ValueError: A person has other joints than COCO's, or none that is known.
        """
        present = {person.id: person for person in people}
        self._seen = {key: self._seen.get(key, deque()) for key in present}
        return tuple(self._body(person) for person in present.values())

    def _body(self, person: Person) -> Body:
        _check(person)
        seen = self._seen[person.id]
        if seen and person.stamp < seen[-1].stamp:
            seen.clear()
        if not seen or person.stamp > seen[-1].stamp:
            seen.append(person)
        while seen[-1].stamp - seen[0].stamp > _WINDOW_NS:
            seen.popleft()
        known = np.asarray(np.isfinite(person.joints).all(axis=-1))
        nearest = np.where(known[None, :], _WAYS, np.inf).argmin(axis=1)
        variance = np.full(len(JOINTS), np.inf)
        variance[known] = np.linalg.eigvalsh(person.covariances[known])[:, -1]
        velocities, speed_spread = _velocities(seen, variance)
        return Body(
            id=person.id,
            stamp=person.stamp,
            joints=person.joints[nearest],
            velocities=velocities[nearest],
            radii=RADII + _WAYS[np.arange(len(JOINTS)), nearest],
            spread=np.sqrt(np.maximum(variance[nearest], 0.0)),
            speed_spread=speed_spread[nearest],
        )


def _check(person: Person) -> None:
    if tuple(person.joint_names) != JOINTS or person.joints.shape != (len(JOINTS), 3):
        raise ValueError(f"the joints of person {person.id!r} are not the 17 of COCO")
    known = np.isfinite(person.joints).all(axis=-1)
    if not known.any():
        raise ValueError(f"no joint of person {person.id!r} is known")
    if person.covariances.shape != (len(JOINTS), 3, 3):
        raise ValueError(f"person {person.id!r} has covariances of another shape than its joints")
    if not np.isfinite(person.covariances[known]).all():
        raise ValueError(f"a covariance of person {person.id!r} is not finite")


def _velocities(seen: Iterable[Person], variance: Floats) -> tuple[Floats, Floats]:
    """(17, 3) slopes of lines through the places, and (17,) their standard deviations."""
    history = list(seen)
    times = np.array([(p.stamp - history[-1].stamp) * 1e-9 for p in history])
    places = np.stack([p.joints for p in history])
    weights = np.isfinite(places).all(axis=-1).astype(float)
    places = np.where(weights[..., None] > 0.0, places, 0.0)
    number = np.maximum(weights.sum(axis=0), 1.0)
    offset = times[:, None] - (weights * times[:, None]).sum(axis=0) / number
    moment = (weights * offset**2).sum(axis=0)
    seen_twice = moment > 0.0
    slope = (weights[..., None] * offset[..., None] * places).sum(axis=0)
    slope = np.where(seen_twice[:, None], slope / np.where(seen_twice, moment, 1.0)[:, None], 0.0)
    spread = np.sqrt(np.maximum(variance, 0.0) / np.where(seen_twice, moment, 1.0))
    return slope, np.where(seen_twice, spread, np.inf)
