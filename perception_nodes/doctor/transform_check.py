"""Do transforms say where the camera is, and in time?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perception_nodes.doctor.finding import Finding
from perception_nodes.errors import InputError
from perception_nodes.frames.poses import WORLD_FRAMES
from perception_nodes.geometry.transforms import TransformBuffer, TransformError
from perception_nodes.ros.geometry_messages import transform_from_msg

_ENOUGH = 0.9


class TransformCheck:
    """Collects transforms; ask for `findings` at the end."""

    def __init__(self) -> None:
        self._tree = TransformBuffer(history_s=1e6)
        self._count = 0
        self._problems: dict[str, int] = {}

    def take(self, message: Any, static: bool) -> None:
        """Take a TFMessage."""
        for transform in message.transforms:
            self._count += 1
            try:
                stamp, parent, child, pose = transform_from_msg(transform)
                self._tree.insert(parent, child, stamp, pose, static)
            except InputError as error:
                self._problems[error.message] = self._problems.get(error.message, 0) + 1

    def findings(self, camera: str, frame_id: str, stamps: list[int]) -> Iterator[Finding]:
        """Whether a camera's place is known at the stamps of its images.

        Args:
            camera: Its name.
            frame_id: Of its images.
            stamps: Of its images, ns.
        """
        subject = f"{camera} transforms"
        for problem, count in self._problems.items():
            yield Finding("BAD", subject, f"{count} impossible: {problem}")
        if not frame_id:
            text = "its images name no frame"
            yield Finding("BAD", subject, text, "set the frame_id of the driver's optical frame")
            return
        if not self._count:
            remedy = "start what localizes the robot; replay can follow the camera by its images"
            yield Finding("note", subject, "there are no transforms", remedy)
            return
        above = self._tree.ancestors(frame_id) if frame_id in self._tree.frames() else []
        worlds = [frame for frame in WORLD_FRAMES if frame in above]
        if not worlds:
            known = f"above {frame_id}: {', '.join(above[1:]) or 'nothing'}"
            remedy = f"publish a transform from {' or '.join(WORLD_FRAMES)} to it"
            yield Finding("BAD", subject, f"no world above the camera ({known})", remedy)
            return
        yield self._in_time(subject, worlds[0], frame_id, stamps)

    def _in_time(self, subject: str, world: str, frame_id: str, stamps: list[int]) -> Finding:
        found, reason = 0, ""
        for stamp in stamps:
            try:
                self._tree.lookup(world, frame_id, stamp)
                found += 1
            except TransformError as error:
                reason = str(error)
        text = f"{world} -> {frame_id} at {found} of {len(stamps)} images"
        if found < _ENOUGH * len(stamps):
            return Finding("BAD", subject, f"{text}: {reason}", "publish transforms more often")
        if world != "map":
            return Finding("note", subject, text, f"give the nodes world_frame:={world}")
        return Finding("ok", subject, text)
