"""Push-T seen by an RGB-D camera above the board, through the pipeline of the robot.

What is known: the camera's place, the tip from the robot's own joints, and of the T its form, mass
and friction. Where it lies is believed by images: the tracker says which object it is, the finder
which pixels are of it, `push_t_pose` lays its outline over them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

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
    """Believes where the T is; close it in the end.

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

    def _believe(self, frame: Frame, scene: SceneState) -> None:
        pixel = self._pixel(frame)
        fits = (self._fit(frame, scene, middle) for middle in self._places(scene))
        fit = next((found for found in fits if found is not None), None)
        if fit is None:
            self._visibility = Visibility.LOST
            return
        self._visibility = Visibility.VISIBLE
        self._first_seen = self._first_seen or frame.stamp
        # an edge is known to a part of a pixel, the same for all pixels along it
        edge = np.array([pixel, pixel, 2.0 * pixel / SHAPE.length]) / math.sqrt(12.0)
        self._belief = _Belief(fit.pose, fit.covariance + np.diag(edge**2), frame.stamp)
        self.registered += 1

    def _places(self, scene: SceneState) -> Iterator[Floats]:
        """(2,) where the T may be: near where it was, or a tracked object of its size.

        The tracker may take a T for two things after the tool's shadow cut it.
        """
        if self._belief is not None:
            yield self._belief.pose[:2]
        known = np.sort([SHAPE.length, SHAPE.length, SHAPE.height])
        for item in scene.objects:
            if (np.abs(np.sort(item.size) / known - 1.0) < _ALIKE).all():
                yield item.position[:2]

    def _fit(self, frame: Frame, scene: SceneState, middle: Floats) -> Fit | None:
        """None where too little is seen near a place (2,), or what is seen is no T."""
        points, inside = self._crossings(frame, scene, middle)
        if np.count_nonzero(inside) * self._pixel(frame) ** 2 < _SEEN * _AREA:
            return None
        if self._belief is not None:
            fit = follow(points, inside, self._belief.pose)
            if fit.disagreement < _DISAGREEMENT:
                return fit
        fit = find(points, inside)
        return fit if fit.disagreement < _DISAGREEMENT else None

    def _pixel(self, frame: Frame) -> float:
        """How wide a pixel is on the T's top, m."""
        assert frame.pose is not None
        return float(frame.pose.translation[2] - self._top) / frame.camera.fx

    def _crossings(self, frame: Frame, scene: SceneState, middle: Floats) -> tuple[Floats, Bools]:
        """Where rays near a place cross the plane of the T's top (P, 2), and which hit it (P,).

        All slots there count: the tool's shadow may cut the T in two.
        """
        assert frame.pose is not None
        rays = frame.camera.rays() @ frame.pose.rotation.T
        eye = frame.pose.translation
        crossing = eye[:2] + rays[..., :2] * ((self._top - eye[2]) / rays[..., 2:])
        height = eye[2] + rays[..., 2] * frame.depth
        near = np.isfinite(frame.depth) & (np.hypot(*np.moveaxis(crossing - middle, -1, 0)) < REACH)
        hit = (scene.slots.labels > 0) & (height > self._top - _BELOW_TOP)
        return crossing[near], hit[near]
