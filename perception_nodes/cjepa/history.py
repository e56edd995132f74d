"""The last states of all objects on a grid of time that does not depend on the frame rate."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.bodies import INTERVAL
from perception_nodes.cjepa.model import AGE, HISTORY, Bodies, levels, unsupported
from perception_nodes.scene import ObjectState

STEP = round(INTERVAL * 1e9)
"""Nanoseconds between two moments."""
_FORGET_AFTER = 10 * STEP
Row = tuple[Floats, Floats, Floats, Floats, Floats]
"""State, belief, size, roundness and physics of one object, as in `Bodies`."""


class History:
    """Objects at moments `STEP` apart, between frames by straight lines.

    A gap of more than a second, or time that runs backward, starts it anew.
    """

    def __init__(self) -> None:
        self._moments: deque[dict[str, Row]] = deque(maxlen=HISTORY)
        self._robots: deque[Floats | None] = deque(maxlen=HISTORY)
        self._before: tuple[int, dict[str, Row]] | None = None
        self.stamp = 0
        """Time of the newest moment, ns; 0 before the first."""
        self.held: frozenset[str] = frozenset()
        """Objects that hung in the air when they were last seen."""

    def reset(self) -> None:
        """Forget everything."""
        self._moments.clear()
        self._robots.clear()
        self._before = None
        self.stamp = 0
        self.held = frozenset()

    def note(self, stamp: int, objects: Sequence[ObjectState], robot: Floats | None = None) -> bool:
        """Take the objects at a time.

        Args:
            stamp: ns.
            objects: What is believed then.
            robot: (6,) tip and velocity of the pusher then.

        Returns:
            Whether a new moment was added.
        """
        if self._before is not None and not 0 <= stamp - self._before[0] <= _FORGET_AFTER:
            self.reset()
        bodies = Bodies.of(objects)
        rows: dict[str, Row] = {
            name: (
                bodies.states[k],
                bodies.beliefs[k],
                bodies.size[k],
                bodies.roundness[k],
                bodies.physics[k],
            )
            for k, name in enumerate(bodies.ids)
        }
        self._note_held(bodies)
        added = False
        if self._before is None:
            self._add(stamp, rows, robot)
            added = True
        while stamp - self.stamp >= STEP:
            self._add(self.stamp + STEP, self._between(self.stamp + STEP, stamp, rows), robot)
            added = True
        self._before = (stamp, rows)
        return added

    def free(self) -> list[list[int]]:
        """Indices of the objects that nothing holds, by level; see `model.levels`."""
        newest = self.bodies()[-1]
        free = [i for i, name in enumerate(newest.ids) if name not in self.held]
        return [[free[i] for i in level] for level in levels(newest.only(free))]

    def _note_held(self, bodies: Bodies) -> None:
        hangs = unsupported(bodies)
        seen = bodies.beliefs[:, AGE] <= 0.0
        now = {name for k, name in enumerate(bodies.ids) if seen[k] and hangs[k]}
        before = {name for k, name in enumerate(bodies.ids) if not seen[k] and name in self.held}
        self.held = frozenset(now | before)

    def bodies(self) -> list[Bodies]:
        """The objects of the newest moment in `HISTORY` moments, oldest first.

        What is not known of earlier moments is as in the first one that is known.
        """
        if not self._moments:
            empty = Bodies.of(())
            return [empty] * HISTORY
        newest = self._moments[-1]
        ids = tuple(newest)
        found = []
        for age in range(HISTORY - 1, -1, -1):
            rows = [self._row(name, age) for name in ids]
            arrays = [np.stack(p) for p in zip(*rows, strict=True)] if rows else None
            found.append(Bodies(ids, *arrays) if arrays else Bodies.of(()))
        return found

    def robot(self) -> Floats | None:
        """(HISTORY, 6) of the pusher, oldest first; none if there is none now."""
        if not self._robots or self._robots[-1] is None:
            return None
        latest = self._robots[-1]
        known = [latest if r is None else r for r in self._robots]
        return np.stack([known[0]] * (HISTORY - len(known)) + known)

    def path(self, steps: int) -> Floats | None:
        """(HISTORY + steps, 6) of the pusher, oldest first, if it goes straight on from now."""
        past = self.robot()
        if past is None:
            return None
        ahead = np.repeat(past[-1:], steps, axis=0)
        ahead[:, :3] += INTERVAL * np.arange(1, steps + 1)[:, None] * past[-1, 3:]
        return np.concatenate((past, ahead))

    def _row(self, name: str, age: int) -> Row:
        """An object so many moments ago, or in the first later one that knows it."""
        for index in range(max(len(self._moments) - 1 - age, 0), len(self._moments)):
            if name in self._moments[index]:
                return self._moments[index][name]
        raise KeyError(name)

    def _add(self, stamp: int, rows: dict[str, Row], robot: Floats | None) -> None:
        self.stamp = stamp
        self._moments.append(rows)
        self._robots.append(robot)

    def _between(self, stamp: int, later: int, rows: dict[str, Row]) -> dict[str, Row]:
        """Objects at a time between the frame before and this one."""
        assert self._before is not None
        earlier, old = self._before
        share = (stamp - earlier) / max(later - earlier, 1)
        mixed: dict[str, Row] = {}
        for name, row in rows.items():
            if name not in old:
                mixed[name] = row
                continue
            state = row[0].copy()
            state[:3] = (1.0 - share) * old[name][0][:3] + share * row[0][:3]
            mixed[name] = (state, *row[1:])
        return mixed
