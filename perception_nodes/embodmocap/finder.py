"""People for the pipeline: keypoints, depth and the tracker in one `PeopleSource`."""

from __future__ import annotations

from perception_nodes.embodmocap.depths import background, view_of
from perception_nodes.embodmocap.fusion import PeopleFusion, Upkeep
from perception_nodes.embodmocap.interface import KeypointSource
from perception_nodes.embodmocap.observation import Noise
from perception_nodes.embodmocap.tracker import BodyTracker
from perception_nodes.scene import Frame, Person


class PeopleFinder:
    """The people that frames of one or more cameras show.

    Args:
        keypoints: Finds joints in a frame.
        fusion: Who is there; None for one that trusts cameras' poses.
    """

    def __init__(self, keypoints: KeypointSource, fusion: PeopleFusion | None = None) -> None:
        self._keypoints = keypoints
        self._noise = Noise()
        self.fusion = fusion or PeopleFusion(BodyTracker(self._noise), self._noise, Upkeep())

    def find(self, frame: Frame) -> tuple[Person, ...]:
        """Everyone known after a frame; one whose pose is unknown adds nothing."""
        keypoints = self._keypoints.find(frame)
        view = view_of(frame, keypoints)
        if view is None:
            return self.fusion.tracker.people()
        static = {}
        if self.fusion.surface is not None:
            static = {frame.camera_name: background(frame, keypoints, self._noise.depth)}
        return self.fusion.update([view], static)

    def reset(self) -> None:
        """Forget everyone, as after a backward jump of the clock."""
        self._keypoints.reset()
        self.fusion.reset()
