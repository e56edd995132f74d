"""Questions in plain words. No language model: they are about the ids and labels they contain."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.memory.answers import Answer
from perception_nodes.memory.queries import MemoryQueries
from perception_nodes.memory.rows import Record

_FILLING = frozenset(
    (
        *("a", "an", "and", "are", "at", "be", "been", "did", "do", "does", "find", "for", "had"),
        *("has", "have", "i", "in", "is", "it", "its", "last", "located", "me", "my", "now", "of"),
        *("on", "our", "please", "see", "seen", "show", "tell", "that", "the", "then", "there"),
        *("this", "was", "were", "what", "when", "where", "which", "who", "your"),
    )
)


def recall(
    memory: MemoryQueries,
    question: str,
    at: int | None = None,
    near: tuple[Floats, float] | None = None,
) -> Answer:
    """Answer where objects are or were.

    Args:
        memory: Is asked.
        question: Contains ids or labels; an empty one is about every object.
        at: Message time, ns; None for now.
        near: Only objects inside a sphere: its center (3,) and its radius, meters.
    """
    if not question.strip():
        return _list(memory, at, near)
    ids, name = objects_in(question, memory)
    answer = memory.where_are(ids, name, at)
    if near is None or not answer.records:
        return answer
    inside = [record.state.id for record in _inside(answer.records, near)]
    if not inside:
        return Answer(False, f'unknown: "{name}" is not known within {near[1]:g} m of there', at)
    return memory.where_are(inside, name, at)


def _list(memory: MemoryQueries, at: int | None, near: tuple[Floats, float] | None) -> Answer:
    records = memory.records(at) if near is None else _inside(memory.records(at), near)
    there = "" if near is None else f" within {near[1]:g} m of there"
    if not records:
        return Answer(False, f"unknown: no object is known{there}", at)
    count = "1 object is" if len(records) == 1 else f"{len(records)} objects are"
    return Answer(True, f"{count} known{there}", at, tuple(records))


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
    for state in (record.state for record in memory.records()):
        label = set(re.findall(r"\w+", state.label.lower()))
        named = bool(label) and bool(wanted) and (label <= wanted or wanted <= label)
        if state.id.lower() in wanted or named:
            chosen.append(state.id)
    return chosen, rest
