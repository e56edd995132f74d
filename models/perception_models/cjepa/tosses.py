"""Real tosses of a cube, tracked by cameras, as training windows and test episodes.

The data are those of ContactNets (Pfrommer, Halm and Posa, arXiv 2009.11193), published in
DAIRLab/dair_pll (BSD-3-Clause): states of a cube of 10.48 cm and 0.37 kg, 148 a second. The file is
not part of this project; without it the model is trained on simulated episodes alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from perception_models.cells import Batch
from perception_models.cjepa.kinematics import ROTATION, SPIN, about_up
from perception_models.cjepa.network import HISTORY
from perception_models.cjepa.samples import chances, full_states, turned_robot, with_pusher
from perception_nodes.scene import UNKNOWN_FRICTION, UNKNOWN_MASS

PERIOD = 0.0068
"""Seconds between two recorded states."""
STRIDE = 10
"""Recorded states a frame of the model."""
EDGE = 0.1048
SPLITS = {"training": (0, 280), "validation": (280, 320), "test": (320, 400)}
"""Tosses of each split; the order of the file is that of recording."""
_FILE = "world/contactnets_cube_000-399.npz"


def toss_file() -> Path | None:
    """Where the recorded tosses are: below `$PERMANENCE_DATA` or beside the checkout."""
    given = os.environ.get("PERMANENCE_DATA")
    beside = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
    for folder in (Path(given) if given else beside, beside):
        if (folder / _FILE).exists():
            return (folder / _FILE).resolve()
    return None


def tosses(path: Path, split: str) -> list[Tensor]:
    """States [frames, 18] of each toss of a split."""
    rows = np.load(path)["toss"]
    first, end = SPLITS[split]
    found = []
    for number in range(first, end):
        one = rows[rows[:, 0] == number]
        quaternion = one[:, [2, 3, 4, 1]]
        columns = (one[:, 5:8], quaternion, one[:, 11:14], one[:, 8:11])
        states = full_states(torch.from_numpy(np.concatenate(columns, axis=1)).float())
        # angular velocities are recorded in the frame of the cube
        turn = states[:, ROTATION].reshape(-1, 3, 3)
        states[:, SPIN] = (turn * states[:, None, SPIN]).sum(dim=-1)
        found.append(states)
    return found


@dataclass
class Tosses:
    """Windows of tosses, drawn like those of `samples.Windows`."""

    states: list[Tensor]

    def draw(
        self, count: int, horizon: int, generator: torch.Generator, pusher: bool = False
    ) -> Batch:
        """A batch of windows of three frames and `horizon` more; see `samples.Windows.draw`."""
        length = STRIDE * (HISTORY + horizon - 1) + 1
        usable = [toss for toss in self.states if len(toss) >= length]
        which = torch.randint(len(usable), (count,), generator=generator).tolist()
        share = torch.rand(count, generator=generator).tolist()
        rows = []
        for k, part in zip(which, share, strict=True):
            start = int(part * (len(usable[k]) - length + 1))
            rows.append(usable[k][start : start + length : STRIDE])
        batch = toss_batch(torch.stack(rows).unsqueeze(2), generator)
        if pusher:
            batch = with_pusher(batch)
            batch |= chances(batch["truth"].shape, generator)
        angle = (torch.rand(count, 1, 1, generator=generator) * 2 - 1) * np.pi
        batch["truth"] = about_up(batch["truth"], angle.expand(batch["truth"].shape[:-1]))
        batch["robot"] = turned_robot(batch["robot"], angle[..., 0])
        return batch


def toss_batch(truth: Tensor, generator: torch.Generator) -> Batch:
    """A batch of states [B, T, 1, 18] without a robot, of unknown mass and friction."""
    count, frames = truth.shape[:2]
    robot = torch.zeros(count, frames, 7)
    robot[..., 2] = 9.0
    belief = torch.tensor(
        [UNKNOWN_MASS.mean, UNKNOWN_MASS.variance, UNKNOWN_FRICTION.mean, UNKNOWN_FRICTION.variance]
    )
    return {
        "truth": truth,
        "robot": robot,
        "size": torch.full((count, 1, 3), EDGE),
        "round": torch.zeros(count, 1, 3),
        "physics": belief.expand(count, 1, 4),
        "present": torch.ones(count, 1),
        "interval": torch.full((count,), PERIOD * STRIDE),
    } | chances(truth.shape, generator)
