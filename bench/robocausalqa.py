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
from pathlib import Path
from typing import Any

import numpy as np
from common import write_result
from memory_arms import ARMS, Log, retrieve
from memory_observer import Observer
from memory_questions import MOVES, Question, answer, ask, name_of
from memory_world import Step, Table

from perception_nodes.memory.writer import Memory

EPISODES, STEPS = 12, 26
BUDGETS = (5, 10, 20)
HORIZONS = ((0, 50), (50, 150), (150, 10_000))
_FIRST_SEED = 100  # rules were tried out on seeds 1 to 9


@dataclass(frozen=True, slots=True)
class Episode:
    """What one episode left behind."""

    log: Log
    steps: list[Step]
    questions: list[Question]
    product: dict[Question, object]  # answers of `Memory.explain`


def play(seed: int, steps: int, folder: Path) -> Episode:
    """Simulate an episode into two memories: one without and one with counterfactuals."""
    table = Table(seed)
    sizes = {item.name: np.array(item.shape.size) for item in table.scene.objects}  # type: ignore[union-attr]
    observer = Observer(sizes, seed)
    done: list[Step] = []
    plain, informed = Memory(folder / f"{seed}.db"), Memory(folder / f"{seed}-informed.db")
    with plain, informed:
        for _ in range(steps):
            step, path = table.step()
            done.append(step)
            for scene in observer.watch(step, path):
                plain.write(replace(scene, influences=()))
                informed.write(scene)
        log = Log.of(plain, informed, done)
        questions = list(ask(done, log.events, np.random.default_rng(seed)))
        product = {q: _explained(informed, q) for q in questions if q.kind == "why"}
    return Episode(log, done, questions, product)


def _explained(memory: Memory, question: Question) -> str:
    found = memory.explain(question.object, question.at)
    names = [name_of(link.event) for link in found.chain if link.event.kind == "action"]
    return names[-1] if names else "unknown"


def judge(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Share of right answers by arm, budget, type and horizon; every single one for statistics."""
    right: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for arm in ARMS:
        for episode in episodes:
            for question in episode.questions:
                for k in BUDGETS:
                    found = retrieve(arm, episode.log, question, k)
                    if found is None:
                        continue
                    said = answer(question, found, episode.log.edges.get(arm))
                    good = int(question.right(said))
                    right[arm][f"{question.type} k={k}"].append(good)
                    if k == 10:
                        right[arm][f"{question.type} {question.kind}"].append(good)
                        bounds = next(h for h in HORIZONS if h[0] <= question.horizon < h[1])
                        right[arm][f"{question.type} from {bounds[0]} events"].append(good)
    product = [q.right(said) for episode in episodes for q, said in episode.product.items()]
    right["`explain`"]["B why"] = [int(r) for r in product]
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
        shown = [f"{arm} {np.mean(r[kind]):.3f}" for arm, r in right.items() if kind in r]
        count = max(len(r.get(kind, ())) for r in right.values())
        print(f"{kind:20} ({count}): {', '.join(shown)}")
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
