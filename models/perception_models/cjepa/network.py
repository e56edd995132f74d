"""The predictor: object tokens over a short time, messages between bodies that are near.

After C-JEPA (arXiv 2602.11389): a bidirectional transformer over a short history and one step
ahead; hidden objects are queries made of their last known token. What differs was needed for
touches to be learned: tokens of one frame exchange messages that depend on the geometry of each
pair and fade with the gap between the two (an interaction network, arXiv 1612.00222), tokens of one
object attend to each other and to the actions over time, and what is said is a change since the
object was last known. No token has an index: objects are a set.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from perception_models.cjepa.kinematics import (
    AGE,
    DEVIATIONS,
    POSITION,
    ROTATION,
    SPIN,
    VELOCITY,
    pairs,
    reach,
    rolling,
    turned,
)
from perception_models.networks.transformer import Attention

HISTORY = 3
FRAMES = HISTORY + 1
_NEAR, _FADE = 0.03, 0.01
_PAIR, _NODE, _ACTION = 18, 45, 5
_ROBOT_HALF, _ROBOT_MIDDLE = (0.012, 0.012, 0.092), 0.092
_ROBOT_ROUND = (0.0, 0.0, 1.0)
_NOWHERE = 9.0
"""Height of a robot that is not there, m."""
_CHANGE = (0.3, 0.5, 2.0, 5.0)
"""Units of the answers: m/s of mean velocity, m/s, rad/s of mean turning, rad/s."""
_SMALLEST = (-8.0, -8.0, -6.0, -6.0, -6.0, -4.0)
_LARGEST = (0.0, -0.5, 1.0, 1.0, 1.0, 3.0)


class Scenes(NamedTuple):
    """What the network is told of B scenes with N objects.

    Attributes:
        states: [B, 3, N, 18] the last three frames; see `kinematics`.
        beliefs: [B, 3, N, 7].
        known: [B, 3, N] 1 where the state is known or believed, 0 where it is asked for. The first
            frame of an object is the anchor and always counts as known.
        size: [B, N, 3] box extents, m.
        roundness: [B, N, 3] chance that the surface is round about each axis of the box: all 1 for
            a ball, 1 for the axis of a cylinder, 0 for a box, 0.5 where nobody knows.
        physics: [B, N, 4] log mass and its variance, log friction and its variance.
        present: [B, N] 0 for padding and for objects that are left out.
        robot: [B, 4, 7] tip of the pusher, its velocity, and what is known of it: 1 all, 0.5 only
            how it moves, 0 nothing (or there is none). The last is one interval ahead, which makes
            it the action.
        interval: [B] seconds between two frames.
    """

    states: Tensor
    beliefs: Tensor
    known: Tensor
    size: Tensor
    roundness: Tensor
    physics: Tensor
    present: Tensor
    robot: Tensor
    interval: Tensor


class CjepaNetwork(nn.Module):
    """States of all objects in the second and third frame and one interval ahead.

    Args:
        width, heads, depth: Of the transformer.
        message: Width of the messages.
    """

    def __init__(self, width: int, heads: int, depth: int, message: int) -> None:
        super().__init__()
        self.embed = nn.Linear(_NODE, width)
        self.embed_robot = nn.Linear(_NODE, width)
        self.embed_action = nn.Linear(_ACTION, width)
        self.anchor = nn.Linear(width, width)
        self.mask = nn.Parameter(torch.randn(width) * 0.02)
        self.time = nn.Parameter(torch.randn(FRAMES, width) * 0.1)
        self.blocks = nn.ModuleList(_Block(width, heads, message) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 12 + 2 + 6)
        bias = torch.zeros(20)
        bias[12:14] = 1.0
        with torch.no_grad():
            self.head.weight.mul_(0.3)
            self.head.bias.copy_(bias)
        self.register_buffer("robot_half", torch.tensor(_ROBOT_HALF))
        self.register_buffer("robot_round", torch.tensor(_ROBOT_ROUND))
        self.register_buffer("smallest", torch.tensor(_SMALLEST))
        self.register_buffer("largest", torch.tensor(_LARGEST))

    def forward(
        self,
        states: Tensor,
        beliefs: Tensor,
        known: Tensor,
        size: Tensor,
        roundness: Tensor,
        physics: Tensor,
        present: Tensor,
        robot: Tensor,
        interval: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Foresee; arguments as in `Scenes`.

        Returns:
            States [B, 3, N, 18] of the frames 1, 2 and 3 (the one ahead), and log standard
            deviations [B, 3, N, 6] as in `kinematics`.
        """
        scene = Scenes(states, beliefs, known, size, roundness, physics, present, robot, interval)
        last = _last_known(scene)
        everywhere = _continued(scene, last)
        tokens = self._tokens(scene, last)
        edges, near = self._edges(scene, everywhere)
        actions = self.embed_action(_actions(scene)) + self.time
        for block in self.blocks:
            tokens = block(tokens, actions, edges, near)
        answer = self.head(self.norm(tokens[..., 1:, :-1, :])).float()
        return self._decoded(answer, scene, last)

    def _tokens(self, scene: Scenes, last: Last) -> Tensor:
        """[B, 4, N + 1, D]: objects, the robot last."""
        known = torch.cat((scene.known, torch.zeros_like(scene.known[..., :1, :])), dim=-2)
        states = torch.cat((scene.states, last.state.unsqueeze(-3)), dim=-3)
        beliefs = torch.cat((scene.beliefs, last.belief.unsqueeze(-3)), dim=-3)
        tokens = self.embed(_features(states, beliefs, scene, last.state))
        anchor = self.embed(
            _features(last.state.unsqueeze(-3), last.belief.unsqueeze(-3), scene, last.state)
        )
        query = self.anchor(anchor) + self.mask
        seen = known.unsqueeze(-1)
        tokens = seen * tokens + (1 - seen) * query
        there = _robot_there(scene)
        robot = torch.cat(
            (
                scene.robot[..., 3:6] * 2 * there,
                (scene.robot[..., 2:3] * there + _NOWHERE * (1 - there)) * 5,
                there,
                scene.robot.new_zeros((*scene.robot.shape[:-1], _NODE - 5)),
            ),
            dim=-1,
        )
        tokens = torch.cat((tokens, self.embed_robot(robot).unsqueeze(-2)), dim=-2)
        result: Tensor = tokens + self.time.unsqueeze(-2)
        return result

    def _edges(self, scene: Scenes, everywhere: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 4, M, M, _PAIR] what each pair looks like, and [B, 4, M, M] how near it is."""
        tip = scene.robot[..., None, :3]
        middle = torch.cat((tip[..., :2], tip[..., 2:] + _ROBOT_MIDDLE), dim=-1)
        upright = everywhere[..., :1, ROTATION] * 0 + torch.eye(3, device=tip.device).reshape(9)
        position = torch.cat((everywhere[..., POSITION], middle), dim=-2)
        rotation = torch.cat((everywhere[..., ROTATION], upright), dim=-2)
        velocity = torch.cat((everywhere[..., VELOCITY], scene.robot[..., None, 3:6]), dim=-2)
        alone = (*scene.size.shape[:-2], 1, 3)
        body = self.get_buffer("robot_half").expand(alone)
        half = torch.cat((scene.size / 2, body), dim=-2).unsqueeze(-3)
        half = half.expand(*position.shape)
        rod = self.get_buffer("robot_round").expand(alone)
        roundness = torch.cat((scene.roundness, rod), dim=-2).unsqueeze(-3)
        found = pairs(position, rotation, half, roundness.expand(*position.shape))
        relative = velocity.unsqueeze(-3) - velocity.unsqueeze(-2)
        closing = (relative * found.normal).sum(dim=-1, keepdim=True)
        away = found.offset.square().sum(dim=-1, keepdim=True).clamp(min=1e-8).sqrt()
        gap = found.gap.unsqueeze(-1)
        outside = gap.clamp(min=0)
        offset = found.offset.clamp(-1, 1)
        features = torch.cat(
            (
                offset * 5,
                offset / away,
                away.clamp(max=1) * 5,
                relative.clamp(-3, 3) * 2,
                closing.clamp(-3, 3) * 2,
                found.normal,
                gap.clamp(-0.1, 0.2) * 20,
                torch.exp(-outside / 0.005),
                torch.exp(-outside / 0.02),
                (gap * 100).clamp(-2, 2),
            ),
            dim=-1,
        )
        there = torch.cat(
            (scene.present.unsqueeze(-2).expand(*scene.robot.shape[:-1], -1),
             _robot_there(scene)), dim=-1,
        )  # fmt: skip
        count = there.shape[-1]
        others = 1 - torch.eye(count, device=there.device)
        both = there.unsqueeze(-1) * there.unsqueeze(-2) * others
        near = torch.sigmoid((_NEAR - found.gap) / _FADE) * both
        return features, near

    def _decoded(self, answer: Tensor, scene: Scenes, last: Last) -> tuple[Tensor, Tensor]:
        """From numbers to states: changes since the object was last known."""
        frame = torch.arange(1, FRAMES, device=answer.device).reshape(-1, 1)
        span = ((frame - last.frame.unsqueeze(-2)) * scene.interval[..., None, None]).unsqueeze(-1)
        state = last.state.unsqueeze(-3)
        moves = torch.sigmoid(answer[..., 12:13] * 2)
        turns = torch.sigmoid(answer[..., 13:14] * 2)
        mean, speed, turning, spin = _CHANGE
        position = state[..., POSITION] + span * moves * (
            state[..., VELOCITY] + mean * answer[..., 0:3]
        )
        velocity = moves * (state[..., VELOCITY] + speed * answer[..., 3:6])
        turn = span * turns * (state[..., SPIN] + turning * answer[..., 6:9])
        rotation = turned(state[..., ROTATION].expand(*turn.shape[:-1], 9), turn)
        rate = turns * (state[..., SPIN] + spin * answer[..., 9:12])
        low, high = self.get_buffer("smallest"), self.get_buffer("largest")
        deviation = low + (high - low) * torch.sigmoid(answer[..., 14:20] * 0.5)
        return torch.cat((position, rotation, velocity, rate), dim=-1), deviation


def _robot_there(scene: Scenes) -> Tensor:
    """[B, 4, 1]: 1 where the robot's place is known."""
    return (scene.robot[..., 6:7] > 0.75).to(scene.robot.dtype)


class Last(NamedTuple):
    """When each object was last known [B, N], its state then [B, N, 18] and belief [B, N, 7]."""

    frame: Tensor
    state: Tensor
    belief: Tensor


def _last_known(scene: Scenes) -> Last:
    known = scene.known
    third = known[..., 2, :]
    second = known[..., 1, :] * (1 - third)
    first = 1 - third - second
    share = torch.stack((first, second, third), dim=-2).unsqueeze(-1)
    return Last(
        2 * third + second,
        (share * scene.states).sum(dim=-3),
        (share * scene.beliefs).sum(dim=-3),
    )


def _continued(scene: Scenes, last: Last) -> Tensor:
    """[B, 4, N, 18]: where bodies are, or would be if those not known kept their velocity."""
    frame = torch.arange(FRAMES, device=scene.states.device).reshape(-1, 1)
    span = (frame - last.frame.unsqueeze(-2)) * scene.interval[..., None, None]
    state = last.state.unsqueeze(-3).expand(*span.shape, -1)
    guess = torch.cat(
        (
            state[..., POSITION] + span.unsqueeze(-1) * state[..., VELOCITY],
            state[..., ROTATION],
            state[..., VELOCITY],
            state[..., SPIN],
        ),
        dim=-1,
    )
    known = torch.cat((scene.known, torch.zeros_like(scene.known[..., :1, :])), dim=-2)
    known = known.unsqueeze(-1)
    states = torch.cat((scene.states, scene.states[..., :1, :, :]), dim=-3)
    return known * states + (1 - known) * guess


def _features(states: Tensor, beliefs: Tensor, scene: Scenes, anchor: Tensor) -> Tensor:
    """[B, T, N, _NODE]: what a token says about its object; nothing depends on where the map is."""
    half = scene.size.unsqueeze(-3) / 2
    box = reach(states[..., ROTATION], half.expand(*states.shape[:-1], 3))
    bottom = states[..., 2:3] - box[..., 2:3]
    moved = states[..., POSITION] - anchor.unsqueeze(-3)[..., POSITION]
    shape = (*states.shape[:-1], -1)
    rolls = rolling(states[..., ROTATION], scene.roundness.unsqueeze(-3).expand(*shape[:-1], 3))
    return torch.cat(
        (
            moved.clamp(-1, 1) * 10,
            bottom.clamp(-0.05, 0.3) * 10,
            torch.tanh(bottom * 100),
            states[..., 3:12],
            states[..., VELOCITY].clamp(-3, 3) * 2,
            states[..., SPIN].clamp(-20, 20) * 0.2,
            box.clamp(max=0.5) * 20,
            (half.expand(*states.shape[:-1], 3)).clamp(max=0.5) * 20,
            scene.physics.unsqueeze(-3).expand(shape),
            beliefs[..., DEVIATIONS] * 0.3 + 1.0,
            beliefs[..., AGE].clamp(max=3.0),
            rolls,
            _rolled(rolls, states[..., VELOCITY].clamp(-3, 3)) * 2,
        ),
        dim=-1,
    )


def _rolled(rolls: Tensor, velocity: Tensor) -> Tensor:
    """[..., 2]: the part of a level velocity with which a body would roll, without sliding."""
    xx, yy, _, xy, _, _ = rolls.unbind(dim=-1)
    # what rolls towards x turns about y
    x, y, _ = velocity.unbind(dim=-1)
    return torch.stack((yy * x - xy * y, xx * y - xy * x), dim=-1)


def _actions(scene: Scenes) -> Tensor:
    """[B, 4, 5]: where the robot goes from each frame to the next; nothing is known of the last."""
    now, then = scene.robot[..., :-1, :], scene.robot[..., 1:, :]
    there = ((now[..., 6:7] > 0.25) & (then[..., 6:7] > 0.25)).to(now.dtype)
    step = (then[..., :3] - now[..., :3]).clamp(-0.3, 0.3) * 20 * there
    moves = torch.cat((step, there), dim=-1)
    moves = torch.cat((moves, torch.zeros_like(moves[..., :1, :])), dim=-2)
    interval = scene.interval[..., None, None].expand(*moves.shape[:-1], 1)
    return torch.cat((moves, interval * 10), dim=-1)


class _Block(nn.Module):
    """Messages between bodies of one frame, attention over time, a perceptron."""

    def __init__(self, width: int, heads: int, message: int) -> None:
        super().__init__()
        self.norm_messages = nn.LayerNorm(width)
        self.receive = nn.Linear(width, message)
        self.send = nn.Linear(width, message)
        self.edge = nn.Linear(_PAIR, message)
        self.collect = nn.Linear(message, width)
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm_perceptron = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor, actions: Tensor, edges: Tensor, near: Tensor) -> Tensor:
        """[B, 4, M, D] to the same; actions [B, 4, D]."""
        calm = self.norm_messages(tokens)
        message = self.edge(edges) + self.receive(calm).unsqueeze(-2)
        message = torch.nn.functional.gelu(message + self.send(calm).unsqueeze(-3))
        tokens = tokens + self.collect((message * near.unsqueeze(-1)).sum(dim=-2))
        calm = self.norm_attention(tokens).transpose(-2, -3)
        count = calm.shape[-3]
        context = actions.unsqueeze(-3).expand(*actions.shape[:-2], count, *actions.shape[-2:])
        attended = self.attention(torch.cat((calm, context), dim=-2), first=FRAMES)
        tokens = tokens + attended.transpose(-2, -3)
        hidden = torch.nn.functional.gelu(self.widen(self.norm_perceptron(tokens)))
        result: Tensor = tokens + self.narrow(hidden)
        return result
