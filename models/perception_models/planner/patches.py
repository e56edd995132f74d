"""What Push-T is foreseen with for comparison: the same transformer over patches, and over objects.

Both learn from the same episodes (`pusht.sequences`), the same updates and the same loss: how far
the T is from where it truly goes, read from their tokens after each block of the planner. The one
sees pictures from above in patches, as DINO-WM (arXiv 2411.04983) does with features of a network
that saw the internet; here the patches' features are learned. The other sees one token for the T
and one for the stick.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from perception_models.data import cache_folder, stream
from perception_models.networks.transformer import Block
from perception_models.planner.pusht import BLOCK, BLOCKS, PIXELS, SIDE, pictures, sequences
from perception_nodes.arrays import Floats
from perception_nodes.planner.interface import Futures, Situation
from perception_simulation.push_t import SPEED

PATCH = 8
WIDTH, HEADS, DEPTH = 64, 4, 2
HORIZON = 6
"""Blocks that training looks ahead; planning looks twice as far."""
_SCALE = 0.1  # m, of places in tokens and losses
_LEVER = 0.05  # m: what a radian of heading counts


class TokenModel(nn.Module):
    """Tokens of the present, and how a block of pushing changes them.

    Args:
        patches: Sees pictures in patches; else the T's pose as a token.
    """

    def __init__(self, *, patches: bool) -> None:
        super().__init__()
        self.patches = patches
        count = (PIXELS // PATCH) ** 2 if patches else 1
        self.embed = nn.Linear(2 * PATCH**2 if patches else 4, WIDTH)
        self.place = nn.Parameter(0.02 * torch.randn(count, WIDTH))
        self.look = nn.ModuleList(Block(WIDTH, HEADS) for _ in range(DEPTH if patches else 0))
        self.stick = nn.Linear(4, WIDTH)
        self.blocks = nn.ModuleList(Block(WIDTH, HEADS) for _ in range(DEPTH))
        self.weigh = nn.Linear(WIDTH, WIDTH)
        self.read = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU())
        self.pose = nn.Linear(WIDTH, 4)

    def tokens(self, pose: Tensor, tip: Tensor) -> Tensor:
        """[B, N, WIDTH] of the present; from the picture alone where it sees patches."""
        if not self.patches:
            token: Tensor = self.embed(coded(pose))[:, None] + self.place
            return token
        seen = pictures(pose, tip)
        cut = seen.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)
        flat = cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        tokens: Tensor = self.embed(flat) + self.place
        for block in self.look:
            tokens = block(tokens)
        return tokens

    def forward(self, tokens: Tensor, tip: Tensor, velocity: Tensor) -> Tensor:
        """Tokens [B, N, WIDTH] after a block in which the tip goes from [B, 2] at [B, 2] m/s."""
        stick = self.stick(torch.cat((tip / _SCALE, velocity / SPEED), -1))[:, None]
        every = torch.cat((tokens, stick), 1)
        for block in self.blocks:
            every = block(every)
        return every[:, :-1]

    def poses(self, tokens: Tensor) -> Tensor:
        """[B, 4] place in units of `_SCALE` and direction of the T, see `coded`."""
        share = torch.softmax(self.weigh(tokens), dim=1)
        found: Tensor = self.pose(self.read((share * tokens).sum(1)))
        return found


def coded(pose: Tensor) -> Tensor:
    """Poses [..., 3] as [..., 4]: place in units of 0.1 m, cosine and sine of the heading."""
    turn = pose[..., 2:]
    return torch.cat((pose[..., :2] / _SCALE, turn.cos(), turn.sin()), -1)


def error(found: Tensor, pose: Tensor) -> Tensor:
    """[...] squared error of poses, a radian counting as 5 cm, in units of 0.1 m."""
    off = found - coded(pose)
    return off[..., :2].square().sum(-1) + (_LEVER / _SCALE) ** 2 * off[..., 2:].square().sum(-1)


def trained(
    *, patches: bool, updates: int, episodes: int, tell: Callable[[str], None]
) -> tuple[TokenModel, float]:
    """A model and its validation error, from the cache if it was trained before.

    Args:
        patches: Which of the two.
        updates: Of the weights.
        episodes: To learn from.
        tell: Given a line now and then.
    """
    torch.manual_seed(0)
    model = TokenModel(patches=patches)
    name = f"pusht-{'patches' if patches else 'objects'}-{updates}-{episodes}.pt"
    path: Path = cache_folder() / name
    if not path.exists():
        _train(model, sequences("training", episodes), updates, tell)
        torch.save(model.state_dict(), path)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval(), validation(model)


@torch.no_grad()
def validation(model: TokenModel) -> float:
    """Mean distance, m, of the T from where it is foreseen `HORIZON` blocks ahead, unseen."""
    data = sequences("validation", 100)
    tokens = model.tokens(data["pose"][:, 0], data["tip"][:, 0])
    for k in range(HORIZON):
        tokens = model(tokens, data["tip"][:, k], data["velocity"][:, k])
    off = model.poses(tokens)[:, :2] * _SCALE - data["pose"][:, HORIZON, :2]
    return float(off.norm(dim=-1).mean())


class TokenRollout:
    """Foresees by tokens; see `perception_nodes.planner.interface.Rollout`. It knows one T alone.

    Args:
        model: Trained.
    """

    def __init__(self, model: TokenModel) -> None:
        self._model = model

    @torch.no_grad()
    def roll(self, situation: Situation, tips: Floats, interval: float) -> Futures:
        """See `Rollout`; between blocks the T is taken to go straight."""
        (tee,) = situation.objects
        turn = tee.pose.rotation
        pose = torch.tensor([[*tee.position[:2], math.atan2(turn[1, 0], turn[0, 0])]]).float()
        knots = torch.from_numpy(tips[:, ::BLOCK, :2]).float()
        velocity = knots.diff(dim=1) / (BLOCK * interval)
        tokens = self._model.tokens(pose, knots[:1, 0]).expand(len(tips), -1, -1)
        found = [coded(pose).expand(len(tips), -1)]
        for k in range(velocity.shape[1]):
            tokens = self._model(tokens, knots[:, k], velocity[:, k])
            found.append(self._model.poses(tokens))
        rows = torch.stack(found, dim=1).numpy().astype(np.float64)
        heading = np.unwrap(np.arctan2(rows[..., 3], rows[..., 2]), axis=1)
        height = np.full(heading.shape, tee.position[2])
        blocks = np.dstack((_SCALE * rows[..., 0], _SCALE * rows[..., 1], height, heading))
        share = (np.arange(tips.shape[1]) % BLOCK / BLOCK)[:, None]
        index = np.arange(tips.shape[1]) // BLOCK
        after = np.minimum(index + 1, blocks.shape[1] - 1)
        poses = ((1.0 - share) * blocks[:, index] + share * blocks[:, after])[:, :, None]
        return Futures((tee.id,), poses, np.zeros(poses.shape[:3]), np.zeros(len(tips)))


def _train(
    model: TokenModel, data: dict[str, Tensor], updates: int, tell: Callable[[str], None]
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, updates, pct_start=0.05)
    for step in range(updates):
        pose, tip, velocity = _drawn(data, step, 24)
        tokens = model.tokens(pose[:, 0], tip[:, 0])
        loss = error(model.poses(tokens), pose[:, 0]).mean()
        for k in range(HORIZON):
            tokens = model(tokens, tip[:, k], velocity[:, k])
            loss = loss + error(model.poses(tokens), pose[:, k + 1]).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 500 == 0 or step + 1 == updates:
            tell(f"{step + 1} of {updates}: loss {loss.item():.4f}, {validation(model):.4f} m")


def _drawn(data: dict[str, Tensor], step: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Stretches of random episodes, turned and shifted at random: pose, tip, velocity."""
    generator = stream("pusht", "training", step)
    episode = torch.randint(len(data["pose"]), (count, 1), generator=generator)
    first = torch.randint(BLOCKS - HORIZON + 1, (count, 1), generator=generator)
    ahead = first + torch.arange(HORIZON + 1)
    pose, tip = data["pose"][episode, ahead].clone(), data["tip"][episode, ahead]
    velocity = data["velocity"][episode, ahead[:, :-1]]
    turn = 6.2832 * torch.rand(count, generator=generator)
    c, s = turn.cos(), turn.sin()
    matrix = torch.stack((torch.stack((c, -s), -1), torch.stack((s, c), -1)), -2)
    middle = pose[:, :1, :2].clone()
    shift = 0.25 * SIDE * (torch.rand(count, 1, 2, generator=generator) - 0.5)
    pose[..., :2] = (pose[..., :2] - middle) @ matrix.mT + shift
    pose[..., 2] += turn[:, None]
    return pose, (tip - middle) @ matrix.mT + shift, velocity @ matrix.mT
