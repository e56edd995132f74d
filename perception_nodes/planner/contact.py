"""Where shapes overlap on a plane, and how far a push moves what is pushed.

Shapes are unions of rectangles, whose corners may be round, up to a disc. The formulas take the
array library as their first argument `xp` (NumPy at run time, torch where the network of the
planner is exported), so that both run the same lines; "array" below is one of either. Leading axes
are free (candidates, objects).

Friction with the support follows the ellipsoidal limit surface (Goyal, Ruina, Papadopoulos 1991;
Lynch 1992): a level force f at an offset r from the center moves an object that slides slowly by

    (dx, dy) = f,    turn = (r x f) / L^2,

up to a factor, where L is the mean distance of the support's pressure from the center.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Array = Any
"""An array of NumPy, or a tensor of torch."""

SHARPNESS = 2000.0
"""1/m: of the soft gate of contacts; its width is the half millimeter that depth can't tell."""
_TINY = 1e-9


class Touch(NamedTuple):
    """The nearest point of a shape: signed distance (...) in m, outward normal (..., 2)."""

    distance: Array
    normal: Array


def turned(xp: Any, heading: Array, points: Array) -> Array:
    """Points (..., 2) turned by headings (...), rad."""
    cosine, sine = xp.cos(heading), xp.sin(heading)
    x, y = points[..., 0], points[..., 1]
    return xp.stack((cosine * x - sine * y, sine * x + cosine * y), -1)


def touch(xp: Any, points: Array, parts: Array) -> Touch:
    """The signed distance of points to unions of rectangles with round corners.

    Args:
        xp: The array library.
        points: (..., 2) in the frame of the shape.
        parts: (..., K, 5) centers, half extents and radii of the corners of K rectangles; a part
            with negative extents is none.
    """
    offset = points[..., None, :] - parts[..., :2]
    side = xp.where(offset < 0.0, -1.0, 1.0)
    radius = parts[..., 4]
    beyond = xp.abs(offset) - (parts[..., 2:4] - radius[..., None])
    out = xp.where(beyond > 0.0, beyond, 0.0 * beyond)
    outside = xp.sqrt(out[..., 0] ** 2 + out[..., 1] ** 2 + _TINY**2)
    across = beyond[..., 0] > beyond[..., 1]
    inside = xp.where(across, beyond[..., 0], beyond[..., 1])
    distance = xp.where(inside > 0.0, outside, inside) - radius
    face = xp.stack((xp.where(across, 1.0, 0.0), xp.where(across, 0.0, 1.0)), -1)
    away = xp.where((inside > 0.0)[..., None], out / outside[..., None], face) * side
    best = distance[..., 0]
    normal = away[..., 0, :]
    for part in range(1, parts.shape[-2]):
        nearer = distance[..., part] < best
        best = xp.where(nearer, distance[..., part], best)
        normal = xp.where(nearer[..., None], away[..., part, :], normal)
    return Touch(best, normal)


def depth(xp: Any, gap: Array) -> Array:
    """How deep shapes overlap that are `gap` (...) apart, m: softplus(-k gap) / k."""
    x = -SHARPNESS * gap
    return (xp.where(x > 0.0, x, 0.0 * x) + xp.log1p(xp.exp(-xp.abs(x)))) / SHARPNESS


def gate(xp: Any, gap: Array) -> Array:
    """How much shapes that are `gap` (...) apart touch, 0..1: sigma(-k gap)."""
    x = SHARPNESS * gap
    limited = xp.where(x > 60.0, 60.0 + 0.0 * x, xp.where(x < -60.0, -60.0 + 0.0 * x, x))
    return 1.0 / (1.0 + xp.exp(limited))


def pushed(
    xp: Any, into: Array, arm: Array, deep: Array, slip: Array, friction: Array, turning: Array
) -> Array:
    """How a contact that can't give way moves an object, with Coulomb friction at the contact.

    It sticks if the force that takes the point of contact along lies in the friction cone, else it
    slides on the edge of the cone (Lynch and Mason 1996).

    Args:
        xp: The array library.
        into: (..., 2) unit normal into the object.
        arm: (..., 2) from the object's center to the contact, m.
        deep: (...) how far the contact has to move along `into`, m.
        slip: (...) how far the pusher goes to the left of `into`, m.
        friction: (...) coefficient.
        turning: (...) L^2, m^2.

    Returns:
        (..., 3) displacement x, y, and turn in radians.
    """
    left = xp.stack((-into[..., 1], into[..., 0]), -1)
    lever_in = _cross(arm, into)
    lever_left = _cross(arm, left)
    # the point of contact moves by M f, M = 1 + a a^T / L^2 with a = (lever_in, lever_left)
    shared = (lever_in * deep + lever_left * slip) / (turning + lever_in**2 + lever_left**2)
    force_in, force_left = deep - lever_in * shared, slip - lever_left * shared
    most = friction * xp.abs(force_in)
    sign = xp.where(force_left < 0.0, -1.0, 1.0)
    slides = (xp.abs(force_left) > most) | (force_in < 0.0)
    edge = lever_in + sign * friction * lever_left
    yields = 1.0 + lever_in * edge / turning
    along = deep / xp.where(yields < 0.2, 0.2 + 0.0 * yields, yields)
    force_in = xp.where(slides, along, force_in)
    force_left = xp.where(slides, sign * friction * along, force_left)
    force = into * force_in[..., None] + left * force_left[..., None]
    turn = (lever_in * force_in + lever_left * force_left) / turning
    return xp.concatenate((force, turn[..., None]), -1)


def _cross(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
