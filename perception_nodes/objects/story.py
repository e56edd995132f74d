"""Turns what happens to objects into events with a sentence for a person."""

from __future__ import annotations

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.objects.track import Track
from perception_nodes.scene import Event, EventKind, Frame, Visibility

_WHY_HIDDEN = {
    Visibility.OCCLUDED: "something is in front of it",
    Visibility.OUT_OF_VIEW: "the camera does not look there",
    Visibility.LOST: "its place is empty",
    Visibility.VISIBLE: "it was not recognized",
}


def place(position: Floats) -> str:
    """A position for a sentence."""
    x, y, z = (float(v) + 0.0 for v in np.round(position, 2))
    return f"({x:.2f}, {y:.2f}, {z:.2f})"


class Story:
    """Collects the events of one frame."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._evidence = (f"{frame.camera_name}@{frame.stamp}",)
        self.events: list[Event] = []

    def tell(self, kind: EventKind, track: Track, text: str) -> None:
        """Add an event about one object."""
        self.events.append(Event(self._frame.stamp, kind, (track.id,), text, self._evidence))

    def appeared(self, track: Track) -> None:
        """A new object is believed."""
        at = place(track.position)
        self.tell(EventKind.APPEARED, track, f"{track.name} appeared at {at}")

    def hidden(self, track: Track) -> None:
        """An object is no longer seen."""
        why = _WHY_HIDDEN[track.visibility]
        self.tell(EventKind.HIDDEN, track, f"{track.name} is hidden: {why}")

    def back(self, track: Track, hidden_for: float, displacement: float) -> None:
        """A hidden object is seen again."""
        self.tell(
            EventKind.REAPPEARED, track, f"{track.name} is seen again after {hidden_for:.1f} s"
        )
        if displacement > 0.0:
            text = f"{track.name} was moved {displacement:.2f} m while nobody looked"
            self.tell(EventKind.MOVED_UNSEEN, track, text)

    def moved(self, track: Track) -> None:
        """An object in view started to move."""
        self.tell(EventKind.MOVED, track, f"{track.name} moves from {place(track.anchor)}")

    def stopped(self, track: Track) -> None:
        """An object in view came to rest."""
        self.tell(EventKind.STOPPED, track, f"{track.name} came to rest at {place(track.position)}")

    def lost(self, track: Track) -> None:
        """The place of an object is seen to be empty."""
        at = place(track.position)
        self.tell(EventKind.LOST, track, f"{track.name} is no longer at {at}")

    def removed(self, track: Track) -> None:
        """An object is given up."""
        self.tell(EventKind.REMOVED, track, f"{track.name} is gone; the memory keeps it")

    def mistaken(self, track: Track) -> None:
        """What was taken for an object is a piece of background."""
        text = f"{track.name} is no object: it is not set off from the background"
        self.tell(EventKind.REMOVED, track, text)
