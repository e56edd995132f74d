"""What usually happens after an action on an object: statistics of the log."""

from __future__ import annotations

import json
import sqlite3
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.memory.access import place_of
from perception_nodes.memory.answers import LoggedEvent
from perception_nodes.memory.explanation import Explanations
from perception_nodes.memory.rows import clean

_MOST_PRECEDENTS = 100  # of an object
_DEEPEST = 4
_SHOWN = 5
_ACTIONS = """
SELECT e.* FROM event_subject s JOIN event e ON e.seq = s.event
WHERE s.object = :object AND s.kind = 'action' AND e.text LIKE :action ESCAPE '\\'
ORDER BY s.event DESC LIMIT :k
"""
_REACHED = """
WITH RECURSIVE reached (root, seq, depth) AS (
    SELECT value, value, 0 FROM json_each (:keys)
    UNION
    SELECT r.root, e.target, r.depth + 1 FROM reached r
    JOIN edge e ON e.source = r.seq AND e.kind = 'causes' WHERE r.depth < :depth
    LIMIT 10000)
SELECT DISTINCT r.root, e.subjects FROM reached r JOIN event e ON e.seq = r.seq
WHERE e.kind IN ('moved', 'moved_unseen')
"""
_PREVENTED = """
SELECT count(DISTINCT target) FROM edge
WHERE kind = 'prevents' AND target IN (SELECT value FROM json_each (:keys))
"""
_STOPS = """
SELECT k.value AS action, e.* FROM json_each (:keys) k JOIN event e ON e.seq =
    (SELECT event FROM event_subject WHERE object = :object AND position = 0
    AND event > k.value AND kind = 'stopped' ORDER BY event LIMIT 1)
"""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What the log tells of an action.

    Attributes:
        action, name: What was asked about.
        times: How often it was tried on the object, the newest 100 times.
        moved: How often the object moved because of it.
        distances: How far it came each time that its rest was seen, meters.
        others: How often other objects moved because of it, by id, the most frequent first.
        prevented: How often something was known to stand in the way.
        precedents: The newest five actions, newest first.
    """

    action: str
    name: str
    times: int = 0
    moved: int = 0
    distances: tuple[float, ...] = ()
    others: tuple[tuple[str, int], ...] = ()
    prevented: int = 0
    precedents: tuple[LoggedEvent, ...] = ()

    @property
    def known(self) -> bool:
        """Whether it was ever tried."""
        return self.times > 0

    @property
    def probability(self) -> float:
        """That the object moves next time: the mean of a Beta (1, 1) prior and the log."""
        return (self.moved + 1) / (self.times + 2)

    @property
    def sentence(self) -> str:
        """For a person."""
        if not self.known:
            return f'unknown: "{self.action}" was never tried on "{self.name}"'
        told = [f"after {self.action}, {self.name} moved {self.moved} of {self.times} times"]
        if self.distances:
            told.append(f"by {statistics.median(self.distances):.2f} m (median)")
        told += [f"{name} moved too {count} times" for name, count in self.others[:_SHOWN]]
        if self.prevented:
            told.append(f"{self.prevented} times something stood in the way")
        return "; ".join(told)

    @property
    def evidence(self) -> tuple[str, ...]:
        """The newest actions that were counted."""
        return tuple(f"event {event.seq}" for event in self.precedents)


class Precedents(Explanations):
    """Questions about what follows."""

    def what_if(self, action: str, name: str) -> Outcomes:
        """What usually happened after an action on an object.

        Args:
            action: Its name, such as "push".
            name: Id or label of the object; objects of the same label count together.
        """
        action, ids = clean(action.strip()), self.find(name)
        pattern = action.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        found = [
            (key, row)
            for key in ids
            for row in self._rows(_ACTIONS, object=key, action=f"{pattern}:%", k=_MOST_PRECEDENTS)
        ]
        found.sort(key=lambda pair: -pair[1]["seq"])
        others: Counter[str] = Counter()
        movers = self._moved_by([row["seq"] for _, row in found])
        for key, row in found:
            others.update(movers[row["seq"]] - {key})
        caused = [(key, row) for key, row in found if key in movers[row["seq"]]]
        keys = json.dumps(list(movers))
        prevented = int(self._rows(_PREVENTED, keys=keys)[0][0])
        ranked = tuple(sorted(others.items(), key=lambda item: (-item[1], item[0])))
        shown = tuple(self._logged([row for _, row in found[:_SHOWN]]))
        told = (len(found), len(caused), self._distances(caused), ranked, prevented, shown)
        return Outcomes(action, clean(name), *told)

    def _moved_by(self, seqs: Sequence[int]) -> dict[int, set[str]]:
        """By action, the objects that moved because of it, directly or through others."""
        moved: dict[int, set[str]] = {seq: set() for seq in seqs}
        for row in self._rows(_REACHED, keys=json.dumps(list(seqs)), depth=_DEEPEST):
            moved[row["root"]].add(json.loads(row["subjects"])[0])
        return moved

    def _distances(self, caused: Sequence[tuple[str, sqlite3.Row]]) -> tuple[float, ...]:
        """How far each action had brought its object when it came to rest, where that was seen."""
        moved = self._moved()
        rests: dict[int, Floats | None] = {}
        for key in {key for key, _ in caused}:
            actions = json.dumps([row["seq"] for other, row in caused if other == key])
            for stop in self._rows(_STOPS, object=key, keys=actions):
                rests[stop["action"]] = place_of(stop, moved.get(stop["session"]))
        pairs = (
            (rests.get(row["seq"]), place_of(row, moved.get(row["session"]))) for _, row in caused
        )
        return tuple(
            float(np.linalg.norm(end - start))
            for end, start in pairs
            if end is not None and start is not None
        )
