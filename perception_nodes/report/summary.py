"""What the runner knows about a run and the frames alone don't tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The run as a whole.

    Attributes:
        source: Name of the recording or simulated world.
        frames: How many frames were processed.
        duration: Time that the recording spans, s.
        fps: Frames processed per second of computing time.
        pose_origin: Where the camera poses come from, such as "transforms in the recording".
        command: The command line that repeats the run.
        version: Version of permanence and of what it leans on.
        input_hash: Digest of the recording; empty where there is none.
        notes: Sentences that a reader should know, such as assumptions made.
        losses: Sentences about input that could not be used.
        drops: Frames not processed, by cause.
        score: `Score.figures()`; None without truth.
    """

    source: str
    frames: int
    duration: float
    fps: float
    pose_origin: str
    command: str = ""
    version: str = ""
    input_hash: str = ""
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    drops: Mapping[str, int] = field(default_factory=dict)
    score: Mapping[str, Any] | None = None
