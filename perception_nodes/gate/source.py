"""A slot source that rests while nothing happens (after SenCache, arXiv 2602.24208).

The rule there: evaluate a network again only where sensitivity times change says that its output
would move. Here change is what `moved` measures since the frame that was last looked at, patch by
patch; the largest patch decides, since small moving things are what matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from perception_nodes.errors import ConfigurationError
from perception_nodes.gate.change import Glance, glance, moved
from perception_nodes.gate.governor import Governor
from perception_nodes.gate.promise import Promise, corrected
from perception_nodes.scene import Frame, ObjectState, Slots
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.source import SlotSource, Telling

THRESHOLD = 0.02
"""Meters that an outline may move before the source looks again."""
LONGEST_REST = 1.0
_WARM_UP = 8
_NANOSECONDS = 1e-9


@dataclass(slots=True)
class _Watched:
    """What is known of one camera."""

    looked_at: Glance | None = None
    stamp: int = 0
    shape: tuple[int, ...] = (1, 1)
    looks: int = 0


@dataclass(slots=True)
class GatedSource:
    """Asks another source only where something moved, and answers `rested` slots otherwise.

    It looks at the first eight frames of a camera, at frames without a pose, and after the longest
    rest at the latest.

    Attributes:
        source: What finds objects.
        threshold: Meters that an outline may move unnoticed, see `moved`.
        longest_rest: Seconds.
        color: Whether the source looks at color, so that what is painted otherwise counts.
        governor: Owns the threshold and the longest rest, to keep a budget; None to keep both.
        promise: Moves the threshold to keep an error; it needs `learn`. Not with a governor.
        frames, rested: How many were given, and how many of these were not looked at.
    """

    source: SlotSource
    threshold: float = THRESHOLD
    longest_rest: float = LONGEST_REST
    color: bool = False
    governor: Governor | None = None
    promise: Promise | None = None
    frames: int = 0
    rested: int = 0
    _cameras: dict[str, _Watched] = field(default_factory=dict)
    _audited: int | None = None
    _believed: tuple[ObjectState, ...] = ()

    @property
    def model_id(self) -> str:
        """That of the source."""
        return self.source.model_id

    def find(self, frame: Frame) -> Slots:
        """The slots of a frame; `rested` and empty if it is not worth looking at."""
        watched = self._cameras.setdefault(frame.camera_name, _Watched())
        now = glance(frame, color=self.color)
        self.frames += 1
        look = now is None or self._worth(frame.stamp, now, watched)
        if not look:
            self.rested += 1
            labels = np.zeros(watched.shape, np.uint8)
            return Slots(frame.stamp, frame.camera_name, frame.frame_id, labels, (), self.model_id,
                         rested=True, staleness=frame.stamp - watched.stamp)  # fmt: skip
        slots = self.source.find(frame)
        watched.looked_at, watched.stamp, watched.shape = now, frame.stamp, slots.labels.shape
        watched.looks += 1
        return slots

    def _worth(self, stamp: int, now: Glance, watched: _Watched) -> bool:
        age = (stamp - watched.stamp) * _NANOSECONDS
        if watched.looked_at is None or watched.looks < _WARM_UP:
            return True
        patience = self.longest_rest
        if self.governor is not None:
            patience = self.governor.longest_rest(patience)
        if not 0.0 <= age < patience:
            if self.governor is not None:
                self.governor.looked_in_vain()
            return True
        change = float(moved(watched.looked_at, now).max(initial=0.0))
        if self.governor is not None:
            return self.governor.worth(stamp, change)
        if self.promise is None:
            return change > self.threshold
        if change > self.promise.threshold:
            return True
        if not self.promise.audited():
            return False
        self._audited = stamp
        return True

    def learn(self, stamp: int, states: Sequence[ObjectState]) -> None:
        """What is believed after a frame; after an audited one the error of its skip is known.

        Args:
            stamp: Of the frame, ns.
            states: All objects. Calls come in the order of the frames.
        """
        if self.promise is not None and self._audited == stamp:
            self.promise.learn(corrected(self._believed, states))
            self._audited = None
        self._believed = tuple(states)

    def reset(self) -> None:
        """Forget earlier frames."""
        self.source.reset()
        self._cameras.clear()
        self._audited, self._believed = None, ()

    def notes(self) -> tuple[str, ...]:
        """What the source has to say, and how often it rested."""
        told = self.source.notes() if isinstance(self.source, Telling) else ()
        share = 100.0 * self.rested / max(self.frames, 1)
        return (*told, f"{share:.0f} % of the frames were not searched for objects (--gate)")

    def facts(self) -> Mapping[str, str]:
        """Figures for diagnostics."""
        told = self.source.facts() if isinstance(self.source, Telling) else {}
        facts = {**told, "frames rested": f"{self.rested} of {self.frames}"}
        if self.governor is not None:
            facts |= self.governor.facts()
        if self.promise is not None:
            kept = self.promise
            facts["promise"] = f"{kept.broken} of {kept.audits} audits broke it"
        return facts


def gated(
    source: SlotSource,
    governor: Governor | None = None,
    tolerance: float | None = None,
    threshold: float | None = None,
) -> GatedSource:
    """A source that rests while nothing happens.

    Args:
        source: What finds objects.
        governor: Keeps a budget; None to search as many frames as show that something moved.
        tolerance: Meters that nine of ten skipped frames shall keep; None to promise nothing.
        threshold: Meters that an outline may move unnoticed, with a promise at first; None for the
            default. A governor owns it.

    Raises:
        ConfigurationError: The tolerance can't be promised, or two were asked for that exclude
            each other.
    """
    if governor is not None and tolerance is not None:
        raise ConfigurationError(
            "a budget and a promise can't both be kept", "ask for one of the two"
        )
    if governor is not None and threshold is not None:
        raise ConfigurationError("a budget owns the threshold", "ask for one of the two")
    start = THRESHOLD if threshold is None else threshold
    return GatedSource(
        source,
        start,
        color=type(source) is not DepthFinder,
        governor=governor,
        promise=None if tolerance is None else Promise(tolerance, threshold=start),
    )
