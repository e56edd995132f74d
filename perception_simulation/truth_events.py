"""What truly happens to objects, as events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_nodes.scene import Event, EventKind, ObjectState, Visibility

_MOVES, _RESTS = 0.03, 0.008
_REACH = 0.05
_APART = 50_000_000

_Told = tuple[EventKind, tuple[str, ...], str]


class EventTeller:
    """Compares each frame's truth with the one before; keeps one short memory per object."""

    def __init__(self) -> None:
        self._visible: dict[str, bool] = {}
        self._moving: dict[str, bool] = {}
        self._touching: dict[tuple[str, str], int] = {}

    def tell(
        self,
        stamp: int,
        states: Sequence[ObjectState],
        touching: Sequence[tuple[str, str]],
        camera: str,
    ) -> tuple[Event, ...]:
        """The events between the frame before and this one.

        Args:
            stamp: Of the frame, ns.
            states: True states of the objects.
            touching: Pairs of names that touch.
            camera: Name of the camera whose frame is the evidence.
        """
        evidence = (f"{camera}@{stamp}",)
        kinds: list[_Told] = []
        for state in states:
            kinds += self._seen(state)
            kinds += self._moved(state)
        kinds += self._touched(stamp, touching)
        return tuple(Event(stamp, kind, who, text, evidence) for kind, who, text in kinds)

    def _seen(self, state: ObjectState) -> list[_Told]:
        now = state.visibility is Visibility.VISIBLE
        before = self._visible.get(state.id)
        if now:
            self._visible[state.id] = True
        elif before is not None:
            self._visible[state.id] = False
        if now and before is None:
            return [(EventKind.APPEARED, (state.id,), f"{state.id} comes into view")]
        if now and before is False:
            return [(EventKind.REAPPEARED, (state.id,), f"{state.id} comes into view again")]
        if before and not now:
            why = "covered" if state.visibility is Visibility.OCCLUDED else "out of view"
            return [(EventKind.HIDDEN, (state.id,), f"{state.id} is {why}")]
        return []

    def _moved(self, state: ObjectState) -> list[_Told]:
        speed = float(
            np.linalg.norm(state.velocity) + _REACH * np.linalg.norm(state.angular_velocity)
        )
        before = self._moving.get(state.id, False)
        now = speed > (_RESTS if before else _MOVES)
        self._moving[state.id] = now
        if now and not before:
            if state.visibility is Visibility.VISIBLE:
                return [(EventKind.MOVED, (state.id,), f"{state.id} starts to move")]
            return [(EventKind.MOVED_UNSEEN, (state.id,), f"{state.id} starts to move unseen")]
        if before and not now:
            return [(EventKind.STOPPED, (state.id,), f"{state.id} comes to rest")]
        return []

    def _touched(self, stamp: int, touching: Sequence[tuple[str, str]]) -> list[_Told]:
        told: list[_Told] = []
        for pair in touching:
            if pair not in self._touching:
                told.append((EventKind.CONTACT_ON, pair, f"{pair[0]} and {pair[1]} touch"))
            self._touching[pair] = stamp
        # contacts flicker while things slide: they end when they were gone for a while
        for pair in sorted(p for p, last in self._touching.items() if stamp - last > _APART):
            del self._touching[pair]
            told.append((EventKind.CONTACT_OFF, pair, f"{pair[0]} and {pair[1]} part"))
        return told
