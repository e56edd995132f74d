"""Objects that nobody sees for two seconds, while the others are seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perception_models.cells import Batch, Call
from perception_models.cjepa.evaluation import AHEAD, branch_batch
from perception_models.cjepa.network import HISTORY
from perception_models.cjepa.recording import INTERVAL
from perception_models.cjepa.rollout import observed, roll
from perception_models.cjepa.samples import Windows
from perception_nodes.arrays import Floats
from perception_nodes.objects.filter import MotionFilter
from perception_nodes.objects.parameters import TrackerParameters

MOVED = 0.02
"""Meters that a struck object travels at least."""
_RESTS = 0.03
_PAST = 10


@dataclass(frozen=True)
class Occlusions:
    """Objects, each hidden in a scene of its own.

    Attributes:
        episode, item: [C] which object of which episode.
        struck: [C] whether something pushes or strikes it while it is hidden.
        truth: [C, 20, 3] where it is.
    """

    episode: Tensor
    item: Tensor
    struck: Tensor
    truth: Tensor


def occlusions(windows: Windows, most: int) -> Occlusions:
    """Of each episode at most one object of each kind: struck while hidden, and undisturbed."""
    e, rows = windows.episodes, torch.arange(len(windows.episodes))
    index = e.branch_frame[:, None] + torch.arange(AHEAD + 1)
    touching = e.touching[rows[:, None], index] > 0
    states = windows.states[rows[:, None], index]
    count = states.shape[2]
    touched = (touching[:, 1:, :count] & ~touching[:, :1, :count]).any(dim=3).any(dim=1)
    away = (states[:, 1:, :, :3] - states[:, :1, :, :3]).norm(dim=-1).amax(dim=1)
    rested = states[:, 0, :, 12:15].norm(dim=-1) < _RESTS
    struck = (touched | rested) & (away > MOVED) & (windows.present > 0)
    calm = ~touched & ~(rested & (away > MOVED / 4)) & (windows.present > 0)
    found: list[tuple[int, int, bool]] = []
    for k in rows.tolist():
        for mask, kind in ((struck[k], True), (calm[k], False)):
            choices = mask.nonzero()[:, 0].tolist()
            if choices:
                found.append((k, choices[k % len(choices)], kind))
    found = found[:most]
    episode = torch.tensor([f[0] for f in found])
    item = torch.tensor([f[1] for f in found])
    truth = states[episode, 1:, item, :3]
    return Occlusions(episode, item, torch.tensor([f[2] for f in found]), truth)


def hidden_batch(windows: Windows, cases: Occlusions) -> Batch:
    """One row a case, in which only its object is hidden."""
    batch = branch_batch(windows, "factual")
    rows = {name: value[cases.episode] for name, value in batch.items()}
    hidden = torch.zeros_like(rows["present"])
    rows["hidden"] = hidden.scatter(1, cases.item[:, None], 1.0)
    return rows


@torch.no_grad()
def by_network(
    call: Call, windows: Windows, cases: Occlusions, switches: Batch, told: Batch | None = None
) -> tuple[Tensor, Tensor]:
    """Where a network believes hidden objects [C, 20, 3], and log deviations [C, 20, 2].

    `told` replaces parts of the batch: what it is told of the robot, for instance.
    """
    batch = hidden_batch(windows, cases) | (told or {})
    found, spread = [], []
    for part in torch.split(torch.arange(len(cases.item)), 100):
        rows = {name: value[part] for name, value in batch.items()}
        states, deviation = roll(call, rows, switches, observe=True)
        index = torch.arange(len(part))
        found.append(states[index, :, cases.item[part], :3])
        spread.append(deviation[index, :, cases.item[part], :2])
    return torch.cat(found), torch.cat(spread)


def by_velocity(windows: Windows, cases: Occlusions, switches: Batch) -> Tensor:
    """Straight on with the velocity last seen [C, 20, 3]."""
    batch = hidden_batch(windows, cases)
    seen, _, _ = observed(batch, switches)
    last = seen[torch.arange(len(cases.item)), HISTORY - 1, cases.item]
    time = INTERVAL * torch.arange(1, AHEAD + 1)[:, None]
    return last[:, None, :3] + time * last[:, None, 12:15]


def by_kalman(windows: Windows, cases: Occlusions, switches: Batch) -> Tensor:
    """As the tracker goes on without a learned model [C, 20, 3]."""
    batch = hidden_batch(windows, cases)
    level = (batch["level"] * switches["noise"]).expand_as(batch["present"])
    noise = np.random.default_rng(0)
    parameters, found = TrackerParameters(), []
    for k, (episode, item) in enumerate(zip(cases.episode, cases.item, strict=True)):
        frame = int(windows.episodes.branch_frame[episode])
        past = windows.states[episode, max(frame - _PAST, 0) : frame + 1, item, :3].double().numpy()
        deviation = max(0.006 * float(level[k, item]), 0.0005)
        seen = past + deviation * np.array([1.0, 1.0, 0.4]) * noise.normal(size=past.shape)
        found.append(_continued(seen, deviation, parameters))
    return torch.from_numpy(np.stack(found)).float()


def _continued(seen: Floats, deviation: float, parameters: TrackerParameters) -> Floats:
    covariance = np.eye(3) * deviation**2
    motion = MotionFilter.start(seen[0], covariance)
    for place in seen[1:]:
        motion.predict(INTERVAL, False, parameters)
        motion.update(place, covariance, INTERVAL, parameters)
    places = []
    for _ in range(AHEAD):
        motion.predict(INTERVAL, True, parameters)
        places.append(motion.position.copy())
    return np.stack(places)
