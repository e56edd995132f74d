"""Contacts between objects and what nobody foresaw, as events.

The tracker tells of what appears, moves, stops, hides and comes back (`perception_nodes.objects`).
This adds what needs several objects, or a forecast: two touch or part, and something happens that
the world model did not expect. Thresholds are those of the calibration.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from perception_nodes.arrays import Bools, Floats
from perception_nodes.cjepa.actors import Actor
from perception_nodes.cjepa.calibration import Calibration
from perception_nodes.cjepa.history import History
from perception_nodes.cjepa.model import AGE, Bodies, Rollout, WorldModel, gaps
from perception_nodes.scene import Event, EventKind, ObjectState

_PATIENCE = 2
"""Moments for which a touch or a parting has to last."""


class ContactRule:
    """Who touches whom, told from gaps moment by moment; they part farther than they touch.

    Args:
        calibration: Says at which gaps.

    Attributes:
        touching: Pairs of ids.
    """

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self.touching: set[frozenset[str]] = set()
        self._waiting: dict[frozenset[str], int] = {}

    def note(self, ids: Sequence[str], gap: Floats) -> list[tuple[str, str, bool]]:
        """Take the gaps (N, N) of a moment, m; returns who touches now, or no longer."""
        limits = self._calibration.contact_gap, self._calibration.contact_part
        changes, waiting = [], {}
        for i, j in itertools.combinations(range(len(ids)), 2):
            pair = frozenset((ids[i], ids[j]))
            touched = pair in self.touching
            if bool(gap[i, j] < limits[touched]) == touched:
                continue
            waiting[pair] = self._waiting.get(pair, 0) + 1
            if waiting[pair] < _PATIENCE:
                continue
            del waiting[pair]
            self.touching ^= {pair}
            changes.append((ids[i], ids[j], not touched))
        self._waiting = waiting
        self.touching = {pair for pair in self.touching if pair <= set(ids)}
        return changes


class EventDetector:
    """Watches objects at the moments of the world model.

    Args:
        model: Foresees what is compared with what is seen.
    """

    def __init__(self, model: WorldModel) -> None:
        self._model = model
        self._history = History()
        self._contacts = ContactRule(model.calibration)
        self._expected: dict[str, tuple[Floats, Floats]] = {}
        self._actor: Actor | None = None

    def tell_actor(self, actor: Actor | None) -> None:
        """Who pushes at the time of the frame to come: what it does is no surprise."""
        self._actor = actor

    def reset(self) -> None:
        """Forget earlier frames."""
        self._history.reset()
        self._contacts = ContactRule(self._model.calibration)
        self._expected = {}
        self._actor = None

    def tell(self, stamp: int, objects: Sequence[ObjectState]) -> tuple[Event, ...]:
        """What happened by a time; called once a frame, in order of time."""
        robot = None if self._actor is None else self._actor.before(0.0)
        if not self._history.note(stamp, objects, robot):
            return ()
        now = self._history.bodies()[-1]
        found = [*self._touches(stamp, now), *self._surprises(stamp, now)]
        self._expect()
        return tuple(found)

    def _touches(self, stamp: int, now: Bodies) -> list[Event]:
        events = []
        for a, b, touches in self._contacts.note(now.ids, gaps(now)):
            kind = EventKind.CONTACT_ON if touches else EventKind.CONTACT_OFF
            verb = "touches" if touches else "no longer touches"
            events.append(Event(stamp, kind, (a, b), f"{a} {verb} {b}"))
        return events

    def _surprises(self, stamp: int, now: Bodies) -> list[Event]:
        """Objects that are seen far from where they were expected."""
        events = []
        seen: Bools = now.beliefs[:, AGE] <= 0.0
        for k, name in enumerate(now.ids):
            if not seen[k] or name not in self._expected:
                continue
            place, variance = self._expected[name]
            size = innovation(now.states[k, :2] - place, variance + np.exp(2 * now.beliefs[k, 0]))
            if size > self._model.calibration.surprise:
                apart = 100 * float(np.linalg.norm(now.states[k, :2] - place))
                text = f"{name} is {apart:.0f} cm from where it was expected"
                events.append(Event(stamp, EventKind.SURPRISE, (name,), text))
        return events

    def _expect(self) -> None:
        self._expected = {}
        history, robot = self._history.bodies(), self._history.path(1)
        for level in self._history.free():
            part = [bodies.only(level) for bodies in history]
            self._expected |= _places(part[-1], self._model.roll(part, 1, robot))


def innovation(apart: Floats, variance: Floats | float) -> float:
    """Squared level distance (2,) in variances."""
    return float(apart @ apart / variance)


def _places(now: Bodies, ahead: Rollout) -> dict[str, tuple[Floats, Floats]]:
    states, deviations = ahead.states[0, 0], ahead.deviations[0, 0]
    return {n: (states[k, :2], np.exp(2 * deviations[k, 0])) for k, n in enumerate(now.ids)}
