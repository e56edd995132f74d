"""Operations that might have become kernels, beside what the stack uses instead; in one run.

Matching by trying all permutations of a batch at once, against SciPy's assignment for each in a
loop. A round of the cross-entropy method: the share of its parts in NumPy, and the whole round as
the one graph that exists for GPUs. One thread; processor time, medians.

    .venv/bin/python bench/kernel_candidates.py     # half a minute
"""

from __future__ import annotations

import argparse
import functools
import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from common import write_result
from numpy.typing import NDArray
from planner_deadline import table
from scipy.optimize import linear_sum_assignment

from perception_nodes.inference.loading import load_network
from perception_nodes.model_cards import weights_folder
from perception_nodes.planner.blocks import Blocks, blocks_of
from perception_nodes.planner.candidates import Moves
from perception_nodes.planner.cost import Aim, Weights
from perception_nodes.planner.iteration import Search, draw, judge, narrowed_cem
from perception_nodes.planner.network_round import ELITES, NetworkRound
from perception_nodes.planner.prior import Physics, start_state, things

HEIGHT = 0.015
OBJECTS, BATCHES = (3, 4, 5, 6, 7), (1, 64, 300)
SAMPLES = (64, 300)
CALLS, SECONDS = 15, 2.0


class Task(NamedTuple):
    """Five boxes on a table, one to be pushed."""

    blocks: Blocks
    aim: Aim
    search: Search
    least: NDArray[np.float64]
    noise: NDArray[np.float64]


def task(samples: int) -> Task:
    """A round of sampling to compute."""
    blocks = blocks_of(table(0)[0].objects)
    size = Moves().size
    area = np.array([-0.5, -0.4, 0.5, 0.4])
    chosen = np.eye(len(blocks.ids))[0]
    return Task(
        blocks,
        Aim(chosen, np.array([0.1, 0.1, 0.5]), np.array(1.0), area, np.array(HEIGHT)),
        Search(np.zeros(size), np.full(size, 0.05)),
        np.full(size, 0.005),
        np.random.default_rng(0).standard_normal((samples, size)),
    )


def milliseconds(work: Callable[[], Any]) -> float:
    """Median processor time of a call; of fewer calls where they are slow."""
    work()
    times: list[float] = []
    while len(times) < 3 or (len(times) < CALLS and sum(times) < SECONDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return round(float(1e3 * np.median(times)), 3)


def permuted(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """(B, N) columns of the cheapest matching of (B, N, N), by all permutations in one product."""
    count = costs.shape[-1]
    every = np.array(list(itertools.permutations(range(count))))
    taken = np.zeros((count, count, len(every)))
    for row in range(count):
        taken[row, every[:, row], np.arange(len(every))] = 1.0
    total = costs.reshape(len(costs), -1) @ taken.reshape(count * count, -1)
    return every[total.argmin(axis=1)]


def assigned(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """The same by SciPy, one after the other."""
    return np.array([linear_sum_assignment(cost)[1] for cost in costs])


def matching() -> list[dict[str, float]]:
    """Both ways, by batch and number of objects; they must agree."""
    rows = []
    for batch, count in itertools.product(BATCHES, OBJECTS):
        costs = np.random.default_rng(count).random((batch, count, count))
        if not np.array_equal(permuted(costs), assigned(costs)):
            raise AssertionError("the two ways of matching disagree")
        rows.append(
            {
                "batch": batch,
                "objects": count,
                "permutations_ms": milliseconds(lambda: permuted(costs)),  # noqa: B023
                "scipy_ms": milliseconds(lambda: assigned(costs)),  # noqa: B023
            }
        )
        print(rows[-1], flush=True)
    return rows


def rounds() -> list[dict[str, float]]:
    """A round of CEM by its parts in NumPy, and as one graph on the CPU."""
    graph = NetworkRound(load_network(weights_folder() / "planner.yaml", "cpu", threads=1))
    moves, physics, weights = Moves(), Physics(), Weights()
    rows: list[dict[str, float]] = []
    for samples in SAMPLES:
        t = task(samples)
        candidates = draw(np, t.search, t.noise, moves)
        start, still = start_state(t.blocks, samples), things(t.blocks, physics, moves.interval)
        given = candidates, start, still, t.aim, np.array(HEIGHT), moves, physics, weights
        whole = t.search, t.least, t.noise, t.blocks, t.aim, HEIGHT
        narrow = candidates, judge(np, *given), ELITES, t.least
        works: dict[str, Callable[[], Any]] = {
            "draw_ms": functools.partial(draw, np, t.search, t.noise, moves),
            "foresee_ms": functools.partial(judge, np, *given),
            "narrow_ms": functools.partial(narrowed_cem, np, *narrow),
            "graph_ms": functools.partial(graph.draw, *whole),
        }
        rows.append({"samples": samples, **{n: milliseconds(work) for n, work in works.items()}})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="both the same")
    parser.parse_args()
    write_result("kernel_candidates", {"matching": matching(), "rounds": rounds()})


if __name__ == "__main__":
    main()
