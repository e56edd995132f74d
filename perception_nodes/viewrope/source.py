"""The protocol of a slot source: the learned encoder, the depth-only finder, a user's detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from perception_nodes.scene import Frame, ObjectState, Slots


class SlotSource(Protocol):
    """Finds the objects that one frame shows.

    Sources may keep state between frames of one camera (key frames, previous slots); `reset`
    drops it. They never see object states: identity is the business of `perception_nodes.objects`.
    """

    @property
    def model_id(self) -> str:
        """Names the source and its model; slots of different ids carry incomparable latents."""
        ...

    def find(self, frame: Frame) -> Slots:
        """Return the slots of a frame; a frame without objects gives no slots, never an error."""
        ...

    def reset(self) -> None:
        """Forget earlier frames, as after a backward jump of the clock."""
        ...


@runtime_checkable
class Telling(Protocol):
    """What a source may offer besides, to be asked at any time and from any thread."""

    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know, a sentence each, each said once."""
        ...

    def facts(self) -> Mapping[str, str]:
        """Figures for diagnostics."""
        ...


@runtime_checkable
class Learning(Protocol):
    """What a source may take besides: what came of its slots."""

    def learn(self, stamp: int, states: Sequence[ObjectState]) -> None:
        """All objects after a frame, in the order of frames; may come later than the next one."""
        ...
