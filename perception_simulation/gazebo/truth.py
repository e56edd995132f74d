"""The truth about a world that Gazebo simulates, in the terms of our own simulator.

Things are put where Gazebo has them and looked at through the same camera, so that "visible" and
"occluded" mean the same in both, and one score compares with both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Truth
from perception_simulation.person import stiffened
from perception_simulation.renderer import Renderer
from perception_simulation.specification import Scene, Walker
from perception_simulation.truth import CameraView, TruthKeeper
from perception_simulation.world import World


def walking(walker: Walker, time: float) -> Pose:
    """Where Gazebo has a walker: at constant speed between the keys, over and over."""
    times = [key.time for key in walker.path]
    now = time % times[-1] if times[-1] > 0.0 else 0.0
    ways = np.array([(*key.position, key.yaw) for key in walker.path]).T
    x, y, yaw = (float(np.interp(now, times, way)) for way in ways)
    turn = Rotation.from_euler("z", yaw).as_matrix()
    return Pose(turn, np.array([x, y, walker.height / 2.0]))


class PlacedTruth:
    """Tells the truth from poses; it belongs to the thread that made it, and `close` frees it.

    Args:
        scene: From which the Gazebo world was written.

    Raises:
        ConfigurationError: The scene is impossible.
        RenderingError: This machine has no OpenGL.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene = stiffened(scene)
        self._world = World(scene)
        self._keeper = TruthKeeper(self._world)
        self._renderer = Renderer(self._world.model, scene.width, scene.height)

    def tell(self, stamp: int, poses: Mapping[str, Pose], camera: int, eye: Pose) -> Truth:
        """The truth of one image.

        Args:
            stamp: Of the image, ns.
            poses: World poses by name of the objects and the pusher; walkers go their way by time.
            camera: Which of the scene's cameras took it.
            eye: Pose of that camera's optical frame in the world.
        """
        time = stamp * 1e-9
        people = {w.name: walking(w, time) for w in self._scene.walkers}
        self._world.place({**people, **poses}, time)
        seen = self._scene.cameras[camera]
        model = self._scene.intrinsics(seen)
        view = self._renderer.render(self._world.data, eye, model, color=False)
        truth = self._keeper.tell([CameraView(seen.name, eye, model, view)])[0]
        return replace(truth, stamp=stamp)

    def close(self) -> None:
        """Free the OpenGL context, in the thread that made this."""
        self._renderer.close()
