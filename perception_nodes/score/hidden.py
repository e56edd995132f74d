"""Follows true objects through the times in which nobody sees them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.scene import ObjectState, Visibility

SHORTEST_EPISODE = 0.3
"""Seconds out of sight below which an episode is called flicker and not counted."""

_PUSHED = 0.02
_GRACE = 1.0
_NANOSECONDS = 1e-9


@dataclass(slots=True)
class Episode:
    """A stretch of time in which a true object was not visible.

    Attributes:
        begin, end: Stamps, ns; `end` is that of the first frame that showed it again.
        identity: Id of the state that it had when it was last seen; None if it had none.
        seen_at: (3,) where it truly was when it was last seen.
        pushed: Whether it truly was more than 2 cm from there at some time.
        kept: Whether it was found again under the same id.
    """

    begin: int
    identity: str | None
    seen_at: Floats
    pushed: bool = False
    end: int = 0
    kept: bool = False

    @property
    def duration(self) -> float:
        """Seconds."""
        return (self.end - self.begin) * _NANOSECONDS


@dataclass(slots=True)
class HiddenObjects:
    """Which true objects are hidden, and what became of those that were.

    Attributes:
        frames, known: How often a hidden object was asked for, and how often a state was there.
    """

    frames: int = 0
    known: int = 0
    _open: dict[str, Episode] = field(default_factory=dict)
    _back: dict[str, Episode] = field(default_factory=dict)
    _done: list[Episode] = field(default_factory=list)
    _identity: dict[str, str] = field(default_factory=dict)
    _place: dict[str, Floats] = field(default_factory=dict)

    def owner(self, true: ObjectState) -> str | None:
        """Id of the state that a true object had when it was last seen."""
        return self._identity.get(true.id)

    def last_place(self, true: ObjectState) -> Floats:
        """(3,) where a true object was when it was last seen, or is if it is visible."""
        return self._place.get(true.id, true.position)

    def follow(self, true: ObjectState, stamp: int, matched: str | None) -> str:
        """Take a true object of the next frame.

        Args:
            true: Visible at least once so far.
            stamp: Of the frame, ns.
            matched: Id of the state that is matched to it.

        Returns:
            "visible", "hidden_untouched" or "hidden_pushed".
        """
        if true.visibility is Visibility.VISIBLE:
            self._seen(true, stamp, matched)
            return "visible"
        return self._hidden(true, stamp, matched)

    def _seen(self, true: ObjectState, stamp: int, matched: str | None) -> None:
        if true.id in self._open:
            episode = self._open.pop(true.id)
            episode.end = stamp
            self._back[true.id] = episode
        episode_back = self._back.get(true.id)
        if episode_back is not None:
            late = (stamp - episode_back.end) * _NANOSECONDS > _GRACE
            if matched is not None or late:
                episode_back.kept = not late and matched == episode_back.identity
                self._done.append(self._back.pop(true.id))
        if matched is not None:
            self._identity[true.id] = matched
        self._place[true.id] = true.position

    def _hidden(self, true: ObjectState, stamp: int, matched: str | None) -> str:
        if true.id in self._back:
            # Seen for a moment, never found: what was known of it is lost.
            self._done.append(self._back.pop(true.id))
        if true.id not in self._open:
            identity = self._identity.get(true.id)
            self._open[true.id] = Episode(stamp, identity, self.last_place(true))
        episode = self._open[true.id]
        self.frames += 1
        self.known += matched is not None
        episode.pushed |= bool(np.linalg.norm(true.position - episode.seen_at) > _PUSHED)
        return "hidden_pushed" if episode.pushed else "hidden_untouched"

    def figures(self) -> dict[str, float | int | None]:
        """Episodes that ended with the object in sight, and how many kept its identity."""
        waiting = list(self._back.values())
        episodes = [
            e
            for e in (*self._done, *waiting)
            if e.duration >= SHORTEST_EPISODE and e.identity is not None
        ]
        kept = [e for e in episodes if e.kept]
        return {
            "episodes": len(episodes),
            "kept": len(kept),
            "pushed_episodes": sum(e.pushed for e in episodes),
            "pushed_kept": sum(e.pushed for e in kept),
            "longest_kept_s": max((e.duration for e in kept), default=0.0),
            "recall": self.known / self.frames if self.frames else None,
        }
