"""States of bodies as tensors: rotations, geometry between boxes, beliefs.

A state is [..., 18]: position, rotation matrix by rows, velocity, angular velocity; world frame
with z up and the support at 0. A belief is [..., 7]: log standard deviations of position (level,
up), velocity (level, up), rotation and angular velocity, and the age of the last sighting, s.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

STATE = 18
POSITION, ROTATION = slice(0, 3), slice(3, 12)
VELOCITY, SPIN = slice(12, 15), slice(15, 18)
BELIEF = 7
DEVIATIONS, AGE = slice(0, 6), slice(6, 7)
DIMENSIONS = (2, 1, 2, 1, 3, 3)
"""How many numbers share each of the six standard deviations."""
EXACT = (-7.6, -7.6, -5.3, -5.3, -5.3, -3.0)
"""Log standard deviations of what is known exactly: half a millimeter, 5 mm/s, 0.3 degrees."""


def rotation_matrix(quaternion: Tensor) -> Tensor:
    """[..., 9] from x, y, z, w [..., 4]."""
    x, y, z, w = (quaternion / quaternion.norm(dim=-1, keepdim=True)).unbind(dim=-1)
    rows = (
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(rows, dim=-1)


def turned(rotation: Tensor, vector: Tensor) -> Tensor:
    """[..., 9]: a rotation turned further by small rotation vectors [..., 3] about world axes."""
    angle = vector.square().sum(dim=-1, keepdim=True).clamp(min=1e-10).sqrt()
    first = torch.sin(angle) / angle
    second = (1 - torch.cos(angle)) / angle.square()
    columns = rotation.reshape(*rotation.shape[:-1], 3, 3)
    axis = vector.unsqueeze(-1)
    once = _cross(axis, columns)
    result = columns + first.unsqueeze(-1) * once + second.unsqueeze(-1) * _cross(axis, once)
    return result.reshape(rotation.shape)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross product along the last but one axis: [..., 3, 1] with [..., 3, K]."""
    ax, ay, az = a.unbind(dim=-2)
    bx, by, bz = b.unbind(dim=-2)
    return torch.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), dim=-2)


def about_up(state: Tensor, angle: Tensor) -> Tensor:
    """States [..., 18] of a world turned about its vertical by angles [...]."""
    cos, sin = angle.cos(), angle.sin()

    def turn(vector: Tensor) -> Tensor:
        x, y, z = vector.unbind(dim=-1)
        return torch.stack((cos * x - sin * y, sin * x + cos * y, z), dim=-1)

    rows = state[..., ROTATION]
    first, second, third = rows[..., 0:3], rows[..., 3:6], rows[..., 6:9]
    c, s = cos.unsqueeze(-1), sin.unsqueeze(-1)
    rotation = torch.cat((c * first - s * second, s * first + c * second, third), dim=-1)
    return torch.cat(
        (turn(state[..., POSITION]), rotation, turn(state[..., VELOCITY]), turn(state[..., SPIN])),
        dim=-1,
    )


def reach(rotation: Tensor, half: Tensor) -> Tensor:
    """[..., 3]: half extents along the world axes of boxes with half extents [..., 3]."""
    matrix = rotation.reshape(*rotation.shape[:-1], 3, 3)
    return (matrix.abs() * half.unsqueeze(-2)).sum(dim=-1)


def rolling(rotation: Tensor, roundness: Tensor) -> Tensor:
    """[..., 6] about which world axes bodies roll: xx, yy, zz, xy, xz, yz of sum r_k a_k a_k^T.

    Args:
        rotation: [..., 9].
        roundness: [..., 3] chance r_k that the surface is round about body axis a_k.
    """
    x, y, z = rotation.reshape(*rotation.shape[:-1], 3, 3).unbind(dim=-2)
    products = (x * x, y * y, z * z, x * y, x * z, y * z)
    return torch.stack([(roundness * p).sum(dim=-1) for p in products], dim=-1)


class Pairs(NamedTuple):
    """Geometry between bodies [..., M, M]: row i receives from column j.

    Attributes:
        offset: [..., 3] from i to j.
        gap: [...] signed distance along the best direction that was tried.
        normal: [..., 3] that direction, from i to j.
    """

    offset: Tensor
    gap: Tensor
    normal: Tensor


def shapes(roundness: Tensor) -> Tensor:
    """[..., 5] chances of a ball, of round about each axis alone, and of a box.

    Args:
        roundness: [..., 3] chances that the surface is round about each body axis.
    """
    first, second, third = roundness.unbind(dim=-1)
    ball = first * second * third
    round_about = torch.stack(
        (
            first * (1 - second) * (1 - third),
            second * (1 - first) * (1 - third),
            third * (1 - first) * (1 - second),
        ),
        dim=-1,
    )
    box = 1 - ball - round_about.sum(dim=-1)
    return torch.cat((ball.unsqueeze(-1), round_about, box.unsqueeze(-1)), dim=-1)


def support(along: Tensor, chances: Tensor) -> Tensor:
    """[...] how far bodies reach into a direction, expected over what shape they may be.

    Args:
        along: [..., 3] half extents times the cosines of the direction with the body's axes.
        chances: [..., 5] as of `shapes`.
    """
    x, square = along.abs(), along.square()
    whole = square.sum(dim=-1, keepdim=True)
    # clamped, not increased: exporters drop additions of next to nothing
    ball = whole.clamp(min=1e-12).sqrt()
    round_about = x + (whole - square).clamp(min=1e-12).sqrt()
    box = x.sum(dim=-1, keepdim=True)
    return (torch.cat((ball, round_about, box), dim=-1) * chances).sum(dim=-1)


def pairs(position: Tensor, rotation: Tensor, half: Tensor, roundness: Tensor) -> Pairs:
    """Compare all bodies with each other (separating axes; Gottschalk, Lin and Manocha 1996).

    Tried are the axes of both and the line between their middles, along which balls are exact, not
    the products of edges: the gap is then a lower bound.

    Args:
        position: [..., M, 3].
        rotation: [..., M, 9].
        half: [..., M, 3] half extents.
        roundness: [..., M, 3] chances that they are round about their axes.
    """
    matrix = rotation.reshape(*rotation.shape[:-1], 3, 3)
    offset = position.unsqueeze(-3) - position.unsqueeze(-2)
    between = offset / offset.square().sum(dim=-1, keepdim=True).clamp(min=1e-8).sqrt()
    mine, yours = matrix.unsqueeze(-3), matrix.unsqueeze(-4)
    own = (between.unsqueeze(-1) * mine).sum(dim=-2)
    theirs = (between.unsqueeze(-1) * yours).sum(dim=-2)
    # cosines between my axes (columns of my matrix) and yours: [..., M, M, mine, yours]
    cosines = (mine.unsqueeze(-1) * yours.unsqueeze(-2)).sum(dim=-3)
    cosines = torch.cat((cosines, theirs.unsqueeze(-2)), dim=-2)
    kind = shapes(roundness)
    extent = support(cosines * half[..., None, :, None, :], kind[..., None, :, None, :])
    reaches = support(own * half.unsqueeze(-2), kind.unsqueeze(-2)).unsqueeze(-1)
    reaches = torch.cat((half.unsqueeze(-2).expand(own.shape), reaches), dim=-1)
    axes = torch.cat((mine.expand(*own.shape, 3), between.unsqueeze(-1)), dim=-1)
    along = (offset.unsqueeze(-1) * axes).sum(dim=-2)
    gaps = along.abs() - reaches - extent
    best = torch.softmax(gaps / 0.003, dim=-1)
    normal = ((best * torch.tanh(along / 0.003)).unsqueeze(-2) * axes).sum(dim=-1)
    gap = gaps.amax(dim=-1)
    other_gap, other_normal = gap.transpose(-1, -2), -normal.transpose(-2, -3)
    share = torch.sigmoid((gap - other_gap) / 0.003).unsqueeze(-1)
    mixed = share * normal + (1 - share) * other_normal
    return Pairs(offset, torch.maximum(gap, other_gap), mixed)
