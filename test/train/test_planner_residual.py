"""A learned residual on the physics step."""

from __future__ import annotations

import torch

from perception_models.planner.residual import FEATURES, HALF, TIP, WAY, Arm, fit, physics_loss


def _blocks(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Physics that foresees nothing where an object goes as far as the tip."""
    torch.manual_seed(1)
    block = 0.05 * torch.randn(count, FEATURES)
    share = torch.linspace(0.2, 1.0, 5)[None, :, None]
    moved = torch.cat((block[:, WAY], torch.zeros(count, 1)), -1)[:, None] * share
    return block, torch.zeros_like(moved), moved


def test_a_residual_learns_what_physics_does_not_foresee_and_how_sure_it_is() -> None:
    block, physics, moved = _blocks(256)
    network = fit(Arm(), block, physics, moved, steps=300)
    mean, spread, _ = network(block, physics[:, -1])
    error = (mean - moved[:, -1]).detach()
    assert error.norm(dim=-1).mean() < 0.3 * moved[:, -1].norm(dim=-1).mean()
    within = (error.abs() < 2.0 * spread.exp())[:, :2].double().mean()
    assert within > 0.7


def test_queries_know_the_steps_within_a_block_only_if_they_are_taught() -> None:
    block, physics, moved = _blocks(256)
    errors = []
    for taught in (True, False):
        network = fit(Arm(queries=4, taught=taught), block, physics, moved, steps=150)
        errors.append(float((network(block, physics[:, -1])[2] - moved[:, :4]).norm(dim=-1).mean()))
    assert errors[0] < 0.5 * errors[1]


def test_physics_losses_are_for_tips_in_objects_and_for_objects_that_nothing_drives() -> None:
    block = torch.zeros(1, FEATURES)
    block[:, TIP] = torch.tensor([-0.06, 0.0])
    block[:, HALF] = 0.03
    rest, gone = torch.zeros(1, 3), torch.tensor([[0.1, 0.0, 0.0]])
    assert physics_loss(block, rest) < 1e-6
    assert physics_loss(block, gone) > 1.0
    block[:, WAY] = torch.tensor([0.05, 0.0])
    assert physics_loss(block, rest) > 1.0
    assert physics_loss(block, torch.tensor([[0.04, 0.0, 0.0]])) < 1e-6
