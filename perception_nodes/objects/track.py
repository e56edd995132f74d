"""One object as the tracker follows it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.objects.box import align, blend, interval_center
from perception_nodes.objects.filter import MotionFilter
from perception_nodes.objects.parameters import TrackerParameters
from perception_nodes.objects.shape import residuals, roundness
from perception_nodes.objects.sighting import Sighting
from perception_nodes.scene import (
    UNKNOWN_FRICTION,
    UNKNOWN_MASS,
    Gaussian,
    ObjectState,
    Visibility,
)

if TYPE_CHECKING:
    from perception_nodes.cjepa.motion import Belief

_MATURE = 5
_OVERSIZE_PATIENCE = 15
# An object that comes back farther away than this was carried: it did not drift there.
_CARRIED = 0.03
_MISTAKEN_FRAMES = 20
# Where the center lies inside the visible surface is guessed from the shape: an error of this share
# of the extent, which no number of frames averages out (calibrated in simulation, docs/objects.md).
_SHAPE_BIAS = 0.06
_SIZE_GAIN = 0.1
# What shape it is is told from the first whole sightings, and then now and then.
_SHAPE_VIEWS, _SHAPE_EVERY = 10, 8
# Of what was never seen whole, the larger sightings tell more; but no single one tells it all.
_CUT_GROWTH, _CUT_DECAY = 0.3, 0.03
# An object was moving when it got out of sight if it had moved over this time, s, by so much of
# its extent; a single frame's velocity is mostly noise.
_RECENT = 0.5
_SHIFTED = 0.2
_MAX_HELD = 3
_CARRIED_SPEED = 0.3
_LOOK_BENEATH = 4
_HANGING = 3_000_000_000
_MIN_EXTENT = 0.1
_MAX_ODDS = 4.6
_HIT_ODDS = 0.5
_START_ODDS = 1.0


@dataclass(slots=True, eq=False)
class Track:
    """State that the tracker keeps of one object; the world frame throughout.

    Attributes:
        number: Running number; the id is "o" and this number.
        motion: Position and velocity.
        rotation, size: Of the box.
        points: (P, 3) surface of the last good sighting, relative to the center.
        color: (3,) mean RGB.
        first_seen, last_seen: Stamps, ns.
        hits, misses: Sightings so far; consecutive misses.
        confirmed: Whether the object is believed and published.
        full_views: Sightings that showed the object uncut.
        fits: How well surfaces of five shapes fit what was seen; see `shape.residuals`.
        oversized: Consecutive sightings much larger than the object.
        odds: Log-odds of existence.
        visibility: As published.
        verdicts: Last verdict of each camera with its stamp.
        anchor: Where it was when its last motion was reported.
        seen_at: Where it was last seen.
        left_moving: Whether it moved when it was last seen.
        departed: Its speed when it was last seen, if that was more than noise, m/s.
        hidden: Whether it has been reported hidden.
        recently: Where it was about half a second ago of the time in which it was seen.
        sharing: Consecutive frames in which the only slot at its place was another object's.
        absorbed: Consecutive frames in which another object took its place.
        held: Above 0 if nothing was beneath it when it was last seen: it was carried.
        stirred: When it last moved in sight, or was first seen, ns.
        empty_for: For how long the camera has looked through its place, s.
        empty_at: (3,) that place.
        unrecognized: Frames in which a surface was in its place, in plain view, but no slot.
        label, label_score, latent, model_id, log_mass, log_friction: As in `ObjectState`.
    """

    number: int
    motion: MotionFilter
    rotation: Floats
    size: Floats
    points: Floats
    color: Floats
    first_seen: int
    last_seen: int
    hits: int = 1
    misses: int = 0
    confirmed: bool = False
    full_views: int = 0
    fits: Floats | None = None
    oversized: int = 0
    odds: float = _START_ODDS
    visibility: Visibility = Visibility.VISIBLE
    verdicts: dict[str, tuple[int, Visibility]] = field(default_factory=dict)
    anchor: Floats = field(default_factory=lambda: np.zeros(3))
    seen_at: Floats = field(default_factory=lambda: np.zeros(3))
    left_moving: bool = False
    departed: float = 0.0
    hidden: bool = False
    traveling: bool = False
    recently: Floats = field(default_factory=lambda: np.zeros(3))
    sharing: int = 0
    absorbed: int = 0
    held: int = 0
    stirred: int = 0
    empty_for: float = 0.0
    empty_at: Floats = field(default_factory=lambda: np.zeros(3))
    unrecognized: int = 0
    label: str = ""
    label_score: float = 0.0
    latent: Floats | None = None
    model_id: str = ""
    log_mass: Gaussian = UNKNOWN_MASS
    log_friction: Gaussian = UNKNOWN_FRICTION

    @classmethod
    def start(cls, number: int, stamp: int, sighting: Sighting, model_id: str) -> Track:
        """A new, unconfirmed object."""
        slot = sighting.slot
        track = cls(
            number,
            MotionFilter.start(sighting.center, sighting.covariance),
            sighting.rotation.copy(),
            slot.size.copy(),
            sighting.points - sighting.center,
            slot.color.copy(),
            stamp,
            stamp,
            full_views=0 if slot.cut else 1,
            latent=slot.latent,
            model_id=model_id,
            stirred=stamp,
        )
        track.anchor, track.seen_at, track.recently = (sighting.center.copy() for _ in range(3))
        return track

    @property
    def id(self) -> str:
        """The public id."""
        return f"o{self.number}"

    @property
    def name(self) -> str:
        """Label and id for a sentence."""
        return f"{self.label} ({self.id})" if self.label else self.id

    @property
    def position(self) -> Floats:
        """(3,) believed center."""
        return self.motion.position

    @property
    def spread(self) -> float:
        """Largest standard deviation of the position, m."""
        return float(np.sqrt(np.linalg.eigvalsh(self.motion.covariance[:3, :3])[-1]))

    @property
    def existence(self) -> float:
        """Probability that the object is still there."""
        return 1.0 / (1.0 + math.exp(-self.odds))

    @property
    def mature(self) -> bool:
        """Whether the size is known from several uncut sightings."""
        return self.full_views >= _MATURE

    @property
    def mistaken(self) -> bool:
        """Whether it was a piece of background: in plain view it is hardly ever recognized."""
        return self.unrecognized > max(_MISTAKEN_FRAMES, 2 * self.hits) and not self.label

    @property
    def fleeting(self) -> float:
        """How fast an unseen object may be on its way, m/s; 0 if it was at rest."""
        return max(self.departed, _CARRIED_SPEED if self.held > 0 else 0.0)

    @property
    def adrift(self) -> bool:
        """Whether it left in motion and is by now anywhere rather than where it is believed."""
        return self.fleeting > 0.0 and self.spread > self.extent / 2.0

    @property
    def extent(self) -> float:
        """Its largest, as far as that matters for where it is, m."""
        return max(float(self.size.max()), _MIN_EXTENT)

    def surface(self) -> Floats:
        """(P, 3) where its known surface should be."""
        return self.points + self.position

    def oversize(self, sighting: Sighting) -> bool:
        """Whether a sighting is too large to show this object alone."""
        _, size = align(sighting.rotation, sighting.slot.size, self.rotation)
        return self.mature and bool((size > 1.35 * self.size + 0.02).any())

    def see(self, stamp: int, sighting: Sighting, dt: float, parameters: TrackerParameters) -> None:
        """Take a sighting of this object alone, dt seconds after the last one."""
        slot = sighting.slot
        if self.oversize(sighting) and self.oversized < _OVERSIZE_PATIENCE:
            self.oversized += 1
            self.touch(stamp)
            return
        self.oversized = 0
        rotation, size = align(sighting.rotation, slot.size, self.rotation)
        if not self.mature:
            self.size = self._at_least(size) if slot.cut else size
        center, slack = interval_center(
            self.position, self.size, sighting.center, size, self.rotation
        )
        loose = self.rotation @ np.diag((slack / 2.0) ** 2) @ self.rotation.T
        if self.hidden and float(np.linalg.norm(center - self.position)) > _CARRIED:
            self.motion.jump(center, sighting.covariance + loose)
        else:
            self.motion.update(center, sighting.covariance + loose, dt, parameters)
        self._learn_shape(sighting, rotation, size)
        self.recently += (1.0 - math.exp(-dt / _RECENT)) * (self.position - self.recently)
        self.touch(stamp)
        self.sharing = self.absorbed = 0
        self.odds = min(self.odds + _HIT_ODDS, _MAX_ODDS)

    def touch(self, stamp: int) -> None:
        """Note that the object was seen, though where exactly could not be told."""
        self.last_seen = stamp
        self.seen_at = self.position.copy()
        self.misses = 0
        self.empty_for = 0.0
        self.left_moving, self.departed = self.motion.moving, self._speed()
        self.hits += 1

    def share(self, stamp: int) -> None:
        """Note that the only slot at its place was another object's."""
        self.touch(stamp)
        self.sharing += 1

    def _speed(self) -> float:
        """How fast it moved lately, if that was more than noise, m/s."""
        if not self.motion.moving:
            return 0.0
        moved = float(np.linalg.norm(self.position - self.recently))
        lately = moved / _RECENT if moved > _SHIFTED * self.extent else 0.0
        return max(lately, self.motion.speed)

    def _at_least(self, size: Floats) -> Floats:
        """The size after a sighting that shows a part."""
        larger = size > self.size
        return np.asarray(
            self.size + np.where(larger, _CUT_GROWTH, _CUT_DECAY) * (size - self.size)
        )

    @property
    def settled(self) -> bool:
        """Whether it rests on something, so that there is no need to look beneath it each time."""
        return not self.motion.moving and self.held == 0 and self.hits % _LOOK_BENEATH > 0

    def bear(self, hovering: bool | None) -> None:
        """Note whether something bears it, if that can be seen.

        A thing that stays in the air for long hangs there; any other is carried.
        """
        if self.motion.moving:
            self.stirred = self.last_seen
        if hovering is False or self.last_seen - self.stirred > _HANGING:
            self.held = 0
        elif hovering:
            self.held = min(self.held + 1, _MAX_HELD)

    def look_through(self, dt: float) -> None:
        """Note that the camera looked through its place for dt seconds."""
        self.empty_for += dt
        self.empty_at = self.position.copy()

    def absent(self, after: float) -> bool:
        """Whether its believed place was seen to be empty for some time (s) before it was hidden.

        That something now covers an empty place makes nobody think that the object is there again.
        """
        moved = float(np.linalg.norm(self.position - self.empty_at))
        return self.empty_for > after and moved < self.extent / 2.0

    def take_over(self, other: Track) -> None:
        """Go on from where `other` is: it turned out to be this object, moved unseen."""
        self.motion = other.motion
        self.rotation, self.size, self.points = other.rotation, other.size, other.points
        self.fits = other.fits
        self.color = other.color
        self.last_seen, self.seen_at = other.last_seen, other.seen_at
        self.held, self.empty_for, self.recently = other.held, 0.0, other.recently
        self.misses, self.sharing, self.absorbed = 0, 0, 0
        self.odds = max(self.odds, other.odds)
        self.verdicts, self.visibility = other.verdicts, other.visibility

    def follow(self, belief: Belief) -> None:
        """Go on unseen as a motion model says."""
        covariance = belief.covariance.copy()
        # what is published includes the bias of the shape, which is no motion
        variances = np.diag(covariance[:3, :3] - self._shape_bias())
        covariance[:3, :3] = np.diag(np.maximum(variances, 1e-6))
        self.motion.follow(belief.position, belief.velocity, covariance)
        self.points = self.points @ (belief.rotation @ self.rotation.T).T
        self.rotation = belief.rotation.copy()

    def _shape_bias(self) -> Floats:
        return self.rotation @ np.diag((_SHAPE_BIAS * self.size) ** 2) @ self.rotation.T

    def _learn_shape(self, sighting: Sighting, rotation: Floats, size: Floats) -> None:
        slot = sighting.slot
        self.color = 0.9 * self.color + 0.1 * slot.color
        if slot.latent is not None:
            self.latent = slot.latent
        if slot.cut:
            return
        self.full_views += 1
        gain = max(_SIZE_GAIN, 1.0 / self.full_views)
        self.size = self.size + gain * (size - self.size)
        self.rotation = blend(self.rotation, rotation, gain)
        self.points = sighting.points - self.position
        if self.full_views <= _SHAPE_VIEWS or self.full_views % _SHAPE_EVERY == 0:
            self._note_fits(residuals(sighting.points - sighting.center, rotation, size), gain)

    def _note_fits(self, fits: Floats | None, gain: float) -> None:
        if fits is not None:
            self.fits = fits if self.fits is None else self.fits + gain * (fits - self.fits)

    def state(self, stamp: int) -> ObjectState:
        """What is published."""
        covariance = np.zeros((6, 6))
        covariance[:3, :3] = self.motion.covariance[:3, :3] + self._shape_bias()
        covariance[3:, 3:] = np.diag([0.01, 0.01, 0.05])
        twist = np.zeros((6, 6))
        twist[:3, :3] = self.motion.covariance[3:, 3:]
        return ObjectState(
            id=self.id,
            stamp=stamp,
            pose=Pose(self.rotation.copy(), self.position.copy()),
            pose_covariance=covariance,
            velocity=self.motion.velocity.copy(),
            angular_velocity=np.zeros(3),
            twist_covariance=twist,
            size=self.size.copy(),
            visibility=self.visibility,
            first_seen=self.first_seen,
            last_seen=self.last_seen,
            existence=self.existence,
            label=self.label,
            label_score=self.label_score,
            color=self.color.copy(),
            latent=self.latent,
            model_id=self.model_id,
            log_mass=self.log_mass,
            log_friction=self.log_friction,
            surprise=self.motion.surprise if self.misses == 0 else 0.0,
            roundness=roundness(self.fits),
        )

    @classmethod
    def from_state(cls, state: ObjectState) -> Track:
        """An object that a memory gives back: known, not seen yet."""
        covariance = state.pose_covariance[:3, :3].copy()
        corners = np.stack(np.meshgrid(*[[-0.5, 0.0, 0.5]] * 3, indexing="ij"), -1).reshape(-1, 3)
        rotation = state.pose.rotation.copy()
        return cls(
            number=int(state.id[1:]),
            motion=MotionFilter.start(state.position, covariance),
            rotation=rotation,
            size=state.size.copy(),
            points=(corners * state.size) @ rotation.T,
            color=state.color.copy(),
            first_seen=state.first_seen,
            last_seen=state.last_seen,
            confirmed=True,
            full_views=_MATURE,
            odds=math.log(max(state.existence, 1e-3) / max(1.0 - state.existence, 1e-2)),
            visibility=Visibility.OUT_OF_VIEW,
            anchor=state.position.copy(),
            seen_at=state.position.copy(),
            hidden=True,
            label=state.label,
            label_score=state.label_score,
            latent=state.latent,
            model_id=state.model_id,
            log_mass=state.log_mass,
            log_friction=state.log_friction,
        )
