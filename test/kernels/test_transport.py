from __future__ import annotations

import numpy as np
import pytest

from perception_kernels.transport import (
    choose_anchors,
    merge_tokens,
    sinkhorn,
    sinkhorn_reference,
)


def test_the_plan_equals_scaling_rows_and_columns_in_turn() -> None:
    cost = np.random.default_rng(0).uniform(0, 2, (30, 7))
    np.testing.assert_allclose(sinkhorn(cost), sinkhorn_reference(cost), rtol=1e-9)
    np.testing.assert_allclose(sinkhorn(cost).sum(axis=0), 1 / 7)


def test_costs_that_a_plain_exponential_loses_still_give_a_plan() -> None:
    assert np.isfinite(sinkhorn(np.array([[500.0, 900.0], [900.0, 500.0]]))).all()


def test_a_small_important_thing_and_every_window_are_kept() -> None:
    importance = np.full((8, 8), 0.1)
    importance[:4, :4] = 0.5
    importance[7, 7] = 0.9
    importance[6, 1] = 0.2
    kept = choose_anchors(importance, 8)
    assert len(set(kept.tolist())) == 8
    assert 63 in kept
    assert 6 * 8 + 1 in kept
    quarters = {(i // 8 // 4, i % 8 // 4) for i in kept.tolist()}
    assert quarters == {(0, 0), (0, 1), (1, 0), (1, 1)}


@pytest.mark.parametrize("budget", [1, 7, 63, 64])
def test_exactly_as_many_are_kept_as_are_asked_for(budget: int) -> None:
    importance = np.random.default_rng(2).uniform(size=(8, 8))
    assert len(np.unique(choose_anchors(importance, budget))) == budget


def test_more_than_there_are_can_not_be_kept() -> None:
    with pytest.raises(ValueError, match="can't be kept"):
        choose_anchors(np.zeros((2, 2)), 5)


def test_rows_that_are_normalized_carry_all_that_was_dropped() -> None:
    tokens = np.random.default_rng(1).normal(size=(40, 6))
    anchors = np.arange(5)
    plan = sinkhorn(_cost(tokens))
    load = (plan / plan.sum(axis=1, keepdims=True)).sum(axis=0)
    merged = merge_tokens(tokens, anchors)
    total = (merged * (1 + load[:, None])).sum(axis=0)
    np.testing.assert_allclose(total, tokens.sum(axis=0), atol=1e-4)


def test_the_formula_of_the_paper_moves_anchors_by_one_part_in_k_plus_one() -> None:
    tokens = np.random.default_rng(1).normal(size=(40, 6))
    merged = merge_tokens(tokens, np.arange(5), row_normalized=False)
    plan = sinkhorn(_cost(tokens))
    expected = (tokens[:5] + plan.T @ tokens[5:]) / (1 + 1 / 5)
    np.testing.assert_allclose(merged, expected, atol=1e-5)


def _cost(tokens: np.ndarray) -> np.ndarray:
    unit = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
    return 1.0 - unit[5:] @ unit[:5].T
