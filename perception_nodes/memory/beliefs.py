"""What others believe: where each person and robot last saw each object.

Somebody believes an object where they saw it last, also when it was moved since. Each place at
which an object has been is a hypothesis k with the probability s_k that the agent saw it there and
e_k that the agent saw the place empty later. The agent believes the latest one that it saw:

    P (k) = s_k (1 - e_k) prod_{j > k} (1 - s_j),

and has no idea with the rest. The error of a gaze lasts as long as a look, so that within a look
the best view counts, not the sum of all frames; different looks are independent of each other.
Sources: Sally and Anne (Baron-Cohen, Leslie, Frith, Cognition 1985); visibility-based belief
tracking as in theory-of-mind planners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.memory.gaze import Gaze, sees
from perception_nodes.scene import ObjectState, Visibility

APART = 0.1
"""Meters between two places that are not the same."""

_MOST = 4  # places of an object that are remembered for one agent
_TURNED, _WALKED = 0.35, 0.5  # rad and m from where a look began, within which it goes on
_TOLD = -2  # stands for the look of who was told
_CHANGE = 0.05  # of a probability, from which it is written


@dataclass(slots=True)
class _Chance:
    """The probability that something was seen in any look."""

    earlier: float = 0.0
    now: float = 0.0
    look: int = -1

    @property
    def value(self) -> float:
        return 1.0 - (1.0 - self.earlier) * (1.0 - self.now)

    def add(self, seen: float, look: int) -> None:
        """A view in a look."""
        if look != self.look:
            self.earlier, self.now, self.look = self.value, 0.0, look
        self.now = max(self.now, seen)


@dataclass(slots=True, eq=False)
class Hypothesis:
    """A place where an agent may believe an object to be."""

    place: Floats
    seen: _Chance = field(default_factory=_Chance)
    empty: _Chance = field(default_factory=_Chance)
    how: str = "saw"

    @property
    def saw(self) -> float:
        """That the agent saw it there."""
        return self.seen.value

    @property
    def missed(self) -> float:
        """That the agent saw later that it is not there."""
        return self.empty.value


@dataclass(slots=True, eq=False)
class Belief:
    """What one agent may believe of one object, the oldest place first."""

    places: list[Hypothesis] = field(default_factory=list)
    told: list[float] = field(default_factory=list)  # probabilities when it was written last

    def probabilities(self) -> list[float]:
        """Of each place; what is missing to 1 is having no idea."""
        found, left = [], 1.0
        for guess in reversed(self.places):
            found.append(left * guess.saw * (1.0 - guess.missed))
            left *= 1.0 - guess.saw
        return found[::-1]

    def changed(self) -> bool:
        """Whether it differs from what was written last."""
        now = self.probabilities()
        return len(now) != len(self.told) or any(
            abs(a - b) > _CHANGE for a, b in zip(now, self.told, strict=True)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """A row to be written: one place in what an agent believes of an object."""

    agent: str
    object: str
    stamp: int
    probability: float
    place: Floats | None
    how: str


class BeliefTracker:
    """Follows what everybody could see."""

    def __init__(self) -> None:
        self._beliefs: dict[tuple[str, str], Belief] = {}
        self._looks: dict[str, tuple[int, Gaze]] = {}

    def restore(self, guess: Guess) -> None:
        """Go on with what was written in an earlier run: the most probable place."""
        assert guess.place is not None
        seen = _Chance(earlier=guess.probability)
        belief = Belief([Hypothesis(guess.place, seen, how=guess.how)], [guess.probability])
        self._beliefs[guess.agent, guess.object] = belief

    def update(self, gazes: Sequence[Gaze], objects: Sequence[ObjectState]) -> list[Guess]:
        """Take a frame; returns what is worth writing.

        Args:
            gazes: Where everybody looks.
            objects: As the robot believes them. Those that are lost are nowhere to be seen.
        """
        there = [s for s in objects if s.visibility != Visibility.LOST]
        guesses: list[Guess] = []
        for gaze in gazes:
            look = self._look_of(gaze)
            for state in there:
                others = [other for other in there if other.id != state.id]
                seen = sees(gaze, state.position, others)
                belief = self._beliefs.setdefault((gaze.agent, state.id), Belief())
                _look(belief, state.position, seen, look)
                self._miss(belief, gaze, state, others, look)
                guesses += self._written(gaze.agent, state.id, gaze.stamp, belief)
            guesses += self._missed_lost(gaze, objects, there, look)
        return guesses

    def tell(self, agent: str, object_id: str, stamp: int, place: Floats) -> list[Guess]:
        """Somebody was told where an object is."""
        belief = self._beliefs.setdefault((agent, object_id), Belief())
        _look(belief, place, 1.0, _TOLD)
        belief.places[-1].how = "told"
        return self._written(agent, object_id, stamp, belief)

    def forget(self, names: set[str]) -> None:
        """Keep nothing of these agents and objects; of nobody where none is named."""
        self._beliefs = {
            key: belief for key, belief in self._beliefs.items() if names and not names & set(key)
        }

    def _miss(
        self,
        belief: Belief,
        gaze: Gaze,
        state: ObjectState,
        others: Sequence[ObjectState],
        look: int,
    ) -> None:
        """Places where the agent sees that the object is not."""
        for guess in belief.places[:-1]:
            if np.linalg.norm(guess.place - state.position) > APART:
                guess.empty.add(sees(gaze, guess.place, [*others, state]), look)

    def _missed_lost(
        self,
        gaze: Gaze,
        objects: Sequence[ObjectState],
        there: Sequence[ObjectState],
        look: int,
    ) -> list[Guess]:
        """Objects that are gone: whoever looks at their place sees that."""
        guesses: list[Guess] = []
        for state in objects:
            belief = self._beliefs.get((gaze.agent, state.id))
            if state.visibility != Visibility.LOST or belief is None:
                continue
            for guess in belief.places:
                guess.empty.add(sees(gaze, guess.place, there), look)
            guesses += self._written(gaze.agent, state.id, gaze.stamp, belief)
        return guesses

    def _look_of(self, gaze: Gaze) -> int:
        """The number of a look: a new one begins when somebody turns or walks away."""
        number, first = self._looks.get(gaze.agent, (0, gaze))
        turned = float(np.arccos(np.clip(gaze.direction @ first.direction, -1.0, 1.0)))
        walked = float(np.linalg.norm(gaze.eye - first.eye))
        if turned > _TURNED or walked > _WALKED or gaze is first:
            number, first = number + 1, gaze
        self._looks[gaze.agent] = (number, first)
        return number

    def _written(self, agent: str, object_id: str, stamp: int, belief: Belief) -> list[Guess]:
        if not belief.changed():
            return []
        belief.told = belief.probabilities()
        return [
            Guess(agent, object_id, stamp, p, guess.place.copy(), guess.how)
            for p, guess in zip(belief.told, belief.places, strict=True)
        ]


def _look(belief: Belief, place: Floats, seen: float, look: int) -> None:
    """An agent sees, with a probability, an object at a place."""
    newest = belief.places[-1] if belief.places else None
    if newest is None or np.linalg.norm(newest.place - place) > APART:
        if newest is not None and newest.saw == 0.0:
            belief.places.pop()  # it was never seen there
        newest = Hypothesis(place.copy())
        belief.places.append(newest)
        del belief.places[:-_MOST]
    if seen >= newest.seen.now:
        newest.place, newest.how = place.copy(), "saw"
    newest.seen.add(seen, look)
    if seen > newest.missed:
        newest.empty = _Chance()
