"""No picture of a person reaches a report, a live view or a recording, where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from perception_nodes.replay import Sink
from perception_nodes.scene import Frame, Sample, SceneState


class Discreet:
    """A sink that shows another one black, without depth, while somebody is known.

    Args:
        sink: Gets everything else as it is.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, sample: Sample, state: SceneState, timings: Mapping[str, float]) -> None:
        """Hand a frame on, blackened if somebody is in `state.people`."""
        shown = Sample(_black(sample.frame), sample.truth) if state.people else sample
        self._sink.write(shown, state, timings)


def _black(frame: Frame) -> Frame:
    return Frame(
        frame.stamp, frame.camera_name, frame.frame_id, frame.camera,
        np.zeros_like(frame.color), np.full_like(frame.depth, np.nan), frame.pose,
    )  # fmt: skip
