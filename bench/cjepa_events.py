"""Events of motion and contact: thresholds chosen on some episodes, errors on others.

    python bench/cjepa_events.py [--episodes 80]

Episodes as the world model's, 30 states a second, places with 0.5 or 2 mm of white noise through
the tracker's own filter, sizes off by 5 %. Scanned are the displacements that count as a motion and
as rest, the gap at which two things touch and that at which they part; chosen is what has the best
F1 on one set of episodes, and what is shipped is measured on another. A
change is found if it is told within a second (coming to rest and parting: a second and a half), and
told rightly if it is so within half a second; a motion of less than 2 cm is neither. Surprise is
told by the world model, with and without being told of the tool: wrong of what rests untouched,
right of what starts to move.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from cjepa_beliefs import RATE, watched
from common import write_result

from perception_nodes.arrays import Bools, Floats
from perception_nodes.cjepa.bodies import box_gaps
from perception_nodes.cjepa.calibration import Calibration
from perception_nodes.cjepa.events import ContactRule
from perception_nodes.cjepa.foresight import Foresight
from perception_nodes.cjepa.loading import load_world_model, network_hash
from perception_nodes.cjepa.model import Bodies, WorldModel
from perception_nodes.objects.parameters import TrackerParameters
from perception_nodes.scene import EventKind, ObjectState
from perception_simulation.world import World

NOISES = (0.0005, 0.002)
SEEDS = {"calibrate": 910, "test": 911}
MOVED = (0.02, 0.03, 0.04, 0.06)
STOPPED = (0.003, 0.005, 0.01, 0.02)
GAPS = (0.002, 0.004, 0.006, 0.008, 0.012)
PARTS = (1.5, 2.0, 3.0)
MOMENT = 3
"""Frames between two looks at contacts and surprises."""
AROUND, ON_LATE, OFF_LATE = 0.5, 1.0, 1.5
LEAST_MOTION = 0.02
RECENT = 0.5
"""Seconds, as in `perception_nodes.objects.track`."""
MOVES, RESTS = 0.03, 0.008
Key = tuple[str, ...]


@dataclass
class Timeline:
    """What is so and what is said of one object or pair."""

    times: list[float] = field(default_factory=list)
    true: list[float] = field(default_factory=list)
    said: list[bool] = field(default_factory=list)

    def note(self, time: float, true: float, said: bool) -> None:
        """Take a moment; `true` is 1, 0, or NaN where neither would be wrong."""
        self.times.append(time)
        self.true.append(true)
        self.said.append(said)


def rates(lines: Sequence[Timeline]) -> dict[str, dict[str, int]]:
    """Changes on and off: how many truly happened and were missed, were told and were wrong."""
    found = {kind: dict.fromkeys(("true", "missed", "told", "wrong"), 0) for kind in ("on", "off")}
    for line in lines:
        time, said, true = np.array(line.times), np.array(line.said), np.array(line.true)
        for kind, value, late in (("on", 1.0, ON_LATE), ("off", 0.0, OFF_LATE)):
            row = found[kind]
            for k in _changes(true == value, np.isfinite(true)):
                row["true"] += 1
                soon = (time >= time[k] - AROUND) & (time <= time[k] + late)
                row["missed"] += not bool((said[soon] == bool(value)).any())
            for k in _changes(said == bool(value), np.ones(len(said), dtype=bool)):
                row["told"] += 1
                near = np.abs(time - time[k]) <= AROUND
                row["wrong"] += not bool(((true[near] == value) | np.isnan(true[near])).any())
    return found


def _changes(state: Bools, counts: Bools) -> Iterator[int]:
    """Where a state begins that was not there a moment before."""
    begins = state[1:] & ~state[:-1] & counts[1:] & counts[:-1]
    yield from (int(k) + 1 for k in np.flatnonzero(begins))


def score(row: dict[str, dict[str, int]]) -> float:
    """F1 of changes on and off together."""
    total = {k: sum(one[k] for one in row.values()) for k in ("true", "missed", "told", "wrong")}
    hits = total["true"] - total["missed"] + total["told"] - total["wrong"]
    return round(hits / max(total["true"] + total["told"], 1), 4)


class Motions:
    """What the tracker would say of motions: as `ObjectTracker` does of what is in view."""

    def __init__(self, parameters: TrackerParameters) -> None:
        self._parameters = parameters
        self._anchors: dict[str, Floats] = {}
        self._recently: dict[str, Floats] = {}
        self.traveling: set[str] = set()

    def tell(self, states: Sequence[ObjectState]) -> None:
        """Take a frame; what the filter believes to rest has no velocity."""
        for state in states:
            place, name = state.position, state.id
            anchor = self._anchors.setdefault(name, place.copy())
            recently = self._recently.get(name, place)
            recently = recently + (1.0 - math.exp(-1.0 / RATE / RECENT)) * (place - recently)
            self._recently[name] = recently
            moving, before = bool(state.velocity.any()), name in self.traveling
            away, lately = (float(np.linalg.norm(place - then)) for then in (anchor, recently))
            now = self._parameters.travels(before, moving, away, lately)
            if not moving or (before and not now):
                self._anchors[name] = place.copy()
            (self.traveling.add if now else self.traveling.discard)(name)


class Truth:
    """What truly moves, frame by frame."""

    def __init__(self) -> None:
        self._past: dict[str, list[tuple[float, Floats, bool]]] = defaultdict(list)

    def note(self, time: float, world: World, names: Sequence[str]) -> None:
        """Take a frame."""
        for name in names:
            motion, past = world.motion(name), self._past[name]
            spin = float(np.linalg.norm(motion.angular_velocity))
            speed = float(np.linalg.norm(motion.velocity)) + 0.05 * spin
            moves = speed > (RESTS if past and past[-1][2] else MOVES)
            past.append((time, motion.pose.translation, moves))

    def motion(self) -> dict[str, dict[float, float]]:
        """By object and time: 1 while it moves, 0 at rest, NaN in a motion of hardly any way."""
        found: dict[str, dict[float, float]] = {}
        for name, past in self._past.items():
            row: dict[float, float] = {}
            for moves, group in itertools.groupby(past, key=lambda one: one[2]):
                part = list(group)
                way = float(np.linalg.norm(part[-1][1] - part[0][1]))
                value = (1.0 if way > LEAST_MOTION else np.nan) if moves else 0.0
                row |= {time: value for time, _, _ in part}
            found[name] = row
        return found


def motions(
    number: int, seed: int, rules: Mapping[str, TrackerParameters], noise: float
) -> dict[str, Any]:
    """Rates of one episode by rule."""
    tellers = {name: Motions(rule) for name, rule in rules.items()}
    truth, said = Truth(), []
    for states, _, world in watched(noise, number, seed):
        time, names = states[0].stamp * 1e-9, [state.id for state in states]
        truth.note(time, world, names)
        for teller in tellers.values():
            teller.tell(states)
        said.append((time, names, {name: set(t.traveling) for name, t in tellers.items()}))
    true, found = truth.motion(), {}
    for rule in rules:
        lines: dict[str, Timeline] = defaultdict(Timeline)
        for time, names, traveling in said:
            for name in names:
                lines[name].note(time, true[name][time], name in traveling[rule])
        found[rule] = rates(list(lines.values()))
    return found


def contacts(
    number: int, seed: int, rules: Mapping[str, Calibration], noise: float
) -> dict[str, Any]:
    """Rates of one episode by rule."""
    tellers = {name: ContactRule(rule) for name, rule in rules.items()}
    lines: dict[str, dict[Key, Timeline]] = {name: defaultdict(Timeline) for name in rules}
    for k, (states, _, world) in enumerate(watched(noise, number, seed)):
        if k % MOMENT:
            continue
        bodies = Bodies.of(states)
        gap = box_gaps(bodies.states, bodies.size)
        touching = {frozenset(pair) for pair in world.touching()}
        for name, rule in tellers.items():
            rule.note(bodies.ids, gap)
            for pair in itertools.combinations(bodies.ids, 2):
                so, said = frozenset(pair) in touching, frozenset(pair) in rule.touching
                lines[name][pair].note(k / RATE, float(so), said)
    return {name: rates(list(found.values())) for name, found in lines.items()}


def surprises(
    number: int, seed: int, model: WorldModel, told: bool, noise: float
) -> dict[str, int]:
    """Starts of motions that were a surprise, and surprises about what rests, of one episode."""
    events, truth, found = Foresight(model), Truth(), []
    assert events.events is not None
    moments = 0
    for states, actor, world in watched(noise, number, seed):
        time = states[0].stamp * 1e-9
        truth.note(time, world, [state.id for state in states])
        events.tell(actor if told else None)
        for event in events.events.tell(states[0].stamp, states):
            if event.kind is EventKind.SURPRISE:
                found.append((time, event.subjects[0]))
        moments += len(states)
    motion, starts = truth.motion(), []
    for name, row in motion.items():
        times = sorted(row)
        starts += [(b, name) for a, b in itertools.pairwise(times) if row[b] > row[a]]
    hits = sum(
        any(who == name and -AROUND <= when - time <= ON_LATE for when, who in found)
        for time, name in starts
    )
    wrong = sum(
        all(value == 0.0 for time, value in motion[who].items() if abs(time - when) <= AROUND)
        for when, who in found
    )
    return {"starts": len(starts), "found": hits, "told": len(found), "wrong": wrong,
            "moments": moments // MOMENT}  # fmt: skip


def added(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sums over episodes, however deep the counts lie."""
    return {
        key: added([row[key] for row in rows])
        if isinstance(rows[0][key], dict)
        else sum(row[key] for row in rows)
        for key in rows[0]
    }


def scan(episodes: int, known: Calibration) -> dict[str, dict[str, float]]:
    """F1 by setting on the episodes that choose."""
    seed, shipped = SEEDS["calibrate"], TrackerParameters()
    found: dict[str, dict[str, float]] = {"motion": {}, "contact": {}}
    ways = {
        f"{moved:g} m, {stopped:g} m": replace(
            shipped, moved_distance=moved, stopped_distance=stopped
        )
        for moved, stopped in itertools.product(MOVED, STOPPED)
    }
    numbers = list(itertools.product(range(episodes), NOISES))
    total = added([motions(k, seed, ways, noise) for k, noise in numbers])
    found["motion"] = {name: score(row) for name, row in total.items()}
    rules = {
        f"{gap:g} m, {gap * part:g} m": replace(known, contact_gap=gap, contact_part=gap * part)
        for gap, part in itertools.product(GAPS, PARTS)
    }
    total = added([contacts(k, seed, rules, noise) for k, noise in numbers])
    found["contact"] = {name: score(row) for name, row in total.items()}
    return found


def main() -> None:
    """Scan, choose, measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--episodes", type=int, default=80, help="of the test; a third choose")
    args = parser.parse_args()
    model, seed, shipped = load_world_model(), SEEDS["test"], TrackerParameters()
    known = model.calibration
    scores = scan(args.episodes // 3, known)
    for what, row in scores.items():
        print(what, dict(sorted(row.items(), key=lambda item: -item[1])))
    numbers = range(args.episodes)
    test = {}
    for noise in NOISES:
        ways = added([motions(k, seed, {"shipped": shipped}, noise) for k in numbers])
        touches = added([contacts(k, seed, {"shipped": known}, noise) for k in numbers])
        test[f"{1000 * noise:g} mm"] = {
            "motion": ways["shipped"],
            "contact": touches["shipped"],
            "surprise": {
                name: added([surprises(k, seed, model, told, noise) for k in numbers])
                for name, told in (("told of the tool", True), ("not told", False))
            },
        }
    print(test)
    values = {
        "moved_distance": shipped.moved_distance,
        "stopped_distance": shipped.stopped_distance,
        "contact_gap": known.contact_gap,
        "contact_part": known.contact_part,
        "surprise": known.surprise,
    }
    figures = {
        "network": network_hash(),
        "episodes": args.episodes,
        "shipped": values,
        "scores": scores,
        "test": test,
    }
    write_result("cjepa_events", figures)


if __name__ == "__main__":
    main()
