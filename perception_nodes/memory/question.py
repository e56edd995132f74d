"""Questions in plain words. No language model: they are about the ids and labels they contain."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.memory.answers import Answer, is_known, name_of
from perception_nodes.memory.grammar import Question, parse
from perception_nodes.memory.queries import MemoryQueries
from perception_nodes.memory.rows import Record, clean
from perception_nodes.scene import Visibility

NEAR = 0.5
"""Meters within which something is near."""

_FILLING = frozenset(
    (
        *("a", "an", "and", "are", "at", "be", "been", "did", "do", "does", "find", "for", "had"),
        *("has", "have", "i", "in", "is", "it", "its", "last", "located", "me", "my", "now", "of"),
        *("on", "our", "please", "see", "seen", "show", "tell", "that", "the", "then", "there"),
        *("happened", "near", "to", "did", "by", "beside", "around", "why", "who", "moved", "move"),
        *("happens", "if", "after", "hidden", "gone", "since", "away", "become", "next", "not"),
        *("this", "was", "were", "what", "when", "where", "which", "who", "your"),
    )
)


def recall(
    memory: MemoryQueries,
    question: str,
    at: int | None = None,
    near: tuple[Floats, float] | None = None,
) -> Answer:
    """Answer a question in plain words.

    The grammar knows eight questions: why or who moved it, what changed, what happens after an
    action, what is near, what happened to it, where somebody thinks it is, what is there (or
    hidden, visible, lost), and else where it is.
    Words that name no object are looked up in the sentences of the log.

    Args:
        memory: Is asked.
        question: Contains ids or labels; an empty one is about every object.
        at: Message time, ns; None for now, unless the question says "30 s ago" or "at 12.5 s".
        near: Only objects inside a sphere: its center (3,) and its radius, meters.
    """
    if not question.strip():
        return _list(memory, at, near)
    asked = parse(question, memory.start or 0, memory.now or 0)
    at = asked.at if at is None else at
    if asked.kind == "changes":
        return memory.changes(asked.since if asked.since is not None else at)
    if asked.kind == "list":
        return _list(memory, at, near, _SHOWN_AS.get(asked.action, _KNOWN))
    ids, name = objects_in(asked.rest, memory)
    if not ids:
        return _look_up(memory, question, name, at)
    if asked.kind == "where":
        return _where(memory, ids, name, at, near)
    return _ANSWERS[asked.kind](memory, _Asked(asked, ids, name, at))


_KNOWN = "known", frozenset(Visibility)
_HIDDEN = "hidden", frozenset((Visibility.OCCLUDED, Visibility.OUT_OF_VIEW))
_LOST = "lost", frozenset((Visibility.LOST,))
_VISIBLE = "visible", frozenset((Visibility.VISIBLE,))
_SHOWN_AS = {
    "hidden": _HIDDEN,
    "lost": _LOST,
    "gone": _LOST,
    "visible": _VISIBLE,
    "see": _VISIBLE,
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with the objects that it is about."""

    question: Question
    ids: list[str]
    name: str
    at: int | None


def _where(
    memory: MemoryQueries,
    ids: list[str],
    name: str,
    at: int | None,
    near: tuple[Floats, float] | None,
) -> Answer:
    answer = memory.where_are(ids, name, at)
    if near is None or not answer.records:
        return answer
    inside = [record.state.id for record in _inside(answer.records, near)]
    if not inside:
        return Answer(False, f'unknown: "{name}" is not known within {near[1]:g} m of there', at)
    return memory.where_are(inside, name, at)


def _why(memory: MemoryQueries, asked: _Asked) -> Answer:
    attribute = (
        "visibility"
        if re.search(r"\b(hidden|gone|see|seen)\b", asked.question.text)
        else "position"
    )
    told = [memory.explain(key, asked.at, attribute) for key in asked.ids]
    told.sort(key=lambda found: not found.known)
    events = tuple(link.event for link in told[0].chain)
    return Answer(told[0].known, told[0].sentence, asked.at, (), events, told[0].evidence)


def _what_if(memory: MemoryQueries, asked: _Asked) -> Answer:
    found = memory.what_if(
        asked.question.action, asked.ids[0] if len(asked.ids) == 1 else asked.name
    )
    return Answer(found.known, found.sentence, asked.at, (), found.precedents, found.evidence)


def _believes(memory: MemoryQueries, asked: _Asked) -> Answer:
    return memory.believes(asked.question.action, asked.name, asked.at)


def _near(memory: MemoryQueries, asked: _Asked) -> Answer:
    center = memory.record(asked.ids[0], asked.at)
    if center is None:
        return Answer(False, f'unknown: "{asked.name}" had not been seen by then', asked.at)
    others = [
        r for r in memory.records(asked.at) if r.state.id not in asked.ids and is_known(r, asked.at)
    ]
    others = [r for r in others if r.map_id == center.map_id]
    others = _inside(others, (center.state.position, NEAR))
    others.sort(key=lambda r: float(np.linalg.norm(r.state.position - center.state.position)))
    names = ", ".join(name_of(record.state) for record in others) or "nothing"
    evidence = tuple(f"observation {record.seq}" for record in (center, *others))
    return Answer(True, f"{names} within {NEAR:g} m", asked.at, tuple(others), (), evidence)


def _happened(memory: MemoryQueries, asked: _Asked) -> Answer:
    events = [
        e
        for key in asked.ids
        for e in memory.events(asked.question.since, asked.at, object_id=key, k=10)
    ][-10:]
    if not events:
        return Answer(
            False, f'unknown: nothing is known to have happened to "{asked.name}"', asked.at
        )
    return Answer(
        True, "\n".join(e.text for e in events), asked.at, (), tuple(events),
        tuple(f"event {e.seq}" for e in events),
    )  # fmt: skip


_ANSWERS = {
    "why": _why,
    "what_if": _what_if,
    "near": _near,
    "happened": _happened,
    "believes": _believes,
}


def _look_up(memory: MemoryQueries, question: str, name: str, at: int | None) -> Answer:
    """What the log says in such words, if it says anything."""
    words = " ".join(w for w in re.findall(r"\w+", question.lower()) if w not in _FILLING)
    events = [e for e in memory.text(words, 5) if at is None or e.stamp <= at]
    sentence = f'unknown: there is no object "{clean(name)}"'
    if not events:
        return Answer(False, sentence, at)
    told = "\n".join(f"  {event.text}" for event in events)
    evidence = tuple(f"event {event.seq}" for event in events)
    return Answer(False, f"{sentence}; the log says:\n{told}", at, (), tuple(events), evidence)


def _list(
    memory: MemoryQueries,
    at: int | None,
    near: tuple[Floats, float] | None,
    shown_as: tuple[str, frozenset[Visibility]] | None = None,
) -> Answer:
    records = memory.records(at) if near is None else _inside(memory.records(at), near)
    there = "" if near is None else f" within {near[1]:g} m of there"
    if not records:
        return Answer(False, f"unknown: no object is known{there}", at)
    if shown_as is None:
        count = "1 object is" if len(records) == 1 else f"{len(records)} objects are"
        return Answer(True, f"{count} known{there}", at, tuple(records))
    word, wanted = shown_as
    kept = tuple(
        r for r in records if r.state.visibility in wanted and is_known(r, at) != (word == "lost")
    )
    names = ", ".join(name_of(record.state) for record in kept) or "none"
    evidence = tuple(f"observation {record.seq}" for record in kept)
    sentence = f"{len(kept)} of {len(records)} objects{there} are {word}: {names}"
    return Answer(True, sentence, at, kept, (), evidence)


def _inside(records: Iterable[Record], sphere: tuple[Floats, float]) -> list[Record]:
    center, radius = sphere
    return [r for r in records if np.linalg.norm(r.state.position - center) <= radius]


def objects_in(question: str, memory: MemoryQueries) -> tuple[list[str], str]:
    """The ids of the objects that a question names, and the words by which it does.

    The whole text counts first, as an id or a label; then what is left without filling words;
    then every id, and every label all of whose words occur or that has all the words that are
    left, so that both "the red mug" and "mug" find an object that is called "mug" or "red mug".
    """
    whole = question.strip(" ?!.")
    words = [word for word in re.findall(r"\w+", question.lower()) if word not in _FILLING]
    rest = " ".join(words) or whole
    for name in (whole, rest):
        if found := memory.find(name):
            return found, name
    wanted = set(words)
    chosen = []
    for key, name in memory.names().items():
        label = set(re.findall(r"\w+", name.lower()))
        named = bool(label) and bool(wanted) and (label <= wanted or wanted <= label)
        if key.lower() in wanted or named:
            chosen.append(key)
    return chosen, rest
