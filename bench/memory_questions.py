"""Questions with exact answers about simulated episodes, and one program that answers them.

Types as in AMA-Bench (arXiv 2602.22769): A recall, B causes, C present state, D abstraction. The
program sees only the events that a memory retrieved, and the causal edges among them where the
memory has any: memories differ, the program does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from memory_world import PERSON, ROBOT, SECOND, Action, Step

from perception_nodes.arrays import Floats
from perception_nodes.memory.answers import LoggedEvent

Edges = Mapping[int, Sequence[tuple[int, float]]]
"""By number of an event: the events that caused it, with weights, surest first."""

UNKNOWN = "unknown"
MOVES = ("moved", "moved_unseen")
_PLACED = ("appeared", "stopped", "reappeared", "moved_unseen", "moved")
_NEAR = 0.05  # m that a place may be wrong
_SOON = round(0.5 * SECOND)
_BEFORE = 10 * SECOND  # an action without known effects is blamed for that long
_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Question:
    """A question about an object.

    Attributes:
        type: "A" to "D".
        kind: What is asked; the program knows it.
        text: In words, for memories that search by words.
        object: About whom.
        at: Message time that it is about, ns.
        horizon: How many events lie between that time and the time of asking.
        answers: What is right; a place as (3,) numbers is right within 5 cm.
        action: Of questions about one.
    """

    type: str
    kind: str
    text: str
    object: str
    at: int
    horizon: int
    answers: tuple[object, ...]
    action: str = ""

    def right(self, said: object) -> bool:
        """Whether an answer is right."""
        for answer in self.answers:
            if isinstance(answer, np.ndarray):
                if isinstance(said, np.ndarray) and np.linalg.norm(said - answer) <= _NEAR:
                    return True
            elif isinstance(answer, int) and isinstance(said, int) and self.kind == "when":
                if abs(said - answer) <= SECOND:
                    return True
            elif not isinstance(said, np.ndarray) and said == answer:
                return True
        return False


def ask(
    steps: Sequence[Step], events: Sequence[LoggedEvent], rng: np.random.Generator
) -> Iterator[Question]:
    """All questions about an episode.

    Args:
        steps: The truth.
        events: The log.
        rng: Chooses among equals.
    """
    moves = [e for e in events if e.kind in MOVES]
    stamps = np.array([e.stamp for e in events])
    start, end = events[0].stamp, steps[-1].end
    objects = sorted({e.subjects[0] for e in events if e.kind == "appeared"})

    def made(type_: str, kind: str, text: str, name: str, at: int, *answers: object,
             action: str = "") -> Question:  # fmt: skip
        horizon = int((stamps > at).sum())
        return Question(type_, kind, text, name, at, horizon, answers, action)

    for event in moves:
        name, causes = event.subjects[0], actions_behind(event, steps)
        if causes is None:
            continue
        t = f"t={(event.stamp - start) / SECOND:.1f}"
        right = sorted(a.name for a in causes if a.told) or [UNKNOWN]
        yield made("B", "why", f"which action made {name} move at {t}", name, event.stamp, *right)
        told = [a.name for s in steps for a in s.actions if a.told and a.stamp < event.stamp]
        other = [a for a in told[-3:] if a not in right]
        if right[0] != UNKNOWN and len(right) == 1:
            wanted = [(right[0], "no")] + [(a, "yes") for a in other[-1:]]
            asked, answer = wanted[int(rng.integers(len(wanted)))]
            text = f"would {name} have moved at {t} without {asked}"
            yield made("B", "without", text, name, event.stamp, answer, action=asked)
    for name in objects:
        mine = [e for e in moves if e.subjects[0] == name]
        gone = any(s.removed == name for s in steps)
        for step in [s for s in steps if s.seen and name in s.before][1::4]:
            t = f"t={(step.start - start) / SECOND:.1f}"
            text = f"where was {name} at {t}"
            yield made("A", "where", text, name, step.start, step.before[name])
            earlier = [e.stamp for e in mine if e.stamp <= step.start]
            when = earlier[-1] if earlier else UNKNOWN
            text = f"when did {name} move last before {t}"
            yield made("A", "when", text, name, step.start, when)
        if gone or (steps[-1].seen and name in steps[-1].after):
            place = UNKNOWN if gone else steps[-1].after[name]
            yield made("C", "where", f"where is {name} now", name, end, place)
        if mine and (causes := actions_behind(mine[-1], steps)) is not None:
            agents = sorted({a.agent for a in causes if a.told}) or [UNKNOWN]
            yield made("C", "who", f"who moved {name} last", name, end, *agents)
        yield made("D", "count", f"how often did {name} move", name, end, len(mine))
        known = [c for e in mine if (c := actions_behind(e, steps)) is not None]
        if len(known) == len(mine):
            ever = any(a.agent == ROBOT and a.told for causes in known for a in causes)
            text = f"did the robot ever make {name} move"
            yield made("D", "ever", text, name, end, "yes" if ever else "no")


def actions_behind(event: LoggedEvent, steps: Sequence[Step]) -> list[Action] | None:
    """The actions that truly caused a motion; None where that is not clear."""
    name = event.subjects[0]
    for index, step in enumerate(steps):
        if event.kind == "moved" and step.seen and step.start < event.stamp <= step.end:
            causes = [a for a in step.actions if a.name in step.by_action.get(name, ())]
            return causes if causes and step.moving(name, event.stamp) else None
        if event.kind == "moved_unseen" and step.seen and step.start < event.stamp <= step.end:
            return _unseen(name, steps[:index])
    return None


def _unseen(name: str, earlier: Sequence[Step]) -> list[Action] | None:
    causes: list[Action] = []
    for step in reversed(earlier):
        if step.seen:
            break
        causes += [a for a in step.actions if a.name in step.by_action.get(name, ())]
    return causes if causes and len({a.told for a in causes}) == 1 else None


def answer(question: Question, events: Sequence[LoggedEvent], edges: Edges | None) -> object:
    """What follows from retrieved events.

    Args:
        question: Is answered.
        events: What the memory retrieved.
        edges: Its causal edges; None if it has none, and what an agent did just before is blamed.
    """
    known = sorted(events, key=lambda e: e.seq)
    mine = [e for e in known if e.subjects[:1] == (question.object,)]
    past = [e for e in mine if e.stamp <= question.at]
    moves = [e for e in past if e.kind in MOVES]
    if question.kind == "where":
        return _place(past)
    if question.kind == "when":
        return moves[-1].stamp if moves else UNKNOWN
    if question.kind == "count":
        return len(moves)
    if question.kind == "ever":
        agents = {agent for e in moves for agent in _agents(e, known, edges)}
        return "yes" if ROBOT in agents else "no"
    effect = moves[-1] if moves else None
    if effect is None or (question.kind in ("why", "without") and effect.stamp != question.at):
        return UNKNOWN
    causes = _causes(effect, known, edges)
    if question.kind == "without":
        names = {name_of(e) for e in causes}
        return ("no" if question.action in names else "yes") if names else UNKNOWN
    if question.kind == "who":
        agents = [agent for e in causes[:1] for agent in e.subjects[1:]]
        return agents[0] if agents else UNKNOWN
    return name_of(causes[0]) if causes else UNKNOWN


def name_of(event: LoggedEvent) -> str:
    """The name of an action, such as push_3."""
    found = re.search(r"(?:push|carry|touch)_\d+", event.text)
    return found[0] if found else ""


def _place(past: Sequence[LoggedEvent]) -> Floats | str:
    told = [e for e in past if e.kind in (*_PLACED, "lost", "removed")]
    if not told or told[-1].kind in ("lost", "removed") or told[-1].place is None:
        return UNKNOWN
    return told[-1].place


def _agents(
    effect: LoggedEvent, known: Sequence[LoggedEvent], edges: Edges | None
) -> Iterator[str]:
    for event in _causes(effect, known, edges)[:1]:
        yield from (agent for agent in event.subjects[1:] if agent in (ROBOT, PERSON))


def _causes(
    effect: LoggedEvent, known: Sequence[LoggedEvent], edges: Edges | None
) -> list[LoggedEvent]:
    """The actions behind an effect, the surest first."""
    if edges is None:
        before = [
            e
            for e in known
            if e.kind == "action" and effect.stamp - _BEFORE <= e.stamp <= effect.stamp
        ]
        aimed = [e for e in before if e.subjects[0] == effect.subjects[0]]
        return [(aimed or before)[-1]] if before else []
    by_seq = {e.seq: e for e in known}
    found: list[LoggedEvent] = []
    front, seen = [effect.seq], {effect.seq}
    for _ in range(_DEPTH):
        parents = [(w, s) for seq in front for s, w in edges.get(seq, ()) if s in by_seq]
        front = [s for _, s in sorted(parents, key=lambda p: (-p[0], p[1])) if s not in seen]
        seen |= set(front)
        found += [by_seq[s] for s in front if by_seq[s].kind == "action"]
        front = [s for s in front if by_seq[s].kind != "action"]
    return found
