"""A compact set is correct, covers the taxonomy, is hard and holds nothing twice."""

from __future__ import annotations

import numpy as np
import torch

from perception_models.discs.scenarios import (
    LEAVES,
    agrees,
    examine,
    make_pool,
    simulate_in_steps,
    spoil,
)
from perception_models.discs.world import Population
from perception_models.scenarios.selection import Candidates, compact, coverage, overlap


def candidates(n: int = 60, leaves: int = 3) -> Candidates:
    random = np.random.default_rng(0)
    return Candidates(
        leaf=np.arange(n) % leaves,
        reproducible=np.ones(n, dtype=bool),
        correct=np.ones(n, dtype=bool),
        difficulty=random.random(n),
        embedding=random.normal(size=(n, 8)),
    )


def test_what_is_wrong_or_not_reproducible_is_never_chosen() -> None:
    c = candidates()
    c.correct[:20] = False
    c.reproducible[20:30] = False
    chosen = compact(c, 60, 3, easiest=0.0).indices
    assert set(chosen) <= set(range(30, 60))


def test_the_easy_ones_of_each_leaf_are_left_out() -> None:
    c = candidates()
    c.difficulty[c.leaf == 1] *= 0.01
    selection = compact(c, 60, 3, easiest=0.5)
    assert selection.coverage == 1.0, "a leaf that is easy as a whole is not lost"
    for leaf in range(3):
        mine = c.difficulty[c.leaf == leaf]
        taken = selection.indices[c.leaf[selection.indices] == leaf]
        assert c.difficulty[taken].min() >= np.quantile(mine, 0.5) - 1e-12


def test_duplicates_are_left_out() -> None:
    c = candidates()
    c.embedding[:] = np.tile(c.embedding[:30], (2, 1)) * np.repeat([1.0, 2.0], 30)[:, None]
    assert compact(c, 60, 3, easiest=0.0).counts["and different"] == 30


def test_rare_leaves_get_their_share_as_long_as_they_last() -> None:
    c = candidates(100, 2)
    leaf = np.zeros(100, dtype=int)
    leaf[:5] = 1
    c = Candidates(leaf, c.reproducible, c.correct, c.difficulty, c.embedding)
    chosen = compact(c, 20, 2, easiest=0.0, similarity=1.1).indices
    assert np.bincount(leaf[chosen]).tolist() == [15, 5]


def test_leaked_episodes_are_counted() -> None:
    a = np.arange(12.0).reshape(4, 3)
    assert overlap(a, a[1:3]) == 2
    assert overlap(a, a + 0.5) == 0
    assert coverage(np.array([0, 0, 2]), 4) == 0.5


def test_an_independent_simulation_agrees_with_right_answers_and_not_with_wrong_ones() -> None:
    pool = make_pool(Population(), 0.1, 300, 3)
    right = agrees(pool.states[:, 1], pool.states[:, 0], 0.1)
    assert right.mean() > 0.98
    spoiled, wrong = spoil(pool, 0.3, 0.1, 0)
    assert 50 < wrong.sum() < 130
    checked = agrees(spoiled.states[:, 1], spoiled.states[:, 0], 0.1)
    assert (~checked[wrong]).mean() > 0.95
    assert (checked == right)[~wrong].all()


def test_the_second_simulation_keeps_energy_as_well() -> None:
    pool = make_pool(Population(smallest=0.2), 0.1, 100, 4)
    later = simulate_in_steps(pool.states[:, 0], 0.1)
    energy = [(s[..., 4] ** 2 * s[..., 2:4].square().sum(-1)).sum(-1)
              for s in (later, pool.states[:, 0])]  # fmt: skip
    torch.testing.assert_close(energy[0], energy[1], rtol=1e-6, atol=1e-9)


def test_a_pool_is_the_same_again_and_another_is_not() -> None:
    pool = make_pool(Population(), 0.1, 200, 5)
    assert set(pool.leaf) <= set(range(len(LEAVES)))
    difficulty = np.zeros(200)
    assert examine(pool, Population(), 0.1, 5, difficulty).reproducible.all()
    assert not examine(pool, Population(), 0.1, 6, difficulty).reproducible.any()
