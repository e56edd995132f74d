"""Questions about what others believe."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.memory.answers import Answer, is_known, name_of
from perception_nodes.memory.beliefs import APART
from perception_nodes.memory.changes import Changes
from perception_nodes.memory.rows import Record, clean, unpack_pose

_SURE = 0.5

_LAST = """
SELECT b.*, s.transform FROM agent_belief b JOIN session s ON s.id = b.session
WHERE b.agent = :agent AND b.object = :object AND b.stamp =
    (SELECT stamp FROM agent_belief WHERE agent = :agent AND object = :object
        AND stamp <= coalesce (:at, stamp) ORDER BY id DESC LIMIT 1)
ORDER BY b.id
"""


@dataclass(frozen=True, slots=True, eq=False)
class AgentBelief:
    """Where somebody believes an object to be.

    Attributes:
        agent, object: Ids.
        stamp: When that changed last, ns.
        place: (3,) the most probable place, meters; None if having no idea is more probable.
        probability: Of that place, or of having no idea.
        deviation: Standard deviation over all places that are possible, meters: the less sure the
            gaze, the wider.
        how: "saw" or "told"; "missed" if the agent found the place empty or never saw it.
        seqs: Rows on which it rests.
        false: Probability that the belief is wrong: that a place is believed where it is not.
    """

    agent: str
    object: str
    stamp: int
    place: Floats | None
    probability: float
    deviation: float
    how: str
    seqs: tuple[int, ...]
    false: float


class Minds(Changes):
    """Theory of mind: who believes what."""

    def agents(self) -> list[str]:
        """Ids of all people and robots of whom something is known."""
        return [row[0] for row in self._rows("SELECT DISTINCT agent FROM agent_belief ORDER BY 1")]

    def belief_of(self, agent: str, object_id: str, at: int | None = None) -> AgentBelief | None:
        """What somebody believes of an object; None if they never saw anything of it.

        Args:
            agent: Id of a person or robot.
            object_id: Id of the object.
            at: Message time, ns; None for now.
        """
        rows = self._rows(_LAST, agent=agent, object=object_id, at=at)
        if not rows:
            return None
        places = [np.array([row["x"], row["y"], row["z"]]) for row in rows]
        places = [
            p if row["transform"] is None else unpack_pose(row["transform"]).apply(p)
            for p, row in zip(places, rows, strict=True)
        ]
        weights = np.array([row["probability"] for row in rows])
        none = max(0.0, 1.0 - float(weights.sum()))
        best = int(np.argmax(weights))
        knows = float(weights[best]) >= none
        record = self.record(object_id, at)
        return AgentBelief(
            agent=agent,
            object=object_id,
            stamp=rows[0]["stamp"],
            place=places[best] if knows else None,
            probability=float(weights[best]) if knows else none,
            deviation=_spread(places, weights),
            how=rows[best]["how"] if knows else "missed",
            seqs=tuple(row["id"] for row in rows),
            false=sum(
                float(w) for p, w in zip(places, weights, strict=True) if _wrong(p, record, at)
            ),
        )

    def false_beliefs(self, at: int | None = None) -> list[AgentBelief]:
        """Who probably believes an object where it is not, the surest first."""
        ids = [record.state.id for record in self.records(at)]
        found = [self.belief_of(agent, key, at) for agent in self.agents() for key in ids]
        wrong = [belief for belief in found if belief is not None and belief.false > _SURE]
        return sorted(wrong, key=lambda belief: -belief.false)

    def believes(self, agent: str, name: str, at: int | None = None) -> Answer:
        """Where somebody thinks that an object is, for a person.

        Args:
            agent: Id of a person or robot.
            name: Id or label of the object.
            at: Message time, ns; None for now.
        """
        found = [(key, b) for key in self.find(name) if (b := self.belief_of(agent, key, at))]
        if not found:
            text = f'unknown: nothing is known of what "{clean(agent)}" saw of "{clean(name)}"'
            return Answer(False, text, at)
        lines, evidence = [], []
        for key, belief in found:
            record = self.record(key, at)
            called = name_of(record.state) if record else key
            evidence += [f"belief {seq}" for seq in belief.seqs]
            if belief.place is None:
                lines.append(f"{agent} has no idea where {called} is")
                continue
            x, y, z = belief.place
            wrong = "; that is wrong" if belief.false > _SURE else ""
            lines.append(
                f"{agent} thinks that {called} is at ({x:.2f}, {y:.2f}, {z:.2f}) ± "
                f"{belief.deviation:.2f} m (probability {belief.probability:.2f}){wrong}"
            )
        return Answer(True, "\n".join(lines), at, (), (), tuple(evidence))


def _spread(places: list[Floats], weights: Floats) -> float:
    """Standard deviation of one axis over the possible places, meters."""
    total = float(weights.sum())
    if total <= 0.0:
        return math.inf
    points = np.array(places)
    middle = weights @ points / total
    return math.sqrt(float(weights @ ((points - middle) ** 2).sum(axis=1)) / total / 3.0)


def _wrong(place: Floats, record: Record | None, at: int | None) -> bool:
    if record is None or not is_known(record, at):
        return True
    return float(np.linalg.norm(place - record.state.position)) > APART
