"""What the learned models of Push-T are trained on: a scripted pusher that goes for the T.

Blocks of three steps (0.3 s) at constant velocity, as the planner's knots are. The T is seen from
above: pictures of what stands out of the board, as a depth camera above it gives them.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from perception_models.data import cached
from perception_nodes.arrays import Floats
from perception_simulation import push_t
from perception_simulation.push_t import PARTS, SHAPE, SPEED, Board

BLOCK = 3
"""Steps of 0.1 s with the same velocity."""
BLOCKS = 16
"""Of an episode."""
SIDE, PIXELS = 0.64, 48
"""Of the picture: m, and pixels."""
_FIRST = {"training": 500_000, "validation": 900_000}
_SMOOTH = 4


def sequences(split: str, episodes: int) -> dict[str, Tensor]:
    """Episodes of a split, none of which is one that is planned in.

    Returns:
        `pose` [E, BLOCKS + 1, 3] x, y and heading of the T, `tip` [E, BLOCKS + 1, 2], `velocity`
        [E, BLOCKS, 2]; m, rad, m/s, board in the middle.
    """
    recipe = {"split": split, "episodes": episodes, "blocks": BLOCKS, "block": BLOCK}

    def make() -> dict[str, Tensor]:
        first = _FIRST[split]
        found = [_episode(first + k) for k in range(episodes)]
        return {
            name: torch.from_numpy(np.stack([item[name] for item in found]).astype(np.float32))
            for name in found[0]
        }

    return cached("pusht", recipe, make, code=(push_t,))


def pictures(pose: Tensor, tip: Tensor) -> Tensor:
    """What stands out of the board, seen from above: [..., 2, PIXELS, PIXELS], T and stick.

    Args:
        pose: [..., 3] of the T.
        tip: [..., 2].
    """
    size = PIXELS * _SMOOTH
    line = (torch.arange(size) + 0.5) / size * SIDE - SIDE / 2.0
    y, x = torch.meshgrid(line, line, indexing="ij")
    off_x, off_y = x - pose[..., 0, None, None], y - pose[..., 1, None, None]
    c, s = pose[..., 2, None, None].cos(), pose[..., 2, None, None].sin()
    along, across = c * off_x + s * off_y, -s * off_x + c * off_y
    tee = torch.zeros_like(along)
    for cx, cy, hx, hy in PARTS.tolist():
        tee = tee.maximum((((along - cx).abs() < hx) & ((across - cy).abs() < hy)).float())
    near = (x - tip[..., 0, None, None]) ** 2 + (y - tip[..., 1, None, None]) ** 2
    stick = (near < 0.012**2).float()
    both = torch.stack((tee, stick), dim=-3)
    flat = torch.nn.functional.avg_pool2d(both.flatten(0, -4), _SMOOTH)
    return flat.reshape(*both.shape[:-2], PIXELS, PIXELS)


def _episode(seed: int) -> dict[str, Floats]:
    """One episode; the pusher goes for a random point of the T, or anywhere."""
    rng = np.random.default_rng((seed, 5))
    start = np.array([*rng.uniform(-0.12, 0.12, 2), rng.uniform(-math.pi, math.pi)])
    around, away = rng.uniform(-math.pi, math.pi), rng.uniform(0.1, 0.15)
    board = Board(start, start[:2] + away * np.array([math.cos(around), math.sin(around)]))
    poses, tips, velocities = [board.pose()], [board.tip()[:2]], []
    velocity: Floats = np.zeros(2)
    for number in range(BLOCKS):
        if number % 2 == 0 or rng.random() < 0.3:
            velocity = _aimed(board, rng)
        for _ in range(BLOCK):
            board.step(velocity)
        poses.append(board.pose())
        tips.append(board.tip()[:2])
        velocities.append(velocity)
    return {"pose": np.array(poses), "tip": np.array(tips), "velocity": np.array(velocities)}


def _aimed(board: Board, rng: np.random.Generator) -> Floats:
    pose, tip = board.pose(), board.tip()[:2]
    local = rng.uniform(-0.5, 0.5, 2) * SHAPE.length
    c, s = math.cos(pose[2]), math.sin(pose[2])
    aim = pose[:2] + np.array([c * local[0] - s * local[1], s * local[0] + c * local[1]])
    if rng.random() < 0.15:
        aim = tip + rng.normal(size=2)
    way = aim - tip
    return np.asarray(way / np.hypot(*way) * rng.uniform(0.3, 1.0) * SPEED)
