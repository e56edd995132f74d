"""Everyone who is there: persons found in views become bodies that persist."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.association import assign, strangers, untwist
from perception_nodes.embodmocap.body import TRUNK, Body
from perception_nodes.embodmocap.bones import Bones
from perception_nodes.embodmocap.consensus import believed
from perception_nodes.embodmocap.contacts import ENDS, Floor, Supports, contacts
from perception_nodes.embodmocap.interface import View
from perception_nodes.embodmocap.observation import Noise, Observation, gather, observe
from perception_nodes.embodmocap.rig import Correction
from perception_nodes.embodmocap.skeleton import COUNT, JOINTS, LENGTHS
from perception_nodes.embodmocap.start import guess, with_size
from perception_nodes.scene import Person

_TOGETHER_NS = 4_000_000
_OLDEST_NS = 300_000_000
_JUMP_NS = 1_000_000_000
_CONFIRMED = 3
_TENTATIVE_NS, _PATIENCE_NS = 200_000_000, 1_000_000_000
_LOST = 1.0
_TWISTS = 15
_BLEND = 0.5
_WEIGH_EVERY = 4
_HOLD, _HOLDS = 0.25, 0.8
_TALL = 0.12
_STEP, _PAST = 0.02, 500
_TRUSTED = Correction()
_ONE_PLACE = 0.35


@dataclass(slots=True, eq=False)
class _Track:
    """A body and how well it is known."""

    id: str
    body: Body
    seen: int
    hits: int = 0
    twists: int = 0
    cameras: dict[str, int] = field(default_factory=dict)
    touching: Floats = field(default_factory=lambda: np.zeros(COUNT))
    doubt: Floats = field(default_factory=lambda: np.zeros((COUNT, 3, 3)))


@dataclass(slots=True, eq=False)
class _Way:
    """How far a camera has moved, and had when its correction held."""

    place: Floats
    correction: Correction | None
    length: float = 0.0
    start: float = 0.0
    past: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=_PAST))

    def at(self, stamp: int) -> float:
        """Length at a stamp, as far back as is known."""
        before = [length for time, length in self.past if time <= stamp]
        return before[-1] if before else (self.past[0][1] if self.past else self.length)


@dataclass(frozen=True, slots=True, eq=False)
class _Sight:
    """A person in a view, and what is doubtful about its camera's pose (4, 4)."""

    view: View
    index: int
    doubt: Floats

    @property
    def camera(self) -> str:
        return self.view.keypoints.camera_name

    @property
    def stamp(self) -> int:
        return self.view.keypoints.stamp


class BodyTracker:
    """The `PeopleTracker` of this package.

    Args:
        noise: Of keypoints and depth.
        bones: Whether lengths of bones and limits of joints are used.
        depth: Whether depths are used.
        most: How many people are kept; the best seen ones.
    """

    def __init__(
        self, noise: Noise | None = None, bones: bool = True, depth: bool = True, most: int = 20
    ) -> None:
        self._noise = noise or Noise()
        self._bones, self._depth, self._most = bones, depth, most
        self.corrections: dict[str, Correction] = {}
        """By camera: what to do to its poses, and how sure they are."""
        self.sightings: list[tuple[str, str, int, int]] = []
        """Of the last update: person, camera, stamp, and index among the camera's persons."""
        self.supports: tuple[Supports, ...] = (Floor(),)
        """What feet and hands can touch."""
        self._ways: dict[str, _Way] = {}
        shift = self._noise.shift**2
        self._wander = np.diag([self._noise.turn**2, shift, shift, shift])
        self.reset()

    def reset(self) -> None:
        """Forget everyone; calibration stays."""
        self._tracks: list[_Track] = []
        self.stamp = 0
        """The newest moment that was told of, ns, in the clock of the reference camera."""
        self._names = itertools.count(1)
        self.late = 0
        """Views that came too late to be used."""
        self.twisted = 0
        """Persons in views of whom left and right were exchanged."""

    def update(self, views: Sequence[View]) -> tuple[Person, ...]:
        """Take what cameras show and tell everyone who is known, at the newest stamp so far.

        Views may come late, up to 0.3 s, and out of order; those within 4 ms are taken together.
        A stamp more than a second before the newest is a clock that jumped back: everyone is
        forgotten.
        """
        self.sightings = []
        views = sorted((self._corrected(v) for v in views), key=lambda v: v.keypoints.stamp)
        if views and views[-1].keypoints.stamp < self.stamp - _JUMP_NS:
            self.reset()
        fresh = [v for v in views if v.keypoints.stamp >= self.stamp - _OLDEST_NS]
        self.late += len(views) - len(fresh)
        moment: list[View] = []
        for view in fresh:
            if moment and view.keypoints.stamp - moment[0].keypoints.stamp > _TOGETHER_NS:
                self._take(moment)
                moment = []
            moment.append(view)
        if moment:
            self._take(moment)
        return self.people()

    def people(self) -> tuple[Person, ...]:
        """Everyone who is known, at the newest stamp so far."""
        return tuple(self._person(t) for t in self._tracks if t.hits >= _CONFIRMED)

    def bodies(self) -> tuple[tuple[str, Body], ...]:
        """Ids and bodies of those whom `people` tells, with their velocities."""
        return tuple((t.id, t.body) for t in self._tracks if t.hits >= _CONFIRMED)

    def _corrected(self, view: View) -> View:
        correction = self.corrections.get(view.keypoints.camera_name)
        self._walk(view, correction)
        if not self._depth:
            view = replace(view, depths=np.full_like(view.depths, np.nan))
        if correction is None:
            return view
        stamp = view.keypoints.stamp + round(correction.delay * 1e9)
        keypoints = replace(view.keypoints, stamp=stamp)
        return replace(view, keypoints=keypoints, pose=correction.apply(view.pose))

    def _walk(self, view: View, correction: Correction | None) -> None:
        """How far the camera moved since somebody corrected its pose."""
        way = self._ways.get(view.keypoints.camera_name)
        place = view.pose.translation
        if way is None:
            way = self._ways[view.keypoints.camera_name] = _Way(place, correction)
        # Small steps are kept together: noise of the pose is no way.
        step = float(np.linalg.norm(place - way.place))
        if step > _STEP:
            way.place, way.length = place, way.length + step
            way.past.append((view.keypoints.stamp, way.length))
        if way.correction is not correction:
            held = 0 if correction is None else correction.stamp
            way.correction, way.start = correction, way.at(held) if held else way.length

    def _take(self, views: list[View]) -> None:
        """Use views of one moment, which may lie a little in the past."""
        stamp = views[0].keypoints.stamp
        newest = max(stamp, self.stamp)
        views = [view for view in views if len(view.keypoints.pixels)]
        for track in self._tracks:
            track.body.move_to(stamp)
        seen = [observe([(v, k) for k in range(len(v.keypoints.pixels))], self._noise)
                for v in views]  # fmt: skip
        doubts = [self._doubt(view) for view in views]
        doubt = max(map(_variance, doubts), default=0.0)
        known = np.array([t.body.joints for t in self._tracks])
        variance = np.array([t.body.variances for t in self._tracks]) + doubt
        assigned = [assign(part, known, variance) for part in seen]
        for index, track in enumerate(self._tracks):
            parts = [(v, match[index]) for v, (match, _) in enumerate(assigned) if index in match]
            if parts:
                found = gather([(seen[v], k) for v, k in parts])
                misfits = np.array([assigned[v][1][index, k] for v, k in parts])
                found = self._untwist(track, found, misfits)
                self._correct(track, [_Sight(views[v], k, doubts[v]) for v, k in parts], found)
        taken = [set(match.values()) for match, _ in assigned]
        for group in strangers(seen, taken, doubt):
            self._meet([_Sight(views[v], k, doubts[v]) for v, k in group],
                       gather([(seen[v], k) for v, k in group]), stamp)  # fmt: skip
        self.stamp = newest
        for track in self._tracks:
            track.body.move_to(newest, wander=False)
        self._leave()
        self._unite()

    def _untwist(self, track: _Track, seen: Observation, misfits: Floats) -> Observation:
        if track.twists < _TWISTS:
            seen, twisted = untwist(seen, misfits)
            track.twists = track.twists + 1 if twisted else 0
            self.twisted += twisted
        else:
            # So persistent an exchange is that of the body, not of the detector.
            track.body = self._body(seen, track.body.stamp)
            track.twists = 0
        return seen

    def _correct(self, track: _Track, sights: list[_Sight], seen: Observation) -> None:
        guessed = False
        for sight in sights:
            track.cameras[sight.camera] = sight.stamp
        if sum(stamp > self.stamp - _PATIENCE_NS for stamp in track.cameras.values()) < 2:
            guessed = not seen.depth_information.any()
            seen = with_size(seen)
        body = track.body
        if len(sights) > 2:
            seen = seen.only(believed(seen))
        rows = body.correct(seen, max(_variance(sight.doubt) for sight in sights))
        track.hits += 1
        self.sightings += [(track.id, s.camera, s.stamp, s.index) for s in sights]
        track.seen = max(track.seen, body.stamp)
        if track.hits % _WEIGH_EVERY == 1:
            self._weigh(track, sights, rows, seen, guessed)
        touching = contacts(body.joints, body.velocities, body.variances,
                            body.speed_variances, self.supports)  # fmt: skip
        track.touching = track.touching + 0.5 * (touching - track.touching)
        resting = [k for k in ENDS if min(track.touching[k], touching[k]) > _HOLDS]
        if resting:
            body.hold(resting, _HOLD)

    def _weigh(
        self, track: _Track, sights: list[_Sight], rows: Floats, seen: Observation, guessed: bool
    ) -> None:  # fmt: skip
        """What the cameras' own uncertainty adds to the joints'."""
        way = track.body.follow_pose(rows, seen).reshape(COUNT, 3, len(sights), 4)
        added = np.zeros((COUNT, 3, 3))
        for index, sight in enumerate(sights):
            part = way[:, :, index]
            added += part @ sight.doubt @ np.swapaxes(part, 1, 2)
        if guessed:
            # Nobody knows how tall a stranger is: the whole person may be nearer or farther.
            ways = track.body.joints - seen.center[0]
            added += _TALL**2 * ways[:, :, None] * ways[:, None, :]
        share = 1.0 if track.hits <= 1 else _BLEND
        track.doubt = track.doubt + share * (added - track.doubt)

    def _doubt(self, view: View) -> Floats:
        """(4, 4) of the camera's pose: its correction's, and what odometry added since."""
        way = self._ways[view.keypoints.camera_name]
        gone = max(way.length - way.start, 0.0)
        correction = self.corrections.get(view.keypoints.camera_name, _TRUSTED)
        return correction.about(view.pose.translation) + gone * self._wander

    def expected(self, stamp: int) -> dict[str, Correction]:
        """Corrections of cameras at a stamp, ns, less sure by the way that each went since."""
        told = {}
        for name, one in self.corrections.items():
            if way := self._ways.get(name):
                gone = max(way.at(stamp) - way.start, 0.0) * self._wander
                told[name] = replace(one, shift=one.motion(way.place)[1:], pivot=way.place,
                                     covariance=one.about(way.place) + gone)  # fmt: skip
        return told

    def _meet(self, sights: list[_Sight], seen: Observation, stamp: int) -> None:
        if len(self._tracks) >= self._most:
            return
        track = _Track(f"p{next(self._names)}", self._body(seen, stamp), stamp)
        self._correct(track, sights, seen)
        self._tracks.append(track)

    def _body(self, seen: Observation, stamp: int) -> Body:
        joints, covariance = guess(seen)
        return Body(joints, covariance, Bones() if self._bones else None, stamp)

    def _leave(self) -> None:
        self._tracks = [track for track in self._tracks if self._stays(track)]

    def _unite(self) -> None:
        """Two in one place whom no camera shows both are one: cameras disagreed for a while."""
        for one, other in itertools.combinations(list(self._tracks), 2):
            if one in self._tracks and other in self._tracks and self._same(one, other):
                self._tracks.remove(other if other.hits <= one.hits else one)

    def _same(self, one: _Track, other: _Track) -> bool:
        apart = one.body.joints - other.body.joints
        if float(np.abs(apart[TRUNK].mean(axis=0)).max()) > _ONE_PLACE:
            return False
        recent = self.stamp - _TENTATIVE_NS
        both = [{c for c, stamp in t.cameras.items() if stamp >= recent} for t in (one, other)]
        return not both[0] & both[1]

    def _stays(self, track: _Track) -> bool:
        patience = _PATIENCE_NS if track.hits >= _CONFIRMED else _TENTATIVE_NS
        middle = sorted(track.body.variances.tolist())[COUNT // 2]
        known = bool(np.isfinite(track.body.joints).all())
        return known and self.stamp - track.seen <= patience and middle < _LOST**2

    def _person(self, track: _Track) -> Person:
        bones = track.body.bones
        return Person(
            id=track.id,
            stamp=self.stamp,
            joint_names=JOINTS,
            joints=track.body.joints,
            covariances=track.body.covariances + track.doubt,
            contacts=track.touching.copy(),
            bone_lengths=LENGTHS.copy() if bones is None else bones.lengths.copy(),
        )


def _variance(doubt: Floats) -> float:
    """m^2 that an uncertain pose adds to what is seen from 3 m."""
    turn, *shift = doubt.diagonal().tolist()
    return float(sum(shift) / 3.0 + turn * 9.0)
