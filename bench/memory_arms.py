"""Memories that are compared: which events each retrieves for a question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from memory_questions import MOVES, Edges, Question, name_of
from memory_world import SECOND, Step

from perception_nodes.arrays import Floats
from perception_nodes.memory.answers import LoggedEvent
from perception_nodes.memory.causes import LATE, LEAST, MOST_PARENTS, TAU
from perception_nodes.memory.queries import MemoryQueries

ARMS = (
    *("recency", "BM25", "embedding", "eMEM", "adjacent events"),
    *("time proximity", "time + aim", "contact", "contact + counterfactual"),
    *("contact + counterfactual, cut", "shuffled", "oracle"),
)
_ACTION = 10 * SECOND
_WORDS = 512  # hashed


@dataclass(slots=True)
class Log:
    """The events of an episode, and every arm's causal edges."""

    events: list[LoggedEvent]
    edges: dict[str, Edges]
    vectors: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    weights: Floats = field(default_factory=lambda: np.zeros(0))
    rival: object = None

    @classmethod
    def of(
        cls,
        plain: MemoryQueries,
        informed: MemoryQueries,
        told: MemoryQueries,
        steps: Sequence[Step],
    ) -> Log:
        """Read three memories of the same episode."""
        events = [e for e in plain.events() if e.kind != "labeled"]
        assert [e.text for e in events] == [e.text for e in informed.events()]
        edges: dict[str, Edges] = {
            "adjacent events": {b.seq: [(a.seq, 1.0)] for a, b in pairwise(events)},
            "time proximity": _by_time(events, aimed=False),
            "time + aim": _by_time(events, aimed=True),
            "contact": _read(plain, events),
            "contact + counterfactual": _read(informed, events),
            "contact + counterfactual, cut": _read(told, events),
            "oracle": _true(events, steps),
        }
        edges["shuffled"] = _shuffled(edges["contact + counterfactual"])
        log = cls(events, edges)
        log.weights, log.vectors = _embedded([e.text for e in events])
        log.rival = _rival(log)
        return log


def retrieve(arm: str, log: Log, question: Question, k: int) -> list[LoggedEvent] | None:
    """At most `k` events that a memory finds for a question; None if the arm can't run."""
    past = [e for e in log.events if e.stamp <= question.at]
    if arm == "recency":
        return log.events[-k:]
    if arm == "BM25":
        return _bm25(past, question.text, k)
    if arm == "embedding":
        vector = _hashed(question.text) * log.weights
        score = log.vectors[: len(past)] @ vector
        order = sorted(range(len(past)), key=lambda i: (-round(float(score[i]), 9), -i))
        return [past[i] for i in order[:k]]
    if arm == "eMEM":
        return None if log.rival is None else log.rival.find(question, k)  # type: ignore[attr-defined]
    mine = [e for e in past if e.subjects[:1] == (question.object,)]
    return _walk(mine, past, log.edges[arm], question, k)


def _walk(
    mine: list[LoggedEvent],
    past: list[LoggedEvent],
    edges: Edges,
    question: Question,
    k: int,
) -> list[LoggedEvent]:
    """Similar first; if that is not enough, back along the edges; then more of the similar."""
    causal = question.type == "B" or question.kind in ("who", "ever")
    moves = [e for e in mine if e.kind in MOVES]
    if not causal:
        return moves[-k:] if question.kind == "count" else mine[-k:]
    seeds = moves[-(k // 2) :] if question.kind == "ever" else moves[-1:]
    by_seq = {e.seq: e for e in past}
    found = {e.seq: e for e in reversed(seeds)}
    front = list(found)
    while front and len(found) < k:
        links = [(-w, s) for seq in front for s, w in edges.get(seq, ()) if s in by_seq]
        front = [s for _, s in sorted(links) if s not in found]
        found |= {s: by_seq[s] for s in front[: k - len(found)]}
    for event in reversed(mine):
        if len(found) < k:
            found.setdefault(event.seq, event)
    return list(found.values())


def _read(memory: MemoryQueries, events: Sequence[LoggedEvent]) -> Edges:
    return {
        e.seq: [(x.source, x.weight) for x in memory.causes(e.seq) if x.kind == "causes"]
        for e in events
    }


def _by_time(events: Sequence[LoggedEvent], *, aimed: bool) -> Edges:
    """The same rule as the memory's without contacts: whoever did something just before.

    With `aimed`, an action that was aimed at the object is preferred.
    """
    edges: dict[int, list[tuple[int, float]]] = {}
    for effect in (e for e in events if e.kind in MOVES):
        links = []
        for event in events:
            dt = effect.stamp - event.stamp
            if event.seq == effect.seq or dt < 0:
                continue
            if event.kind in MOVES:
                links.append((event.seq, float(np.exp(-dt / SECOND / TAU))))
            elif event.kind == "action" and dt <= _ACTION:
                sure = aimed and event.subjects[0] == effect.subjects[0]
                links.append((event.seq, 1.0 if sure else float(np.exp(-dt / _ACTION))))
        links = [link for link in links if link[1] >= LEAST]
        edges[effect.seq] = sorted(links, key=lambda link: (-link[1], -link[0]))[:MOST_PARENTS]
    return edges


def _true(events: Sequence[LoggedEvent], steps: Sequence[Step]) -> Edges:
    """Edges of the simulation: from actions and from objects whose absence changes it."""
    edges: dict[int, list[tuple[int, float]]] = {}
    actions = {name_of(e): e.seq for e in events if e.kind == "action"}
    for effect in (e for e in events if e.kind in MOVES):
        name = effect.subjects[0]
        step = next(s for s in steps if s.start < effect.stamp <= s.end or s is steps[-1])
        made = [step]
        if effect.kind == "moved_unseen":
            made = []
            for earlier in reversed(steps[: steps.index(step)]):
                if earlier.seen:
                    break
                made.append(earlier)
        behind = [actions[a] for s in made for a in sorted(s.by_action.get(name, ()))
                  if a in actions]  # fmt: skip
        movers = made[0].by_object.get(name, set()) if effect.kind == "moved" else set()
        setting_off = [e.seq for e in events if e.kind == "moved" and e.subjects[0] in movers
                       and made[0].start < e.stamp <= effect.stamp + LATE]  # fmt: skip
        edges[effect.seq] = [(seq, 1.0) for seq in setting_off or behind]
    return edges


def _shuffled(edges: Edges) -> Edges:
    """The same numbers of edges with the sources dealt out anew."""
    flat = [source for links in edges.values() for source, _ in links]
    order = iter(np.random.default_rng(0).permutation(len(flat)).tolist())
    return {seq: [(flat[next(order)], w) for _, w in links] for seq, links in edges.items()}


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+_?\d*|\d+", text.lower())


def _bm25(events: Sequence[LoggedEvent], query: str, k: int) -> list[LoggedEvent]:
    """Okapi BM25 with k1 = 1.2 and b = 0.75, as FTS5 has it, over the events up to a time."""
    texts = [_words(e.text) for e in events]
    mean = sum(map(len, texts)) / max(1, len(texts))
    scores = np.zeros(len(texts))
    for word in dict.fromkeys(_words(query)):
        count = np.array([text.count(word) for text in texts], dtype=np.float64)
        frequency = int((count > 0).sum())
        weight = max(1e-6, np.log((len(texts) - frequency + 0.5) / (frequency + 0.5)))
        length = np.array([len(text) for text in texts]) / mean
        scores += weight * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length))
    order = sorted(range(len(texts)), key=lambda i: (-round(float(scores[i]), 9), -i))
    return [events[i] for i in order[:k]]


def _hashed(text: str) -> Floats:
    vector = np.zeros(_WORDS)
    for word in _words(text):
        vector[sum(ord(c) * 31**i for i, c in enumerate(word)) % _WORDS] += 1.0
    return vector


def _embedded(texts: Sequence[str]) -> tuple[Floats, Floats]:
    """TF-IDF of hashed words, normalized: stands in for a text encoder, which needs weights."""
    counts = np.array([_hashed(text) for text in texts])
    weights: Floats = np.log(len(texts) / (1.0 + (counts > 0).sum(axis=0))).clip(0.0)
    vectors = counts * weights
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return weights, vectors / np.where(norms > 0, norms, 1.0)


def _rival(log: Log) -> object:
    """EMEM over the same events; None where it is not installed."""
    try:
        from memory_emem import Rival, normalized
    except ImportError:
        return None
    weights = log.weights
    return Rival(
        log.events,
        lambda texts: normalized(np.array([_hashed(text) for text in texts]) * weights),
        _WORDS,
    )
