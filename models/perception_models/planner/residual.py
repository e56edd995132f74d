"""A learned residual on the physics step: what an object does in a block of action beyond it.

The state of an object is kinematic (place, heading, velocity), so "lifted to latent space" means a
correction of the physics step's displacement in the object's frame, with a variance. Query tokens
attend to the block and are taught, from steps of the simulator that are never observed, what
happens within it (transition queries, PhysicEdit, 2602.21778); physics losses act in training only
(PhyLatent, 2608.05720). Measured by bench/planner_residual.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perception_nodes.planner.contact import touch, turned

FEATURES = 11
"""Tip before (2) and its way (2) in the object's frame, half extents (2), velocity (3), log
friction and log mass."""
TIP, WAY, HALF, VELOCITY = slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 9)
_RADIUS = 0.012
_LENGTH = 0.02


@dataclass(frozen=True)
class Arm:
    """What a network is given and taught.

    Attributes:
        physics: It corrects the physics step; else it foresees alone.
        queries: Query tokens for the steps within a block; 0 for none.
        taught: They are supervised by those steps.
        losses: Weight of the physics losses.
    """

    physics: bool = True
    queries: int = 0
    taught: bool = False
    losses: float = 0.0


class Residual(nn.Module):
    """From a block (B, FEATURES) and the physics step's displacement (B, 3) to what is beyond.

    Displacements are x, y in m and the heading in rad, in the frame of the object at the start.
    """

    scale: Tensor

    def __init__(self, arm: Arm, width: int = 48) -> None:
        super().__init__()
        self.arm = arm
        self.register_buffer("scale", torch.ones(2, FEATURES))
        self.enter = nn.Sequential(
            nn.Linear(FEATURES + 3, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.tokens = nn.Parameter(0.1 * torch.randn(arm.queries, width))
        self.query = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU())
        self.within = nn.Linear(width, 3)
        self.attend = nn.MultiheadAttention(width, 2, batch_first=True)
        self.leave = nn.Linear(width, 6)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, block: Tensor, physics: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Displacement (B, 3), log standard deviation (B, 3), and within the block (B, K, 3)."""
        base = physics if self.arm.physics else torch.zeros_like(physics)
        entered = self.enter(torch.cat(((block - self.scale[0]) / self.scale[1], base / 0.05), -1))
        asked = torch.zeros(len(block), 0, 3)
        if self.arm.queries:
            each = entered[:, None].expand(-1, self.arm.queries, -1)
            tokens = self.query(torch.cat((each, self.tokens.expand(len(block), -1, -1)), -1))
            asked = _LENGTH * self.within(tokens)
            entered = entered + self.attend(entered[:, None], tokens, tokens)[0][:, 0]
        left = self.leave(entered)
        return base + _LENGTH * left[:, :3], left[:, 3:].clamp(-4.0, 4.0) - 4.5, asked


def physics_loss(block: Tensor, moved: Tensor) -> Tensor:
    """How far the tip would be in the object, and how far it would go beyond what drives it."""
    offset = block[:, TIP] + block[:, WAY] - moved[:, :2]
    half = block[:, HALF]
    parts = torch.cat((torch.zeros_like(half), half, torch.zeros_like(half[:, :1])), -1)[:, None]
    gap = touch(torch, turned(torch, -moved[:, 2], offset), parts).distance - _RADIUS
    driven = block[:, WAY].norm(dim=-1) + 0.5 * block[:, VELOCITY][:, :2].norm(dim=-1)
    beyond = torch.relu(moved[:, :2].norm(dim=-1) - driven - 0.01)
    return ((torch.relu(-gap) / _LENGTH) ** 2 + (beyond / _LENGTH) ** 2).mean()


def fit(
    arm: Arm, block: Tensor, physics: Tensor, moved: Tensor, *, seed: int = 0, steps: int = 800
) -> Residual:
    """Train a residual.

    Args:
        arm: Of which kind.
        block: (B, FEATURES).
        physics: (B, S, 3) displacements by the physics step after each of S steps of the block.
        moved: (B, S, 3) true ones.
        seed: Of weights and batches.
        steps: Batches of 128.
    """
    torch.manual_seed(seed)
    network = Residual(arm)
    network.scale[0], network.scale[1] = block.mean(0), block.std(0) + 1e-3
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(block), (128,))
        mean, spread, asked = network(block[rows], physics[rows, -1])
        error = (moved[rows, -1] - mean) * torch.exp(-spread)
        loss = (0.5 * error**2 + spread).mean()
        if arm.taught:
            beyond = moved[rows, : arm.queries]
            if arm.physics:
                beyond = beyond - physics[rows, : arm.queries]
            loss = loss + 0.1 * (((beyond - asked) / _LENGTH) ** 2).mean()
        if arm.losses:
            loss = loss + arm.losses * physics_loss(block[rows], mean)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return network.eval()
