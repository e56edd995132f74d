"""Push-T seen by an RGB-D camera above the board, through the pipeline of the robot.

What is known: the camera's place, the tip from the robot's own joints, and of the T its form, mass
and friction. Where it lies is believed by images: the finder and the tracker say which pixels are
of it, `push_t_pose` lays its outline over them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import numpy as np

from perception_nodes.arrays import Bools, Floats
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.planner.self_filter import without_stick
from perception_nodes.scene import Frame, ObjectState, SceneState, Visibility
from perception_nodes.viewrope.factory import make_source
from perception_simulation.push_robot import STICK
from perception_simulation.push_t import PARTS, SHAPE, Board, tee_state
from perception_simulation.push_t_pose import REACH, Fit, find, follow
from perception_simulation.renderer import Renderer
from perception_simulation.simulator import Rig

FIRST_LOOKS = 6
"""Images before the first step: the tracker believes in what it saw four times."""
_ALIKE = 0.3
_BELOW_TOP = 0.003
_SEEN, _DISAGREEMENT = 0.3, 0.25
_AREA = float(4.0 * (PARTS[:, 2] * PARTS[:, 3]).sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Belief:
    """Where the T was last seen to lie, how sure (3, 3), and when, ns."""

    pose: Floats
    covariance: Floats
    stamp: int


class BoardCamera:
    """Believes where the T is; close it, or use it in a `with` statement.

    Args:
        board: What is looked at. The truth is taken from it to draw images, and the tip.
        seed: Of the camera's errors.

    Raises:
        RenderingError: This machine can't render images.

    Attributes:
        frames, registered: How many images there were, and how many told where the T lies.
    """

    def __init__(self, board: Board, seed: int) -> None:
        scene = replace(board.world.scene, seed=seed)
        self._board = board
        self._rig = Rig(scene, scene.cameras[0], 0)
        self._renderer = Renderer(board.world.model, scene.width, scene.height)
        self._pipeline = Pipeline(make_source(), ObjectTracker())
        self._top = scene.support_height + SHAPE.height
        self._tee = ""
        self._belief: _Belief | None = None
        self._visibility = Visibility.LOST
        self._first_seen = 0
        self.frames = self.registered = 0

    def look(self) -> ObjectState | None:
        """The state of the T, about its middle of mass, by one more image.

        Returns:
            As last believed where this image does not show it; None before it was ever found.
        """
        world = self._board.world
        view = self._rig.look(world, self._renderer)
        seen = self._rig.frame(view, world.stamp, self.frames)
        frame = without_stick(seen, self._board.tip(), STICK)
        self.frames += 1
        self._believe(frame, self._pipeline.process(frame))
        return self.state()

    def state(self) -> ObjectState | None:
        """What is believed after the last image; see `look`.

        It says that the T rests: what slow pushes move stops with the tip.
        """
        if self._belief is None:
            return None
        state = tee_state(self._board.world.stamp, self._belief.pose)
        covariance = state.pose_covariance.copy()
        level = np.ix_((0, 1, 5), (0, 1, 5))
        covariance[level] = self._belief.covariance
        return replace(
            state,
            pose_covariance=covariance,
            visibility=self._visibility,
            first_seen=self._first_seen,
            last_seen=self._belief.stamp,
        )

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _believe(self, frame: Frame, scene: SceneState) -> None:
        tee = self._choose(scene)
        fit, pixel = None, self._pixel(frame)
        if tee is not None:
            points, inside = self._crossings(frame, scene, tee.position[:2])
            if np.count_nonzero(inside) * pixel**2 > _SEEN * _AREA:
                fit = self._register(points, inside)
        if fit is None:
            self._visibility = Visibility.LOST
            return
        self._visibility = Visibility.VISIBLE
        self._first_seen = self._first_seen or frame.stamp
        # an edge is known to a part of a pixel, the same for all pixels along it
        edge = np.array([pixel, pixel, 2.0 * pixel / SHAPE.length]) / math.sqrt(12.0)
        self._belief = _Belief(fit.pose, fit.covariance + np.diag(edge**2), frame.stamp)
        self.registered += 1

    def _choose(self, scene: SceneState) -> ObjectState | None:
        """The tracked object that is the T: the first of its size, and that one while it lasts."""
        known = np.sort([SHAPE.length, SHAPE.length, SHAPE.height])
        same = [item for item in scene.objects if item.id == self._tee]
        alike = [
            item
            for item in scene.objects
            if (np.abs(np.sort(item.size) / known - 1.0) < _ALIKE).all()
        ]
        tee = next(iter((*same, *alike)), None)
        self._tee = tee.id if tee is not None else self._tee
        return tee

    def _pixel(self, frame: Frame) -> float:
        """How wide a pixel is on the T's top, m."""
        assert frame.pose is not None
        return float(frame.pose.translation[2] - self._top) / frame.camera.fx

    def _crossings(self, frame: Frame, scene: SceneState, middle: Floats) -> tuple[Floats, Bools]:
        """Where rays near the T cross the plane of its top (P, 2), and which of them hit it (P,).

        All slots near the tracked object count: the tool's shadow may cut it in two.
        """
        assert frame.pose is not None
        rays = frame.camera.rays() @ frame.pose.rotation.T
        eye = frame.pose.translation
        crossing = eye[:2] + rays[..., :2] * ((self._top - eye[2]) / rays[..., 2:])
        height = eye[2] + rays[..., 2] * frame.depth
        near = np.isfinite(frame.depth) & (np.hypot(*np.moveaxis(crossing - middle, -1, 0)) < REACH)
        hit = (scene.slots.labels > 0) & (height > self._top - _BELOW_TOP)
        return crossing[near], hit[near]

    def _register(self, points: Floats, inside: Bools) -> Fit | None:
        """None where what is seen is no T."""
        if self._belief is not None:
            fit = follow(points, inside, self._belief.pose)
            if fit.disagreement < _DISAGREEMENT:
                return fit
        fit = find(points, inside)
        return fit if fit.disagreement < _DISAGREEMENT else None
