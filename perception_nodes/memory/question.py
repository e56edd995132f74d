"""Questions in plain words. No language model: they are about the ids and labels they contain."""

from __future__ import annotations

import re

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.memory.answers import Answer
from perception_nodes.memory.queries import MemoryQueries

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
    if question.strip():
        ids, name = objects_in(question, memory)
    else:
        ids, name = [record.state.id for record in memory.records(at)], "anything"
    answer = memory.where_are(ids, name, at)
    if near is None:
        return answer
    center, radius = near
    inside = [
        record.state.id
        for record in answer.records
        if float(np.linalg.norm(record.state.position - center)) <= radius
    ]
    if not inside:
        return Answer(False, f'unknown: "{name}" is not known within {radius:g} m of there', at)
    return memory.where_are(inside, name, at)


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
