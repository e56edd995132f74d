"""The planner's network: what NumPy computes, in one call, and written anew it is the same file."""

from __future__ import annotations

import numpy as np
import pytest
from pushing import block

from perception_nodes.arrays import Floats
from perception_nodes.inference.loading import load_network
from perception_nodes.model_cards import weights_folder
from perception_nodes.planner.blocks import blocks_of
from perception_nodes.planner.candidates import Moves
from perception_nodes.planner.cost import Aim, Weights
from perception_nodes.planner.iteration import Search, draw, judge, narrowed_cem
from perception_nodes.planner.network_round import ELITES, NetworkRound
from perception_nodes.planner.prior import Physics, start_state, things

HEIGHT = 0.015


@pytest.fixture(scope="module")
def network() -> NetworkRound:
    return NetworkRound(load_network(weights_folder() / "planner.yaml", "cpu", threads=1))


def search() -> tuple[Search, Floats]:
    moves = Moves()
    mean = np.zeros(moves.size)
    mean[0] = -0.06
    noise = np.random.default_rng(0).standard_normal((24, moves.size))
    return Search(mean, np.full(moves.size, 0.05)), noise


def aim(count: int) -> Aim:
    chosen = np.eye(count)[0]
    area = np.array([-0.5, -0.4, 0.5, 0.4])
    return Aim(chosen, np.array([0.1, 0.1, 0.5]), np.array(1.0), area, np.array(0.015))


@pytest.mark.parametrize("count", [1, 3])
def test_the_network_says_what_numpy_says(network: NetworkRound, count: int) -> None:
    blocks = blocks_of([block(f"o{k}", 0.08 * k, 0.01 * k, 0.3 * k) for k in range(count)])
    moves, (now, noise) = Moves(), search()
    least = np.full(moves.size, 0.005)
    found = network.draw(now, least, noise, blocks, aim(count), HEIGHT)
    candidates = draw(np, now, noise, moves)
    costs = judge(
        np,
        candidates,
        start_state(blocks, len(noise)),
        things(blocks, Physics(), moves.interval),
        aim(count),
        np.array(HEIGHT),
        moves,
        Physics(),
        Weights(),
    )
    following = narrowed_cem(np, candidates, costs, ELITES, least)
    assert found.candidates == pytest.approx(candidates, abs=1e-6)
    assert np.ptp(costs) > 0.1
    assert found.costs == pytest.approx(costs, abs=1e-4)
    assert found.following.mean == pytest.approx(following.mean, abs=1e-5)
    assert found.following.deviation == pytest.approx(following.deviation, abs=1e-5)


def test_given_candidates_are_judged_in_their_order(network: NetworkRound) -> None:
    blocks = blocks_of([block("a", 0.0, 0.0)])
    _, noise = search()
    candidates = 0.05 * noise[:3]
    together = network.judge(candidates, blocks, aim(1), HEIGHT)
    alone = [network.judge(row[None], blocks, aim(1), HEIGHT)[0] for row in candidates]
    assert together == pytest.approx(np.array(alone), abs=1e-6)
    assert len(set(np.round(together, 4))) == 3
