"""Scores a run while it happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from perception_nodes.scene import Sample, SceneState
from perception_nodes.score.score import Score


class ScoreSink:
    """A sink that compares states with truth; samples without truth are passed over."""

    def __init__(self) -> None:
        self._score = Score()
        self._latencies: list[float] = []

    @property
    def frames(self) -> int:
        """Frames with truth, so far."""
        return self._score.frames

    def write(self, sample: Sample, state: SceneState, timings: Mapping[str, float]) -> None:
        """Take one frame."""
        self._latencies.append(sum(timings.values()))
        if sample.truth is not None:
            self._score.add(sample.truth, state.objects)

    def figures(self) -> dict[str, Any]:
        """`Score.figures` and the latency of a frame, ms."""
        figures = self._score.figures()
        latencies = 1000.0 * np.array(self._latencies or [0.0])
        names = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
        figures["latency_ms"] = {k: float(np.quantile(latencies, q)) for k, q in names.items()}
        return figures
