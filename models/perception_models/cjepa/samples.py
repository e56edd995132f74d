"""Training windows drawn from the recorded episodes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from perception_models.cells import Batch
from perception_models.cjepa.dataset import Episodes
from perception_models.cjepa.kinematics import STATE, about_up, rotation_matrix
from perception_models.cjepa.network import HISTORY
from perception_models.cjepa.recording import INTERVAL
from perception_nodes.scene import UNKNOWN_FRICTION, UNKNOWN_MASS
from perception_simulation.model import PUSHER_LENGTH, PUSHER_RADIUS

_MAIN, _REMOVED = 0.6, 0.2
_MOVING = 0.05
_REST_WEIGHT = 0.1
_STRUCK = 0.1
"""Meters a second that an object gains from one frame to the next if it is struck."""
_HIGH = 3.0
_STALE = 0.15
_TOLD, _UNTOLD = 0.4, 0.35
PUSHER_SIZE = (2 * PUSHER_RADIUS, 2 * PUSHER_RADIUS, PUSHER_LENGTH + 2 * PUSHER_RADIUS)
PUSHER_MIDDLE = PUSHER_SIZE[2] / 2


class Windows:
    """All windows of some frames in a set of episodes.

    Args:
        episodes: To draw from.
        latents: [E, N, L] of their objects, to have `latent` [B, N, L] in each batch.
    """

    def __init__(self, episodes: Episodes, latents: Tensor | None = None) -> None:
        self.episodes = episodes
        self.latents = latents
        self.states = full_states(episodes.states)
        self.branches = full_states(episodes.branches)
        self.present = (episodes.size[..., 0] > 0).float()
        self._weights: dict[int, list[Tensor]] = {}

    def draw(
        self, count: int, horizon: int, generator: torch.Generator, pusher: bool = False
    ) -> Batch:
        """A batch of windows of three frames and `horizon` more, turned at random.

        Three fifths show what happened, a fifth what had happened without an object, a fifth
        without the push. Windows in which something moves are preferred, and more so those in which
        something is struck. With `pusher`, the pusher is among the objects.
        """
        frames = HISTORY + horizon
        main, branch = self._weighted(frames)
        kind = torch.rand(count, generator=generator)
        parts = [
            self._pick(main, None, int((kind < _MAIN).sum()), frames, generator),
            self._pick(branch, 0, int(((kind >= _MAIN) & (kind < _MAIN + _REMOVED)).sum()),
                       frames, generator),
            self._pick(branch, 1, int((kind >= _MAIN + _REMOVED).sum()), frames, generator),
        ]  # fmt: skip
        batch = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        angle = (torch.rand(count, 1, 1, generator=generator) * 2 - 1) * math.pi
        batch["truth"] = about_up(batch["truth"], angle.expand(batch["truth"].shape[:-1]))
        batch["robot"] = turned_robot(batch["robot"], angle[..., 0])
        batch["physics"] = believed(batch["physics"], generator)
        batch["interval"] = torch.full((count,), INTERVAL)
        if pusher:
            batch = with_pusher(batch)
        return batch | chances(batch["truth"].shape, generator)

    def _weighted(self, frames: int) -> tuple[Tensor, Tensor]:
        """Weights of the first frame of each window: [E, starts] and [E, 2, starts]."""
        if frames not in self._weights:
            self._weights[frames] = [
                _liveliness(self.states, self.present[:, None], frames),
                _liveliness(self.branches, self.present[:, None, None], frames),
            ]
        main, branch = self._weights[frames]
        return main, branch

    def _pick(
        self,
        weights: Tensor,
        branch: int | None,
        count: int,
        frames: int,
        generator: torch.Generator,
    ) -> Batch:
        weights = weights if branch is None else weights[:, branch]
        if count:
            chosen = torch.multinomial(weights.reshape(-1), count, True, generator=generator)
        else:
            chosen = torch.zeros(0, dtype=torch.long)
        row, start = chosen // weights.shape[1], chosen % weights.shape[1]
        index = start[:, None] + torch.arange(frames)
        e, present = self.episodes, self.present[row]
        if branch is None:
            states, robot = self.states[row[:, None], index], e.robot[row[:, None], index]
        else:
            states = self.branches[row[:, None], branch, index]
            robot = e.branch_robot[row[:, None], branch, index]
            if branch == 0:
                present = present.scatter(1, e.left_out[row, None], 0.0)
        found = {
            "truth": states,
            "robot": robot_token(robot),
            "size": e.size[row],
            "round": roundness(e.size[row]),
            "physics": e.physics[row],
            "present": present,
        }
        return found if self.latents is None else found | {"latent": self.latents[row]}


def full_states(states: Tensor) -> Tensor:
    """[..., 13] as recorded to [..., 18]."""
    return torch.cat((states[..., :3], rotation_matrix(states[..., 3:7]), states[..., 7:]), dim=-1)


def roundness(size: Tensor) -> Tensor:
    """[..., 3]: 1 for the axes about which simulated bodies are round.

    Told from exact extents [..., 3]: the other two are equal, which those of drawn boxes never are.
    """
    first, second, third = size.unbind(dim=-1)
    equal = torch.stack((second - third, third - first, first - second), dim=-1).abs() < 1e-6
    return (equal & (size > 0)).float()


def robot_token(robot: Tensor) -> Tensor:
    """[..., 6] to [..., 7]: with whether it is there."""
    return torch.cat((robot, (robot[..., 2:3] < _HIGH).float()), dim=-1)


def turned_robot(robot: Tensor, angle: Tensor) -> Tensor:
    """The robot [..., 7] in a world turned about its vertical by angles [...]."""
    states = robot.new_zeros((*robot.shape[:-1], STATE))
    states[..., 0:3], states[..., 12:15] = robot[..., 0:3], robot[..., 3:6]
    states = about_up(states, angle.expand(robot.shape[:-1]))
    return torch.cat((states[..., 0:3], states[..., 12:15], robot[..., 6:]), dim=-1)


def with_pusher(batch: Batch) -> Batch:
    """The batch with the pusher as one more object, the last; see `rollout.told_of_robot`."""
    robot = batch["robot"]
    body = robot.new_zeros((*robot.shape[:-1], STATE))
    body[..., 0:3], body[..., 12:15] = robot[..., 0:3], robot[..., 3:6]
    body[..., 2] += PUSHER_MIDDLE
    body[..., [3, 7, 11]] = 1.0
    count = len(robot)
    there = robot[:, :1, 6]
    size = robot.new_tensor(PUSHER_SIZE).expand(count, 1, 3)
    rod = robot.new_tensor([0.0, 0.0, 1.0]).expand(count, 1, 3)
    physics = robot.new_tensor([0.0, 0.02, math.log(0.4), 0.005]).expand(count, 1, 4)
    present = torch.cat((batch["present"], there), dim=1)
    return {
        **batch,
        "truth": torch.cat((batch["truth"], body[:, :, None]), dim=2),
        "size": torch.cat((batch["size"], size), dim=1),
        "round": torch.cat((batch["round"], rod), dim=1),
        "physics": torch.cat((batch["physics"], physics), dim=1),
        "present": present,
        "pusher": torch.cat((torch.zeros_like(batch["present"]), torch.ones_like(there)), dim=1),
    }


def believed(physics: Tensor, generator: torch.Generator) -> Tensor:
    """Beliefs [..., 4] that a robot could have of the true log mass and friction [..., 2].

    From knowing nothing to knowing nearly exactly; each is a draw of the posterior after
    observations with Gaussian errors, so that mean and variance are consistent.
    """
    known = torch.rand(physics.shape, generator=generator)
    share = torch.where(known < 0.4, torch.ones_like(known), (known - 0.4) / 0.6).clamp(min=0.02)
    prior = physics.new_tensor([UNKNOWN_MASS.mean, UNKNOWN_FRICTION.mean])
    variance = physics.new_tensor([UNKNOWN_MASS.variance, UNKNOWN_FRICTION.variance])
    noise = torch.randn(physics.shape, generator=generator)
    mean = physics * (1 - share) + prior * share + (share * (1 - share) * variance).sqrt() * noise
    mean = torch.where(share >= 1.0, prior.expand_as(mean), mean)
    belief = torch.stack((mean, share * variance), dim=-1)
    return belief.flatten(-2)


def chances(shape: torch.Size, generator: torch.Generator) -> Batch:
    """The random numbers of a batch [B, T, N, 18]: noise, masks, what is hidden, who knows shapes.

    They are drawn here and used by the loss, so that all ablations share them.
    """
    count, frames, objects = shape[:3]

    def uniform(*size: int) -> Tensor:
        return torch.rand(size, generator=generator)

    level = uniform(count, 1).clamp(min=0.25) - 0.25
    stale = uniform(count, objects)
    level = torch.where(stale < _STALE, 1.0 + 8.0 * uniform(count, objects), level)
    drawn = {
        "noise": torch.randn((count, frames, objects, 12), generator=generator),
        "size_noise": torch.randn((count, objects, 3), generator=generator),
        "level": level,
        "stale": (stale < _STALE).float(),
        "no_spin": (uniform(count, 1) < 0.5).float(),
        "missing": uniform(count, HISTORY, objects),
        "rank": uniform(count, objects).argsort(dim=1).argsort(dim=1).float(),
        "masks": uniform(count, 1),
        "token": uniform(count, HISTORY, objects),
        "hidden": torch.where(uniform(count, 1) < 0.5, 1.0, (uniform(count, objects) < 0.5) * 1.0),
    }
    told, doubt = uniform(count, objects), 0.6 + 0.4 * uniform(count, objects)
    unknown = torch.where(told < _TOLD + _UNTOLD, 0.5, doubt)
    drawn["certainty"] = torch.where(told < _TOLD, 1.0, unknown)
    drawn["mistaken"] = uniform(count, objects, 3)
    return drawn


def _liveliness(states: Tensor, present: Tensor, frames: int) -> Tensor:
    speed = states[..., 12:15].norm(dim=-1) * present
    moving = (speed.amax(dim=-1) > _MOVING).float()
    windows: Tensor = moving.unfold(-1, frames, 1).mean(dim=-1)
    faster = (speed[..., 1:, :] - speed[..., :-1, :]).amax(dim=-1) > _STRUCK
    struck: Tensor = faster.float().unfold(-1, frames - 1, 1).amax(dim=-1)
    return _REST_WEIGHT + windows + struck
