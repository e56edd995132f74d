"""A sink that writes a Rerun recording, for looking at a run in three dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.errors import ConfigurationError
from perception_nodes.scene import Frame, Sample, SceneState, Visibility

_HIDDEN_OPACITY = 90


class RerunSink:
    """Writes boxes, camera, images and events to an .rrd file.

    Args:
        path: Of the file.

    Raises:
        ConfigurationError: The Rerun SDK is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import rerun
        except ImportError as error:
            raise ConfigurationError(
                "the Rerun SDK is not installed", "pip install 'permanence[rerun]'"
            ) from error
        self._rr: Any = rerun
        self._stream = rerun.RecordingStream("permanence")
        self._stream.save(str(path))

    def write(
        self,
        sample: Sample,
        state: SceneState,
        timings: Mapping[str, float],  # noqa: ARG002 -- part of the protocol; the report has them
    ) -> None:
        """Take one frame."""
        rr, frame = self._rr, sample.frame
        self._stream.set_time("stamp", timestamp=np.datetime64(frame.stamp, "ns"))
        self._camera(frame)
        objects = state.objects
        turns = [Rotation.from_matrix(s.pose.rotation).as_quat() for s in objects]
        boxes = rr.Boxes3D(
            centers=np.array([s.position for s in objects]).reshape(-1, 3),
            half_sizes=np.array([s.size / 2 for s in objects]).reshape(-1, 3),
            quaternions=np.array(turns).reshape(-1, 4),
            labels=[s.label or s.id for s in objects],
            colors=np.array(
                [
                    (*s.color, 255 if s.visibility is Visibility.VISIBLE else _HIDDEN_OPACITY)
                    for s in objects
                ],
                dtype=np.uint8,
            ).reshape(-1, 4),
        )
        self._stream.log("world/objects", boxes)
        for event in state.events:
            self._stream.log("events", rr.TextLog(event.text))

    def _camera(self, frame: Frame) -> None:
        rr, name = self._rr, f"world/{frame.camera_name}"
        if frame.pose is None:
            return
        pose = rr.Transform3D(translation=frame.pose.translation, mat3x3=frame.pose.rotation)
        camera = frame.camera
        size = [camera.width, camera.height]
        self._stream.log(name, pose)
        self._stream.log(name, rr.Pinhole(image_from_camera=camera.matrix(), resolution=size))
        self._stream.log(f"{name}/color", rr.Image(frame.color).compress(jpeg_quality=75))
        self._stream.log(f"{name}/depth", rr.DepthImage(np.nan_to_num(frame.depth), meter=1.0))

    def close(self) -> None:
        """Finish the file."""
        self._stream.flush()
