"""Foreseeing step by step: what the network is shown, and its own answers as the next input."""

from __future__ import annotations

import torch
from torch import Tensor

from perception_models.cells import Batch, Call
from perception_models.cjepa.kinematics import (
    DIMENSIONS,
    EXACT,
    POSITION,
    ROTATION,
    SPIN,
    VELOCITY,
    turned,
)
from perception_models.cjepa.network import HISTORY
from perception_nodes.cjepa.bodies import movable, pushed_out, settled

_NOISE = (0.006, 0.06, 0.1, 0.5)
"""Standard deviations at level 1: m, m/s, rad, rad/s; about those of the tracker."""
_UNKNOWN_SPIN = 1.1
_MISSING = 0.08
_UNITS = (0.02, 0.2, 0.3, 3.0)
_WEIGHTS = (1.0, 1.0, 0.3, 0.1)
_HUBER = 4.0
_LIKELIHOOD = 0.1


def told_of_robot(batch: Batch, switches: Batch) -> Batch:
    """The batch as an ablation sees the pusher: as the robot, or as an object like any other.

    Only a batch with a `pusher` (see `samples.with_pusher`) can show it as an object. What is
    known of the robot itself is then how it moves (the action), not where it is.
    """
    if "pusher" not in batch:
        return batch
    own = switches["robot"]
    robot = batch["robot"]
    known = robot[..., 6:] * (0.5 + 0.5 * own)
    return {
        **batch,
        "robot": torch.cat((robot[..., :6], known), dim=-1),
        "present": batch["present"] * (1 - own * batch["pusher"]),
    }


def observed(batch: Batch, switches: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """What is seen of the true states: noisy ones if `switches["noise"]` is 1.

    Returns:
        States [B, T, N, 18], beliefs [B, T, N, 7] and sizes [B, N, 3].
    """
    truth, noise = batch["truth"], batch["noise"]
    level = (batch["level"] * switches["noise"]).unsqueeze(-2).unsqueeze(-1)
    position, speed, turn, rate = (level * value for value in _NOISE)
    # a stale belief is off by the same amount in all frames; noise of a sensor is not
    stale = (batch["stale"] * switches["noise"]).unsqueeze(-2).unsqueeze(-1)
    noise = stale * noise[..., :1, :, :] + (1 - stale) * noise
    blind = (batch["no_spin"] * switches["noise"]).unsqueeze(-1).unsqueeze(-1)
    spin = (truth[..., SPIN] + rate * noise[..., 9:12]) * (1 - blind)
    rotation = turned(truth[..., ROTATION], turn.clamp(max=0.3) * noise[..., 6:9])
    up = noise.new_tensor([1.0, 1.0, 0.4])
    seen = torch.cat(
        (
            truth[..., POSITION] + position * noise[..., 0:3] * up,
            rotation,
            truth[..., VELOCITY] + speed * noise[..., 3:6] * up,
            spin,
        ),
        dim=-1,
    )
    exact = noise.new_tensor(EXACT).exp()
    size = torch.cat(
        (position, 0.4 * position, speed, 0.4 * speed, turn.clamp(max=0.3), rate), dim=-1
    )
    size = size.expand(*truth.shape[:-1], 6)
    deviation = (size.square() + exact.square()).sqrt().log()
    deviation = torch.cat(
        (deviation[..., :5],
         blind * _UNKNOWN_SPIN + (1 - blind) * deviation[..., 5:]), dim=-1,
    )  # fmt: skip
    age = stale * 0.2 * level
    beliefs = torch.cat((deviation, age.expand_as(deviation[..., :1])), dim=-1)
    sensed = 1 + 0.08 * switches["noise"] * batch["size_noise"].clamp(-2, 2)
    return seen, beliefs, batch["size"] * sensed


def believed_roundness(batch: Batch, switches: Batch) -> Tensor:
    """[B, N, 3] what is believed of `batch["round"]`.

    A belief of 0.8 is right in 4 of 5 cases: with certainty c, drawn from 0.5 (unknown) to 1, the
    truth is told with chance c, and believed with c. `switches["shape"]`: 0 nobody knows any shape,
    1 as drawn, 2 all shapes are known. `batch["roundness"]`, if there, is believed instead.
    """
    if "roundness" in batch:
        return batch["roundness"]
    drawn = (batch["certainty"] + switches["shape"] - 1).clamp(0.5, 1.0).unsqueeze(-1)
    right = (batch["mistaken"] < drawn).to(drawn.dtype)
    told = right * batch["round"] + (1 - right) * (1 - batch["round"])
    return told * drawn + (1 - told) * (1 - drawn)


def masked(batch: Batch, switches: Batch) -> Tensor:
    """Which tokens of the history are hidden [B, 3, N]: 1 hidden, 0 known; never the first frame.

    `masks`: up to so many whole objects; `token`: as many single tokens instead; and, with noise,
    what a sensor misses.
    """
    rank, most = batch["rank"], switches["masks"]
    count = torch.floor(batch["masks"] * (most + 1))
    chosen = (rank < count).to(rank.dtype)
    objects = chosen.unsqueeze(-2)
    share = count / batch["present"].sum(dim=-1, keepdim=True).clamp(min=1.0)
    tokens = (batch["token"] < share.unsqueeze(-1)).to(rank.dtype)
    hidden = switches["token"] * tokens + (1 - switches["token"]) * objects
    missing = (batch["missing"] < _MISSING).to(rank.dtype) * switches["noise"]
    hidden = torch.maximum(hidden.expand_as(missing), missing)
    later = torch.arange(HISTORY, device=rank.device).clamp(max=1).to(rank.dtype)
    return hidden * later.unsqueeze(-1)


def loss(call: Call, batch: Batch, switches: Batch) -> Tensor:
    """Errors of masked history and of all futures, on the network's own roll-out; a scalar."""
    batch = told_of_robot(batch, switches)
    seen, beliefs, size = observed(batch, switches)
    roundness = believed_roundness(batch, switches)
    hidden = masked(batch, switches)
    seen = _without_anchor(seen, hidden, switches["tube"])
    states, belief = seen[..., :HISTORY, :, :], beliefs[..., :HISTORY, :, :]
    known = 1 - hidden
    horizon = batch["truth"].shape[-3] - HISTORY
    total = seen.new_zeros(())
    unseen = batch["hidden"].unsqueeze(-1)
    for step in range(horizon):
        answer, deviation = call(
            states, belief, known, size, roundness, batch["physics"], batch["present"],
            batch["robot"][..., step : step + HISTORY + 1, :], batch["interval"],
        )  # fmt: skip
        truth = batch["truth"][..., step + 1 : step + HISTORY + 1, :, :]
        asked = torch.cat((1 - known[..., 1:, :], torch.ones_like(known[..., :1, :])), dim=-2)
        weight = asked * batch["present"].unsqueeze(-2)
        total = total + (errors(answer, deviation, truth) * weight).sum() / weight.sum()
        if step + 1 == horizon:
            break
        at = step + HISTORY
        states, belief = advanced(states, belief, known, answer, deviation, batch["interval"])
        new = unseen * states[..., -1, :, :] + (1 - unseen) * seen[..., at, :, :]
        newer = unseen * belief[..., -1, :, :] + (1 - unseen) * beliefs[..., at, :, :]
        states = torch.cat((states[..., :-1, :, :], new.unsqueeze(-3)), dim=-3)
        belief = torch.cat((belief[..., :-1, :, :], newer.unsqueeze(-3)), dim=-3)
        known = torch.ones_like(known)
    return total / horizon


def _without_anchor(seen: Tensor, hidden: Tensor, tube: Tensor) -> Tensor:
    """Tube masks hide the first frame, too: of a masked object only its place is known there."""
    whole = (hidden[..., 1, :] * hidden[..., 2, :] * tube)[..., None, :, None]
    first = seen[..., :1, :, :]
    upright = torch.eye(3, device=seen.device, dtype=seen.dtype).reshape(9)
    still = torch.zeros_like(first[..., 12:])
    bare = torch.cat((first[..., :3], upright.expand_as(first[..., 3:12]), still), dim=-1)
    return torch.cat((whole * bare + (1 - whole) * first, seen[..., 1:, :, :]), dim=-3)


def advanced(
    states: Tensor,
    belief: Tensor,
    known: Tensor,
    answer: Tensor,
    deviation: Tensor,
    interval: Tensor,
) -> tuple[Tensor, Tensor]:
    """The history one frame later: what was hidden and what lies ahead is as foreseen."""
    older = belief[..., 6:]
    ages = older[..., -1:, :, :] + interval[..., None, None, None]
    age = torch.cat((older[..., 1:, :, :], ages), dim=-3)
    foreseen = torch.cat((deviation, age), dim=-1)
    share = torch.cat((known[..., 1:, :], torch.zeros_like(known[..., :1, :])), dim=-2)
    share = share.unsqueeze(-1)
    later = torch.cat((states[..., 1:, :, :], states[..., :1, :, :]), dim=-3)
    trust = torch.cat((belief[..., 1:, :, :], belief[..., :1, :, :]), dim=-3)
    return share * later + (1 - share) * answer, share * trust + (1 - share) * foreseen


def errors(answer: Tensor, deviation: Tensor, truth: Tensor) -> Tensor:
    """[...]: Huber losses of the four parts of a state, and how unlikely they were found.

    The likelihood is told the error, not its cause: it must not improve by a worse mean.
    """
    apart = (answer - truth)[..., :18]
    parts = (
        apart[..., POSITION],
        apart[..., VELOCITY],
        apart[..., ROTATION] / 1.4142,
        apart[..., SPIN],
    )
    total = apart.new_zeros(apart.shape[:-1])
    for part, unit, weight in zip(parts, _UNITS, _WEIGHTS, strict=True):
        length = (part.square().sum(dim=-1) + 1e-12).sqrt() / unit
        total = total + weight * torch.where(
            length < _HUBER, 0.5 * length.square(), _HUBER * (length - 0.5 * _HUBER)
        )
    return total + _LIKELIHOOD * unlikelihood(parts, deviation)


def unlikelihood(parts: tuple[Tensor, ...], deviation: Tensor) -> Tensor:
    """[...]: negative log-likelihood of Gaussian errors, but for a constant."""
    position, velocity, rotation, spin = (part.detach() for part in parts)
    squares = (
        position[..., :2].square().sum(dim=-1),
        position[..., 2].square(),
        velocity[..., :2].square().sum(dim=-1),
        velocity[..., 2].square(),
        rotation.square().sum(dim=-1),
        spin.square().sum(dim=-1),
    )
    total = deviation.new_zeros(deviation.shape[:-1])
    for k, (square, count) in enumerate(zip(squares, DIMENSIONS, strict=True)):
        log = deviation[..., k]
        total = total + count * log + 0.5 * torch.exp(-2 * log) * square
    return total


def _settled(
    before: Tensor, after: Tensor, extents: Tensor, batch: Batch, step: int
) -> tuple[Tensor, Tensor]:
    """What `perception_nodes.cjepa.bodies` says on tensors [B, N, 18], and what is free [B, N]."""
    then, now, size, present, robot = (
        x.detach().cpu().double().numpy()
        for x in (before, after, extents, batch["present"],
                  batch["robot"][:, step + HISTORY - 1 : step + HISTORY + 1])
    )  # fmt: skip
    free = movable(then, now, size, present > 0.0, robot[:, 0])
    found = pushed_out(settled(then, now, size, free), size, robot[:, 0], robot[:, 1])
    state = torch.from_numpy(found).to(after)
    return state, torch.from_numpy(free).to(after)


def roll(call: Call, batch: Batch, switches: Batch, observe: bool = False) -> tuple[Tensor, Tensor]:
    """Foresee all frames of a batch after the third.

    Args:
        call: The network.
        batch: As `samples.Windows.draw` gives it.
        switches: Whether it sees noise.
        observe: Whether objects with `batch["hidden"]` 0 are seen all along.

    Returns:
        States [B, H, N, 18] and log standard deviations [B, H, N, 6].
    """
    batch = told_of_robot(batch, switches)
    seen, beliefs, size = observed(batch, switches)
    roundness = believed_roundness(batch, switches)
    states, belief = seen[:, :HISTORY], beliefs[:, :HISTORY]
    known = torch.ones_like(states[..., 0])
    unseen = batch["hidden"][:, :, None] if observe else torch.ones_like(states[:, 0, :, :1])
    found, spread = [], []
    for step in range(batch["truth"].shape[1] - HISTORY):
        answer, deviation = call(
            states, belief, known, size, roundness, batch["physics"], batch["present"],
            batch["robot"][:, step : step + HISTORY + 1], batch["interval"],
        )  # fmt: skip
        last, free = _settled(states[:, -1], answer[:, -1], size, batch, step)
        answer = torch.cat((answer[:, :-1], last[:, None]), dim=1)
        sure = torch.where(free[..., None] > 0, deviation[:, -1], belief[:, -1, :, :6])
        deviation = torch.cat((deviation[:, :-1], sure[:, None]), dim=1)
        found.append(last)
        spread.append(deviation[:, -1])
        states, belief = advanced(states, belief, known, answer, deviation, batch["interval"])
        new = unseen * states[:, -1] + (1 - unseen) * seen[:, step + HISTORY]
        newer = unseen * belief[:, -1] + (1 - unseen) * beliefs[:, step + HISTORY]
        states = torch.cat((states[:, :-1], new[:, None]), dim=1)
        belief = torch.cat((belief[:, :-1], newer[:, None]), dim=1)
    return torch.stack(found, dim=1), torch.stack(spread, dim=1)
