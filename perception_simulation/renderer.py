"""Draw color, depth and segmentation with two passes of software OpenGL."""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import mujoco
import numpy as np

from perception_nodes.arrays import Bytes, Floats, Ints
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_simulation import gl
from perception_simulation.model import FAR, NEAR

_BACKGROUND = 0.999 * FAR


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a perfect camera sees.

    Attributes:
        color: (H, W, 3) uint8 RGB; None if it was not asked for.
        depth: (H, W) float32, meters along the optical axis; NaN where there is nothing.
        bodies: (H, W) int32, MuJoCo body id; 0 where there is nothing.
    """

    color: Bytes | None
    depth: Floats
    bodies: Ints


class Renderer:
    """Draws one model; close it, or use it in a `with` statement.

    Args:
        model: The compiled scene.
        width, height: Of the images, pixels.
        shadows: Several times slower.

    Raises:
        gl.RenderingError: There is no OpenGL on this machine.
    """

    def __init__(
        self, model: mujoco.MjModel, width: int, height: int, *, shadows: bool = False
    ) -> None:
        self._gl = gl.create_context(width, height)
        self._model = model
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._scene = mujoco.MjvScene(model=model, maxgeom=model.ngeom + 8)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = shadows
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        # a generator that draws may be dropped half way: free before EGL itself shuts down
        atexit.register(self.close)
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._color = np.empty((height, width, 3), np.uint8)
        self._depth = np.empty((height, width), np.float32)

    def render(
        self, data: mujoco.MjData, pose: Pose, camera: Camera, *, color: bool = True
    ) -> View:
        """Draw the world as a camera at `pose` (optical frame in the world) sees it.

        The principal point of `camera` must be the middle of the image.
        """
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._option,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self._scene,
        )
        self._aim(pose, camera)
        self._gl.make_current()
        picture = self._draw_color() if color else None
        depth, bodies = self._draw_ids()
        return View(picture, depth, bodies)

    def close(self) -> None:
        """Free the OpenGL context; afterwards nothing can be drawn."""
        if self._context is None:
            return
        atexit.unregister(self.close)
        self._gl.make_current()
        self._context.free()
        self._context = None
        self._gl.free()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _aim(self, pose: Pose, camera: Camera) -> None:
        top = NEAR * camera.height / 2.0 / camera.fy
        for view in self._scene.camera:
            view.pos = pose.translation
            view.forward = pose.rotation[:, 2]
            view.up = -pose.rotation[:, 1]
            view.frustum_center = 0.0
            view.frustum_width = NEAR * camera.width / 2.0 / camera.fx
            view.frustum_bottom, view.frustum_top = -top, top
            view.frustum_near, view.frustum_far = NEAR, FAR

    def _draw_color(self) -> Bytes:
        mujoco.mjr_render(self._rect, self._scene, self._context)
        mujoco.mjr_readPixels(self._color, None, self._rect, self._context)
        return self._color[::-1].copy()

    def _draw_ids(self) -> tuple[Floats, Ints]:
        """Depth and body ids come from one pass that draws ids instead of colors."""
        flags = self._scene.flags
        saved = flags.copy()
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = True
        flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = True
        mujoco.mjr_render(self._rect, self._scene, self._context)
        mujoco.mjr_readPixels(self._color, self._depth, self._rect, self._context)
        np.copyto(flags, saved)
        ids = self._color[::-1, :, 0].astype(np.int32)
        ids += self._color[::-1, :, 1].astype(np.int32) << 8
        depth = np.float32(NEAR * FAR) / (NEAR + self._depth[::-1] * np.float32(FAR - NEAR))
        depth[depth > _BACKGROUND] = np.nan
        return depth, self._body_of_id()[ids]

    def _body_of_id(self) -> Ints:
        table = np.zeros(self._scene.ngeom + 1, np.int32)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.segid >= 0 and geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                table[geom.segid + 1] = self._model.geom_bodyid[geom.objid]
        return table
