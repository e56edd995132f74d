"""Finds online what caused what, from actions, contacts, motion and the world model's influences.

An event e on object j at time t may have been caused by whoever touched j shortly before and was
acting or moving. Each candidate i is scored with

    w = exp(-dt / TAU) * g,

where dt is the time since i both touched j and moved (a hand that still holds j never counts less
than `HOLDS`), and g how surely the world model says that i moved j (`scene.Influence`: the future
with and without i compared); 1 while no model says anything about j. The model tells only of
influences above its threshold, where g is one half; whom it knows and does not name has g = 0. Told
so, g serves as well as the exact share of the motion ("cut" in `docs/evidence/memory.md`).
Candidates with w >= `LEAST` are kept, at most `MOST_PARENTS` of them.
Source: physical evidence instead of a language model, as opposed to AMA-Agent (arXiv 2602.22769).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from perception_nodes.memory.entry import Entry
from perception_nodes.memory.graph import Edge, EdgeKind
from perception_nodes.scene import EventKind, SceneState, Visibility

_SECOND = 1_000_000_000
WINDOW = _SECOND  # an effect follows its cause within this
LATE = 250_000_000  # a contact may be told that much after the motion that it caused
TAU = 0.5  # s
HOLDS = 0.7
LEAST = 0.3
MOST_PARENTS = 2
_FLICKER = 300_000_000  # ns without contact that do not end it
_ACTION = 10 * _SECOND  # an action goes on that long, unless its agent begins another one on it
_NAMED = 0.6  # weight of an action on an object that nothing was seen to touch
_ROUNDS = 4
_IN_VAIN = 3 * _SECOND  # an action that moved nothing for that long was prevented

_EFFECTS = frozenset(
    (
        *(EventKind.MOVED, EventKind.MOVED_UNSEEN, EventKind.LOST, EventKind.REMOVED),
        *(EventKind.CONTACT_ON, EventKind.SURPRISE),
    )
)


@dataclass(slots=True)
class _Span:
    """A stretch of time that an event began; `end` is None while it goes on."""

    seq: int
    begin: int
    end: int | None = None

    def overlaps(self, since: int, until: int) -> bool:
        return self.begin <= until and (self.end is None or self.end >= since)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What may have led to an effect: `near` is its weight before the world model is asked."""

    kind: EdgeKind
    source: int
    near: float
    by: str = ""
    contact: int | None = None
    agent: bool = False


@dataclass(slots=True)
class _Effect:
    """An event whose causes are still looked for, in [`since`, `stamp`]."""

    seq: int
    stamp: int
    since: int
    kind: str
    subjects: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    shares: dict[str, float] = field(default_factory=dict)  # of its motion, by who made it
    candidates: dict[tuple[EdgeKind, int], _Candidate] = field(default_factory=dict)

    def weighed(self, found: _Candidate, modeled: set[str]) -> Edge:
        """The edge that a candidate makes; `modeled` are the agents that the world model knows."""
        told = () if found.contact is None else (f"event {found.contact}",)
        weight = found.near
        if found.by and self.shares:
            # Whom the model knows and does not name moved nothing. To agents that it does not
            # know it leaves what the others do not explain.
            foreign = found.agent and found.by not in modeled
            rest = max(0.0, 1.0 - max(self.shares.values())) if foreign else 0.0
            share = self.shares.get(found.by, rest)
            weight, told = weight * share, (*told, f"influence {share:.2f}")
        return Edge(found.kind, found.source, self.seq, weight, told)


@dataclass(slots=True)
class _Action:
    """Something an agent does to objects."""

    span: _Span
    agent: str
    targets: tuple[str, ...]
    moved: bool = False


@dataclass(slots=True)
class CauseFinder:
    """Keeps what happened in the last seconds and links it to what happens next.

    Subjects of events that are not objects of the scene count as agents: people, other robots,
    the robot's own hand. What agents do has no cause.
    """

    _objects: dict[str, int] = field(default_factory=dict)  # when each was one last
    _seen: dict[str, int] = field(default_factory=dict)  # when each object was seen last
    _contacts: dict[frozenset[str], _Span] = field(default_factory=dict)
    _motions: dict[str, _Span] = field(default_factory=dict)
    _actions: list[_Action] = field(default_factory=list)
    _influences: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)
    _effects: list[_Effect] = field(default_factory=list)
    _partners: dict[str, list[tuple[str, _Span]]] = field(default_factory=dict)  # from _contacts
    _modeled: set[str] = field(default_factory=set)  # agents that the world model ever named

    def watch(self, scene: SceneState) -> None:
        """Take note of a frame: which objects there are and who sees them, who influences whom."""
        self._objects |= {state.id: scene.stamp for state in scene.objects}
        for item in scene.influences:
            self._influences[item.source, item.target] = (scene.stamp, item.strength)
            if item.source not in self._objects:
                self._modeled.add(item.source)
            for effect in self._effects:
                if effect.subjects[0] == item.target and scene.stamp - effect.stamp <= WINDOW:
                    known = effect.shares.get(item.source, 0.0)
                    effect.shares[item.source] = max(known, item.strength)
        happened = {event.subjects[0] for event in scene.events if event.subjects}
        for state in scene.objects:
            # What reappears was not seen before this frame: that is the time in which it moved.
            if state.visibility == Visibility.VISIBLE and state.id not in happened:
                self._seen[state.id] = scene.stamp

    def find(self, stamp: int, entries: Iterable[tuple[int, Entry]]) -> dict[int, list[Edge]]:
        """Take what happened and say what caused it.

        Args:
            stamp: Of the newest frame, ns.
            entries: Events with their numbers in the log, in its order.

        Returns:
            For each event (by number) whose causes are new or have changed, all edges that lead
            to it; they replace those that were told before.
        """
        for seq, entry in entries:
            self._note(seq, entry)
        self._partners = {}
        for pair, span in self._contacts.items():
            for name in pair:
                self._partners.setdefault(name, []).extend((other, span) for other in pair - {name})
        changed: dict[int, list[Edge]] = {}
        for _ in range(_ROUNDS):  # what set off in one frame is explained from its beginning on
            found = [effect for effect in self._ordered() if self._update(effect)]
            changed |= {effect.seq: list(effect.edges) for effect in found}
            if not found:
                break
        changed |= self._prevented(stamp)
        self._drop_old(stamp)
        return changed

    def undo(self, sequence: int) -> None:
        """Events from this number on could not be written: they will come again."""
        self._effects = [effect for effect in self._effects if effect.seq < sequence]
        self._actions = [action for action in self._actions if action.span.seq < sequence]
        for spans in (self._contacts, self._motions):
            for key in [key for key, span in spans.items() if span.seq >= sequence]:
                del spans[key]  # type: ignore[arg-type]

    def restart(self) -> None:
        """Nothing that happened so far can cause what happens next, as when the clock jumps."""
        for kept in (self._seen, self._contacts, self._motions, self._influences):
            kept.clear()
        self._actions.clear()
        self._effects.clear()

    def _note(self, seq: int, entry: Entry) -> None:
        who, stamp, kind = entry.subjects, entry.stamp, entry.kind
        if not who:
            return
        if kind == EventKind.ACTION:
            agent = next((name for name in who if name not in self._objects), "")
            targets = tuple(name for name in who if name in self._objects)
            for other in self._actions:  # an agent has two hands, but takes a thing up once
                if other.agent == agent and other.targets == targets and other.span.end is None:
                    other.span.end = stamp
            self._actions.append(_Action(_Span(seq, stamp), agent, targets))
        elif kind in (EventKind.MOVED, EventKind.MOVED_UNSEEN):
            self._motions[who[0]] = _Span(seq, stamp)
        elif kind in (EventKind.STOPPED, EventKind.LOST, EventKind.REMOVED):
            if (motion := self._motions.get(who[0])) is not None:
                motion.end = stamp
        elif kind == EventKind.CONTACT_ON:
            known = self._contacts.get(frozenset(who[:2]))
            if known is not None and known.end is not None and stamp - known.end <= _FLICKER:
                known.end = None
            else:
                self._contacts[frozenset(who[:2])] = _Span(seq, stamp)
        elif kind == EventKind.CONTACT_OFF and frozenset(who[:2]) in self._contacts:
            self._contacts[frozenset(who[:2])].end = stamp
        if kind in _EFFECTS:
            since = stamp - WINDOW
            if kind == EventKind.MOVED_UNSEEN:
                since = min(since, self._seen.get(who[0], since))
            shares = {
                source: strength
                for (source, target), (when, strength) in self._influences.items()
                if target == who[0] and abs(stamp - when) <= WINDOW
            }
            self._effects.append(_Effect(seq, stamp, since, kind, who, shares=shares))

    def _ordered(self) -> list[_Effect]:
        """What an agent touches comes first: of things that set off together it leads."""
        return sorted(self._effects, key=lambda e: (e.stamp, not self._by_agent(e), e.seq))

    def _by_agent(self, effect: _Effect) -> bool:
        parties = (name for name, _ in self._touching(effect.subjects[0], effect))
        return any(name not in self._objects for name in parties)

    def _touching(self, name: str, effect: _Effect) -> Iterator[tuple[str, _Span]]:
        """Who touched an object about the time of an effect."""
        for other, span in self._partners.get(name, ()):
            if span.overlaps(effect.since, effect.stamp + LATE):
                yield other, span

    def _update(self, effect: _Effect) -> bool:
        """Look for causes again; whether they are others than before."""
        for found in self._candidates(effect):
            key = (found.kind, found.source)
            known = effect.candidates.get(key)
            if known is None or found.near > known.near:
                effect.candidates[key] = found
        edges = [effect.weighed(found, self._modeled) for found in effect.candidates.values()]
        surest = sorted(
            (edge for edge in edges if edge.weight >= LEAST),
            key=lambda edge: (-edge.weight, edge.source),
        )
        causes = [edge for edge in surest if edge.kind is EdgeKind.CAUSES][:MOST_PARENTS]
        enabling = [edge for edge in surest if edge.kind is EdgeKind.ENABLES][:MOST_PARENTS]
        before, effect.edges = effect.edges, (*causes, *enabling)
        return effect.edges != before

    def _candidates(self, effect: _Effect) -> Iterator[_Candidate]:
        if effect.kind == EventKind.CONTACT_ON:
            yield from self._causes_of_contact(effect)
            return
        name = effect.subjects[0]
        own = self._motions.get(name)
        gone = effect.kind in (EventKind.LOST, EventKind.REMOVED)
        if gone and own and own.seq < effect.seq and own.overlaps(effect.since, effect.stamp):
            yield _Candidate(EdgeKind.CAUSES, own.seq, 1.0)
        for other, contact in self._touching(name, effect):
            yield from self._by_touch(effect, other, contact)
        for action in self._actions:
            if name in action.targets and action.span.overlaps(effect.since, effect.stamp):
                action.moved = True
                touched = self._contacts.get(frozenset((name, action.agent)))
                seen = touched is not None and touched.begin >= action.span.begin
                if action.span.seq < effect.seq and not seen:  # else the touch tells more
                    yield _Candidate(
                        EdgeKind.CAUSES, action.span.seq, _NAMED, action.agent, agent=True
                    )

    def _by_touch(self, effect: _Effect, other: str, contact: _Span) -> Iterator[_Candidate]:
        """What there is if it was the motion or action of `other` that had the effect."""
        source = self._doing(other, effect, contact)
        agent = other not in self._objects
        holds = agent and contact.end is None
        if source is None or source.seq == effect.seq or self._leads_to(source.seq, effect.seq):
            return
        if source.begin == effect.stamp and not (effect.shares or self._explained(source.seq)):
            return  # they set off together, and nothing tells which one led
        began = max(contact.begin, source.begin)
        unseen = effect.kind == EventKind.MOVED_UNSEEN
        dt = 0.0 if unseen else max(0, effect.stamp - began) / _SECOND
        near = max(math.exp(-dt / TAU), HOLDS if holds else 0.0)
        yield _Candidate(EdgeKind.CAUSES, source.seq, near, other, contact.seq, agent)
        if contact.seq not in (source.seq, effect.seq):
            yield _Candidate(EdgeKind.ENABLES, contact.seq, near, other, agent=agent)

    def _doing(self, name: str, effect: _Effect, contact: _Span) -> _Span | None:
        """What a party of a contact did then: its motion, its action, or the touch itself."""
        until = effect.stamp + LATE
        if name in self._objects:
            motion = self._motions.get(name)
            return motion if motion and motion.overlaps(effect.since, effect.stamp) else None
        acting = [a for a in self._actions if a.agent == name]
        found = [a for a in acting if a.span.overlaps(effect.since, until)]
        meant = [a for a in found if effect.subjects[0] in a.targets] or found
        return meant[-1].span if meant else contact

    def _causes_of_contact(self, effect: _Effect) -> Iterator[_Candidate]:
        for name in effect.subjects[:2]:
            span = self._doing(name, effect, _Span(effect.seq, effect.stamp))
            if span is not None and span.seq < effect.seq:
                yield _Candidate(EdgeKind.CAUSES, span.seq, 1.0)

    def _explained(self, seq: int) -> bool:
        """Whether a cause of an event is known; what agents do needs none."""
        return all(effect.edges for effect in self._effects if effect.seq == seq)

    def _leads_to(self, seq: int, ancestor: int) -> bool:
        """Whether an event was itself caused by `ancestor`, as far as is known here."""
        known = {effect.seq: effect.edges for effect in self._effects}
        waiting, seen = [seq], {seq}
        while waiting:
            for edge in known.get(waiting.pop(), ()):
                if edge.kind is EdgeKind.CAUSES and edge.source not in seen:
                    seen.add(edge.source)
                    waiting.append(edge.source)
        return ancestor in seen

    def _prevented(self, stamp: int) -> dict[int, list[Edge]]:
        """Actions that moved nothing, and what their object leaned against."""
        found: dict[int, list[Edge]] = {}
        for action in self._actions:
            if action.moved or stamp - action.span.begin < _IN_VAIN:
                continue
            action.moved = True  # told once
            seq = action.span.seq
            blocking = [
                Edge(EdgeKind.PREVENTS, span.seq, seq, 0.5)
                for pair, span in self._contacts.items()
                if span.end is None and pair & set(action.targets) and pair <= self._objects.keys()
            ]
            found |= {seq: blocking[:MOST_PARENTS]} if blocking else {}
        return found

    def _drop_old(self, stamp: int) -> None:
        oldest = stamp - 2 * WINDOW - LATE  # edges are written once a second at least
        self._effects = [e for e in self._effects if e.stamp >= oldest]
        for action in self._actions:
            if action.span.end is None and stamp - action.span.begin > _ACTION:
                action.span.end = stamp
        # An object out of sight may have been moved long ago.
        self._objects = {k: last for k, last in self._objects.items() if last >= oldest}
        self._seen = {k: last for k, last in self._seen.items() if k in self._objects}
        longest = min(self._seen.values(), default=stamp)
        kept = max(min(oldest, longest - WINDOW), stamp - 600 * _SECOND)
        self._actions = [a for a in self._actions if a.span.overlaps(kept, stamp)]
        for spans in (self._contacts, self._motions):
            for key in [key for key, span in spans.items() if not span.overlaps(kept, stamp)]:
                del spans[key]  # type: ignore[arg-type]
        self._influences = {k: v for k, v in self._influences.items() if v[0] >= oldest}
