"""Protocols of what foresees objects and of what watches them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from perception_nodes.scene import Event, Influence, ObjectState, Prediction


class Futures(NamedTuple):
    """What is expected of the objects: their futures, and who moves whom."""

    predictions: tuple[Prediction, ...] = ()
    influences: tuple[Influence, ...] = ()


class FutureSource(Protocol):
    """Foresees what objects will do.

    Sources may keep a history of each object; `reset` drops it.
    """

    @property
    def model_id(self) -> str:
        """Names the source and its model."""
        ...

    def foresee(self, stamp: int, objects: Sequence[ObjectState]) -> Futures:
        """The futures after a frame of stamp `stamp`, ns; called once a frame, in order of time."""
        ...

    def reset(self) -> None:
        """Forget earlier frames, as after a backward jump of the clock."""
        ...


class EventSource(Protocol):
    """Tells what happened beyond what the tracker sees of each object by itself."""

    def tell(self, stamp: int, objects: Sequence[ObjectState]) -> tuple[Event, ...]:
        """Events by a frame of stamp `stamp`, ns; called once a frame, in order of time."""
        ...

    def reset(self) -> None:
        """Forget earlier frames."""
        ...
