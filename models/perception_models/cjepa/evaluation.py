"""What a world model is measured by, on episodes that no training saw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from perception_models.cells import Batch, Call
from perception_models.cjepa.network import HISTORY
from perception_models.cjepa.recording import BRANCH_AT, INTERVAL
from perception_models.cjepa.rollout import roll
from perception_models.cjepa.samples import (
    Windows,
    believed,
    chances,
    robot_token,
    roundness,
    with_pusher,
)
from perception_models.data import stream

AHEAD = 20
"""Frames that are foreseen."""
_START = BRANCH_AT + 1 - HISTORY
AFFECTED = 0.02
"""Meters by which an object must end elsewhere to count as affected by an intervention."""
_AT_ONCE = 100
KINDS = ("factual", "without object", "without push")


@dataclass(frozen=True)
class Outlook:
    """Foreseen and true futures of E episodes from the moment at which they branch.

    Attributes:
        truth, answer: [E, 20, N, 18].
        deviation: [E, 20, N, 6].
        present: [E, N].
    """

    truth: Tensor
    answer: Tensor
    deviation: Tensor
    present: Tensor


def branch_batch(windows: Windows, kind: str, pusher: bool = False) -> Batch:
    """The windows around the branch of each episode, with the future of one kind.

    With `pusher`, the pusher is the last of the objects.
    """
    e = windows.episodes
    rows = torch.arange(len(e))[:, None]
    index = e.branch_frame[:, None] - HISTORY + 1 + torch.arange(HISTORY + AHEAD)
    present = windows.present
    if kind == "factual":
        truth, robot = windows.states[rows, index], e.robot[rows, index]
    else:
        which = KINDS.index(kind) - 1
        truth, robot = windows.branches[:, which, _START:], e.branch_robot[:, which, _START:]
        if which == 0:
            present = present.scatter(1, e.left_out[:, None], 0.0)
    generator = stream("cjepa", "evaluation")
    batch = {
        "truth": truth,
        "robot": robot_token(robot),
        "size": e.size,
        "round": roundness(e.size),
        "physics": believed(e.physics, generator),
        "present": present,
        "interval": torch.full((len(e),), INTERVAL),
    }
    if pusher:
        batch = with_pusher(batch)
    return batch | chances(batch["truth"].shape, generator)


@torch.no_grad()
def outlook(
    call: Call, windows: Windows, kind: str, switches: Batch, pusher: bool = False
) -> Outlook:
    """Foresee the future of each episode after its branch; see `KINDS`."""
    batch = branch_batch(windows, kind, pusher)
    count = windows.present.shape[1]
    found = []
    for first in range(0, len(windows.episodes), _AT_ONCE):
        part = {name: value[first : first + _AT_ONCE] for name, value in batch.items()}
        found.append(roll(call, part, switches))
    answer, deviation = (torch.cat(items) for items in zip(*found, strict=True))
    return Outlook(
        batch["truth"][:, HISTORY:, :count],
        answer[:, :, :count],
        deviation[:, :, :count],
        batch["present"][:, :count],
    )


def distance(a: Tensor, b: Tensor) -> Tensor:
    """[...] distance of the positions of states, m."""
    apart: Tensor = (a[..., :3] - b[..., :3]).norm(dim=-1)
    return apart


@dataclass(frozen=True)
class Effect:
    """How well the difference that an intervention makes is foreseen, after two seconds.

    Attributes:
        missed: [E] sum over affected objects of |foreseen - true difference|^2, m^2.
        total: [E] sum over them of |true difference|^2.
        false: [E] largest foreseen difference of objects that are not affected, m.
        affected: [E] how many.
        told: [E, N] foreseen difference of each object, m.
        true: [E, N] whether it is affected; -1 where it is absent.
    """

    missed: Tensor
    total: Tensor
    false: Tensor
    affected: Tensor
    told: Tensor
    true: Tensor

    @property
    def ratio(self) -> float:
        """Root of missed over total: 1 if no effect is foreseen, 0 if it is foreseen exactly."""
        return float((self.missed.sum() / self.total.sum()).sqrt())


def effect(factual: Outlook, other: Outlook) -> Effect:
    """Compare the foreseen difference of two futures with the true one."""
    end = -1
    true = (factual.truth - other.truth)[:, end, :, :3]
    told = (factual.answer - other.answer)[:, end, :, :3]
    present = (factual.present * other.present) > 0
    affected = (true.norm(dim=-1) > AFFECTED) & present
    calm = (true.norm(dim=-1) < AFFECTED / 4) & present
    counts = affected.float()
    return Effect(
        missed=((told - true).square().sum(dim=-1) * counts).sum(dim=-1),
        total=(true.square().sum(dim=-1) * counts).sum(dim=-1),
        false=(told.norm(dim=-1) * calm).amax(dim=-1),
        affected=counts.sum(dim=-1),
        told=told.norm(dim=-1),
        true=torch.where(present, affected.float(), -1.0),
    )
