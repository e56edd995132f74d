"""Where every frame was at a time: a bounded buffer of the transforms that `/tf` brings.

It never answers with "the latest": a pose is interpolated at the stamp that is asked for, or the
error says what is missing. Used by replay and nodes alike, with or without ROS.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import StrEnum

import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.errors import InputError, PermanenceError
from perception_nodes.geometry.pose import Pose

HISTORY_S = 10.0
BACKWARD_JUMP_NS = 1_000_000_000
"""A stamp that lies further back than this is a restarted clock, not a late message."""
MAX_FRAMES = 4096


class TransformFailure(StrEnum):
    """Why a transform is not known."""

    UNKNOWN_FRAME = "unknown frame"
    DISCONNECTED = "not connected"
    TOO_EARLY = "before the first transform"
    TOO_LATE = "after the last transform"


class TransformError(PermanenceError):
    """The buffer can't tell a transform.

    Args:
        message: What is missing.
        reason: Why, for programs.
        gap_ns: How far the stamp lies outside of what is known.
    """

    def __init__(self, message: str, reason: TransformFailure, gap_ns: int = 0) -> None:
        super().__init__(message)
        self.reason = reason
        self.gap_ns = gap_ns

    @property
    def may_resolve(self) -> bool:
        """Whether transforms that arrive later can help."""
        return self.reason is not TransformFailure.TOO_EARLY


def interpolate(a: Pose, b: Pose, share: float) -> Pose:
    """The pose between two poses: 0 gives a, 1 gives b; rotations along the shortest arc."""
    turn = Rotation.from_matrix(a.rotation.T @ b.rotation).as_rotvec()
    rotation = a.rotation @ Rotation.from_rotvec(share * turn).as_matrix()
    return Pose(rotation, (1.0 - share) * a.translation + share * b.translation)


class PoseTrack:
    """The poses of one thing over time, such as an odometry topic or one edge of the TF tree.

    Args:
        name: Of what, for messages.
        history_s: Poses older than this before the newest one are forgotten.
    """

    def __init__(self, name: str, history_s: float = HISTORY_S) -> None:
        self.name = name
        self._history_ns = round(history_s * 1e9)
        self._stamps: list[int] = []
        self._poses: list[Pose] = []

    def __len__(self) -> int:
        return len(self._stamps)

    def insert(self, stamp: int, pose: Pose) -> bool:
        """Add a pose; a repeated stamp changes nothing.

        Returns:
            Whether the clock jumped back, so that all earlier poses were dropped.

        Raises:
            InputError: The stamp is zero amid others that are not.
        """
        jumped = bool(self._stamps) and stamp < self._stamps[-1] - BACKWARD_JUMP_NS
        if jumped and stamp == 0:
            raise InputError(f"a pose of {self.name} has the stamp 0, after others that are not")
        if jumped:
            self.clear()
        i = bisect_left(self._stamps, stamp)
        if i == len(self._stamps) or self._stamps[i] != stamp:
            self._stamps.insert(i, stamp)
            self._poses.insert(i, pose)
            self._trim()
        return jumped

    def at(self, stamp: int) -> Pose:
        """The pose at a time, interpolated between its neighbors.

        Raises:
            TransformError: The stamp (ns) lies outside of the known time.
        """
        i = bisect_left(self._stamps, stamp)
        if i < len(self._stamps) and self._stamps[i] == stamp:
            return self._poses[i]
        if i == 0 or i == len(self._stamps):
            raise self._outside(stamp, early=i == 0)
        before, after = self._stamps[i - 1], self._stamps[i]
        return interpolate(self._poses[i - 1], self._poses[i], (stamp - before) / (after - before))

    def clear(self) -> None:
        """Forget all poses."""
        self._stamps.clear()
        self._poses.clear()

    def _trim(self) -> None:
        old = bisect_left(self._stamps, self._stamps[-1] - self._history_ns)
        del self._stamps[:old], self._poses[:old]

    def _outside(self, stamp: int, early: bool) -> TransformError:
        if not self._stamps:
            return TransformError(f"{self.name} has no pose yet", TransformFailure.TOO_LATE)
        gap = self._stamps[0] - stamp if early else stamp - self._stamps[-1]
        edge = "before the first" if early else "after the last"
        return TransformError(
            f"{self.name} is not known at {stamp * 1e-9:.3f} s: that is {gap * 1e-9:.3f} s {edge} "
            f"of its {len(self)} poses, and poses are not extrapolated",
            TransformFailure.TOO_EARLY if early else TransformFailure.TOO_LATE,
            gap,
        )


class TransformBuffer:
    """The tree of frames over time.

    A stamp that lies more than a second before the newest one of the same child is a backward
    jump of the clock (a bag that loops, a simulation that restarts): all moving transforms are
    forgotten, static ones stay.

    Args:
        history_s: How long moving transforms are kept.
    """

    def __init__(self, history_s: float = HISTORY_S) -> None:
        self._history_s = history_s
        self._parents: dict[str, str] = {}
        self._static: dict[str, Pose] = {}
        self._moving: dict[str, PoseTrack] = {}
        self.jumps = 0

    def insert(self, parent: str, child: str, stamp: int, pose: Pose, static: bool = False) -> None:
        """Add the pose of `child` in `parent` at a time (ns; static ones hold at all times).

        A child that is given another parent moves there with what is inserted from now on.

        Raises:
            InputError: A name is empty, the pose is no rigid transform, it would close a loop, or
                there are too many frames.
        """
        parent, child = _name(parent), _name(child)
        _check_rigid(parent, child, pose)
        if self._parents.get(child) != parent:
            self._attach(parent, child)
        if static:
            self._static[child] = pose
            self._moving.pop(child, None)
            return
        self._static.pop(child, None)
        track = self._moving.get(child)
        if track is None:
            track = PoseTrack(f"the transform {parent} -> {child}", self._history_s)
            self._moving[child] = track
        if track.insert(stamp, pose):
            self.clear()
            track.insert(stamp, pose)
            self.jumps += 1

    def lookup(self, target: str, source: str, stamp: int) -> Pose:
        """The pose of frame `source` in frame `target` at a time, ns.

        Raises:
            TransformError: A frame is unknown, they are not connected, or a transform between
                them is not known at this time.
        """
        target, source = target.lstrip("/"), source.lstrip("/")
        up, down = self.ancestors(source), self.ancestors(target)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            raise TransformError(
                f"the frames {target!r} and {source!r} are not connected: their roots are "
                f"{down[-1]!r} and {up[-1]!r}",
                TransformFailure.DISCONNECTED,
            )
        from_source = self._climb(up[: up.index(common)], stamp)
        from_target = self._climb(down[: down.index(common)], stamp)
        return from_target.inverse() @ from_source

    def ancestors(self, frame: str) -> list[str]:
        """The frame, its parent and so on up to the root of its tree.

        Raises:
            TransformError: No transform names this frame.
        """
        frame = frame.lstrip("/")
        if frame not in self._parents and frame not in self._parents.values():
            known = ", ".join(sorted(self.frames())) or "none"
            raise TransformError(
                f"no transform names the frame {frame!r}; known: {known}",
                TransformFailure.UNKNOWN_FRAME,
            )
        chain = [frame]
        while chain[-1] in self._parents:
            chain.append(self._parents[chain[-1]])
        return chain

    def is_static(self, target: str, source: str) -> bool:
        """Whether two frames are known to be fixed to each other."""
        try:
            up, down = self.ancestors(source), self.ancestors(target)
        except TransformError:
            return False
        edges = set(up) ^ set(down)
        return up[-1] == down[-1] and all(frame in self._static for frame in edges)

    def frames(self) -> set[str]:
        """All frames that a transform names."""
        return set(self._parents) | set(self._parents.values())

    def clear(self) -> None:
        """Forget all moving transforms, as after a jump of the clock."""
        for track in self._moving.values():
            track.clear()

    def _climb(self, frames: list[str], stamp: int) -> Pose:
        pose = Pose.identity()
        for frame in frames:
            static = self._static.get(frame)
            pose = (static if static is not None else self._moving[frame].at(stamp)) @ pose
        return pose

    def _attach(self, parent: str, child: str) -> None:
        above = self.ancestors(parent) if parent in self.frames() else [parent]
        if child in above:
            loop = " -> ".join([child, *above[: above.index(child) + 1][::-1][1:], child])
            raise InputError(
                f"the transform {parent} -> {child} closes a loop of frames: {loop}",
                "find out which node publishes it and give each frame one parent",
            )
        if child not in self._parents and len(self._parents) >= MAX_FRAMES:
            raise InputError(f"there are more than {MAX_FRAMES} frames in the transform tree")
        self._parents[child] = parent
        self._moving.pop(child, None)


def _name(frame: str) -> str:
    name = frame.lstrip("/")
    if not name:
        raise InputError("a transform has an empty frame name", "set frame_id in its publisher")
    return name


def _check_rigid(parent: str, child: str, pose: Pose) -> None:
    r, t = pose.rotation, pose.translation
    finite = bool(np.isfinite(r).all() and np.isfinite(t).all())
    if not finite or np.abs(r @ r.T - np.eye(3)).max() > 0.02 or np.linalg.det(r) < 0:
        raise InputError(
            f"the transform {parent} -> {child} is not a rotation and a translation: "
            f"{r.tolist()}, {t.tolist()}",
            "find out which node publishes it",
        )
