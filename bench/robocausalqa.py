"""RoboCausalQA: do causal edges help a memory to answer why?

Run `python bench/robocausalqa.py`; about ten minutes on one core. Episodes are simulated, true
causes found by re-simulation (`memory_world`), more than a thousand questions asked
(`memory_questions`). Memories differ in what they retrieve, at the same number of events k. "With
counterfactual" gets the influences from re-simulation: what a perfect world model would say. The
oracle has the true edges. eMEM is asked where it is installed (`pip install emem`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from common import write_result
from memory_arms import ARMS, Log, retrieve
from memory_observer import Observer
from memory_questions import MOVES, Question, answer, ask, name_of
from memory_world import Step, Table

from perception_nodes.memory.writer import Memory

Counts = dict[str, dict[str, list[list[int]]]]
EPISODES, STEPS = 12, 26
BUDGETS = (5, 10, 20)
SHOWN = 10
HORIZONS = (0, 50, 150)
_FIRST_SEED = 100  # rules were tried out on seeds 1 to 9


@dataclass(frozen=True, slots=True)
class Episode:
    """What one episode left behind."""

    log: Log
    steps: list[Step]
    questions: list[Question]
    explained: dict[Question, object]  # answers of `Memory.explain`


def play(seed: int, steps: int, folder: Path) -> Episode:
    """Simulate an episode into two memories: one without and one with counterfactuals."""
    table = Table(seed)
    sizes = {item.name: np.array(item.shape.size) for item in table.scene.objects}  # type: ignore[union-attr]
    observer = Observer(sizes, seed)
    done: list[Step] = []
    plain, informed, told = (
        Memory(folder / f"{seed}{name}.db") for name in ("", "-informed", "-told")
    )
    with plain, informed, told:
        for _ in range(steps):
            step, path = table.step()
            done.append(step)
            for scene in observer.watch(step, path):
                plain.write(replace(scene, influences=()))
                informed.write(scene)
                now = {influence.target for influence in scene.influences}
                cut = tuple(item for item in step.model_like if item.target in now)
                told.write(replace(scene, influences=cut))
        log = Log.of(plain, informed, told, done)
        questions = list(ask(done, log.events, np.random.default_rng(seed)))
        explained = {q: _explained(informed, q) for q in questions if q.kind == "why"}
    return Episode(log, done, questions, explained)


def _explained(memory: Memory, question: Question) -> str:
    found = memory.explain(question.object, question.at)
    names = [name_of(link.event) for link in found.chain if link.event.kind == "action"]
    return names[-1] if names else "unknown"


def judge(episodes: Sequence[Episode]) -> Counts:
    """By arm and kind of question, for each episode: how many were right, how many asked."""
    right: dict[str, dict[str, list[list[int]]]] = defaultdict(
        lambda: defaultdict(lambda: [[0, 0] for _ in episodes])
    )

    def note(arm: str, kind: str, episode: int, good: bool) -> None:
        right[arm][kind][episode][0] += good
        right[arm][kind][episode][1] += 1

    for number, episode in enumerate(episodes):
        for arm, question, k in product(ARMS, episode.questions, BUDGETS):
            found = retrieve(arm, episode.log, question, k)
            if found is None:
                continue
            good = question.right(answer(question, found, episode.log.edges.get(arm)))
            note(arm, f"{question.type} k={k}", number, good)
            if k == SHOWN:
                since = max(low for low in HORIZONS if low <= question.horizon)
                note(arm, f"{question.type} {question.kind}", number, good)
                note(arm, f"{question.type} from {since} events", number, good)
        for question, said in episode.explained.items():
            note("`explain`", "B why", number, question.right(said))
    return {arm: dict(rows) for arm, rows in right.items()}


def edge_quality(episodes: Sequence[Episode]) -> dict[str, dict[str, float]]:
    """Precision and recall of edges to motions in view, against re-simulation."""
    truth: set[tuple[int, int, str]] = set()
    found: dict[str, set[tuple[int, int, str]]] = defaultdict(set)
    for number, episode in enumerate(episodes):
        by_seq = {e.seq: e for e in episode.log.events}
        judged = {}
        for event in episode.log.events:
            step = next((s for s in episode.steps if s.start < event.stamp <= s.end), None)
            if event.kind != "moved" or step is None or not step.by_action.get(event.subjects[0]):
                continue
            judged[event.seq] = event
            name = event.subjects[0]
            direct = step.by_object.get(name) or step.by_action[name]
            truth |= {(number, event.seq, source) for source in direct}
        for arm, edges in episode.log.edges.items():
            for seq in judged:
                for source, _ in edges.get(seq, ()):
                    event = by_seq[source]
                    who = name_of(event) if event.kind == "action" else event.subjects[0]
                    if event.kind == "action" or event.kind in MOVES:
                        found[arm].add((number, seq, who))
    return {
        arm: {
            "precision": len(edges & truth) / max(1, len(edges)),
            "recall": len(edges & truth) / max(1, len(truth)),
            "edges": len(edges),
            "true edges": len(truth),
        }
        for arm, edges in found.items()
    }


def main() -> None:
    """Simulate, ask, judge, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--first", type=int, default=_FIRST_SEED, help="seed of the first one")
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="one for both")
    args = parser.parse_args()
    episodes, began = [], time.perf_counter()
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        for seed in range(args.first, args.first + args.episodes):
            episodes.append(play(seed, STEPS, Path(folder)))
            asked = sum(len(e.questions) for e in episodes)
            print(f"episode {seed}: {asked} questions, {time.perf_counter() - began:.0f} s",
                  file=sys.stderr)  # fmt: skip
    right = judge(episodes)
    quality = edge_quality(episodes)
    kinds = sorted({kind for rows in right.values() for kind in rows})
    for kind in kinds:
        sums = {arm: np.sum(rows[kind], axis=0) for arm, rows in right.items() if kind in rows}
        shown = [f"{arm} {good / count:.3f}" for arm, (good, count) in sums.items()]
        print(f"{kind:20} ({max(c for _, c in sums.values())}): {', '.join(shown)}")
    for arm, figures in quality.items():
        print(f"edges, {arm}: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()))
    if args.episodes == EPISODES and args.first == _FIRST_SEED:
        write_result(
            "robocausalqa",
            {
                "questions": sum(len(e.questions) for e in episodes),
                "events": sum(len(e.log.events) for e in episodes),
                "episodes": len(episodes),
                "right": right,
                "edges": quality,
            },
        )


if __name__ == "__main__":
    main()
