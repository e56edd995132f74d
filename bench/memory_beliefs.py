"""Sally-Anne scenes at random: are false beliefs of others known, also with a noisy gaze?

Run `python bench/memory_beliefs.py`; a minute. People look here and there, leave and come back;
objects are moved meanwhile; a wall hides a part of the room. The truth is what each person really
saw. The tracker is given gazes that are off by an angle for a whole look, or missing. It is
compared with the omniscient baseline (everybody knows where everything is), and with a tracker that
takes a noisy gaze at its word.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from common import write_result

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.memory.beliefs import APART, BeliefTracker
from perception_nodes.memory.gaze import Gaze, sees
from perception_nodes.scene import ObjectState, Visibility

EPISODES, STEPS, AGENTS, OBJECTS = 60, 40, ("sally", "anne"), ("o1", "o2", "o3")
_SPOTS = np.array([(x, y, 0.8) for x in (-1.5, -0.5, 0.5, 1.5) for y in (-1.0, 0.0, 1.0)])
_FIRST_SEED = 100  # rules were tried out on seeds 0 to 9
_SURE = math.radians(0.5)
CONDITIONS = (
    *(("exact", 0.0, 0.0), ("10 % missing", 0.0, 0.1), ("30 % missing", 0.0, 0.3)),
    *(("gaze off by 10 degrees", 10.0, 0.0), ("by 20 degrees", 20.0, 0.0)),
    *(("by 30 degrees", 30.0, 0.0), ("by 60 degrees", 60.0, 0.0)),
)


@dataclass(slots=True)
class Mind:
    """What a person truly believes of one object; `place` is None for no idea."""

    place: Floats | None = None
    ever: bool = False


def state(name: str, place: Floats, size: tuple[float, float, float]) -> ObjectState:
    """An object at a place."""
    return ObjectState(
        name, 0, Pose(np.eye(3), place), np.zeros((6, 6)), np.zeros(3), np.zeros(3),
        np.zeros((6, 6)), np.array(size), Visibility.VISIBLE, 0, 0, 1.0,
    )  # fmt: skip


def turned(direction: Floats, angle: float) -> Floats:
    """A direction turned about the vertical."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]]) @ direction


class Room:
    """One episode."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        chosen = self.rng.choice(len(_SPOTS), len(OBJECTS), replace=False)
        self.places = {name: _SPOTS[i] for name, i in zip(OBJECTS, chosen, strict=True)}
        x, y = self.rng.uniform(-1.2, 1.2), self.rng.uniform(-0.8, 0.8)
        self.wall = state("wall", np.array([x, y, 1.0]), (0.1, 1.0, 2.0))
        self.gazes: dict[str, Gaze] = {}
        self.errors = dict.fromkeys(AGENTS, 0.0)

    def step(self) -> None:
        """Now and then somebody looks elsewhere, and something is moved."""
        for agent in AGENTS:
            if agent not in self.gazes or self.rng.random() < 0.25:
                eye = np.array([*(self.rng.uniform(-2.5, 2.5, 2)), 1.6])
                angle = self.rng.uniform(-math.pi, math.pi)
                ahead = np.array([math.cos(angle), math.sin(angle), 0.0])
                self.gazes[agent] = Gaze(agent, 0, eye, ahead, _SURE)
                self.errors[agent] = float(self.rng.standard_normal())
        if self.rng.random() < 0.2:
            name = OBJECTS[int(self.rng.integers(len(OBJECTS)))]
            free = [p for p in _SPOTS if all((p != q).any() for q in self.places.values())]
            self.places[name] = free[int(self.rng.integers(len(free)))]

    def objects(self) -> list[ObjectState]:
        """What the robot knows: everything."""
        small = [state(name, place, (0.1, 0.1, 0.1)) for name, place in self.places.items()]
        return [*small, self.wall]


def look(minds: dict[tuple[str, str], Mind], room: Room) -> None:
    """What each person truly sees, and so believes."""
    objects = room.objects()
    for agent, gaze in room.gazes.items():
        for item in objects[:-1]:
            others = [o for o in objects if o.id != item.id]
            mind = minds[agent, item.id]
            if sees(gaze, item.position, others) > 0.5:
                mind.place, mind.ever = item.position, True
                continue
            gone = mind.place is not None and np.linalg.norm(mind.place - item.position) > APART
            if gone and sees(gaze, mind.place, objects) > 0.5:  # type: ignore[arg-type]
                mind.place = None


def episode(seed: int, degrees: float, missing: float, *, naive: bool) -> list[list[float]]:
    """One row for each person, object and step.

    Returns:
        Was the belief false, is the tracker right, is the omniscient baseline right, and the
        probability that the tracker gave to the truth.
    """
    room, tracker = Room(seed), BeliefTracker()
    dice = np.random.default_rng((seed, 9))
    minds = {(agent, name): Mind() for agent in AGENTS for name in OBJECTS}
    known: dict[tuple[str, str], list[tuple[Floats, float]]] = {}
    rows: list[list[float]] = []
    noise = math.radians(degrees)
    for _ in range(STEPS):
        room.step()
        look(minds, room)
        gazes = [
            replace(
                gaze,
                direction=turned(gaze.direction, noise * room.errors[agent]),
                deviation=_SURE if naive else math.hypot(_SURE, noise),
            )
            for agent, gaze in room.gazes.items()
            if dice.random() >= missing
        ]
        written = tracker.update(gazes, room.objects())
        for key in {(guess.agent, guess.object) for guess in written}:
            mine = [g for g in written if (g.agent, g.object) == key]
            newest = mine[-len([g for g in mine if g.stamp == mine[-1].stamp]) :]
            known[key] = [(g.place, g.probability) for g in newest if g.place is not None]
        for key, mind in minds.items():
            if mind.ever:
                rows.append(_judged(mind, known.get(key, []), room.places[key[1]]))
    return rows


def _judged(mind: Mind, guesses: list[tuple[Floats, float]], now: Floats) -> list[float]:
    def same(a: Floats | None, b: Floats | None) -> bool:
        if a is None or b is None:
            return a is b
        return float(np.linalg.norm(a - b)) <= APART

    none = max(0.0, 1.0 - sum(p for _, p in guesses))
    choices: list[tuple[Floats | None, float]] = [*guesses, (None, none)]
    best = max(choices, key=lambda choice: choice[1])[0]
    truth = sum(p for place, p in choices if same(place, mind.place))
    return [
        float(mind.place is not None and not same(mind.place, now)),
        float(same(best, mind.place)),
        float(same(now, mind.place)),
        truth,
    ]


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="one for both")
    episodes = parser.parse_args().episodes
    figures: dict[str, Any] = {"episodes": episodes}
    for name, degrees, missing in CONDITIONS:
        for naive in (False, True) if degrees else (False,):
            rows = np.array(
                [
                    r
                    for s in range(episodes)
                    for r in episode(_FIRST_SEED + s, degrees, missing, naive=naive)
                ]
            )
            false = rows[:, 0] == 1.0
            figures[name + (", taken at its word" if naive else "")] = {
                "beliefs": len(rows),
                "false beliefs": int(false.sum()),
                "right": round(float(rows[:, 1].mean()), 4),
                "right where false": round(float(rows[false, 1].mean()), 4),
                "omniscient": round(float(rows[:, 2].mean()), 4),
                "omniscient where false": round(float(rows[false, 2].mean()), 4),
                "log loss": round(float(-np.log(rows[:, 3].clip(1e-3)).mean()), 4),
            }
    for name, values in figures.items():
        print(f"{name:40} {values}")
    if episodes == EPISODES:
        write_result("memory_beliefs", figures)


if __name__ == "__main__":
    main()
