"""Shapes: what is drawn, what collides and what the truth calls their size belong together."""

from __future__ import annotations

import numpy as np
import pytest
from small_scene import TABLE, small_scene, thing

from perception_simulation import specification as spec
from perception_simulation.meshes import Mesh, revolve, superquadric, tube
from perception_simulation.shapes import geometry, lowest
from perception_simulation.world import World

SHAPES: list[spec.Shape] = [
    spec.Box((0.1, 0.06, 0.08)),
    spec.Sphere(0.04),
    spec.Cylinder(0.03, 0.1),
    spec.Capsule(0.03, 0.06),
    spec.Ellipsoid((0.1, 0.08, 0.06)),
    spec.Superquadric((0.1, 0.08, 0.06), 0.4, 0.6),
    spec.Revolution(((0.03, 0.0), (0.05, 0.05), (0.02, 0.12)), 0.003),
    spec.Mug(0.04, 0.09),
    spec.Bottle(0.035, 0.2, 0.013),
    spec.Bowl(0.07, 0.05),
]


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


@pytest.mark.parametrize(
    ("mesh", "expected"),
    [
        (revolve([(0.0, 0.0), (1.0, 0.0), (1.0, 2.0), (0.0, 2.0)]), 2.0 * np.pi),
        (superquadric((2.0, 2.0, 2.0), 1.0, 1.0), 4.0 / 3.0 * np.pi),
        (superquadric((2.0, 2.0, 2.0), 0.1, 0.1), 8.0),
        (tube(np.array([[0.0, 0.0, z] for z in np.linspace(0.0, 1.0, 5)]), 0.1), 0.0283),
    ],
)
def test_meshes_are_closed_and_face_outward(mesh: Mesh, expected: float) -> None:
    edges = np.concatenate([mesh.faces[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    forward = {(int(a), int(b)) for a, b in edges}
    assert len(forward) == len(edges)
    assert all((b, a) in forward for a, b in forward)
    assert volume(mesh) == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: type(s).__name__)
def test_the_box_of_a_shape_is_centered_and_as_large_as_its_hull(shape: spec.Shape) -> None:
    built = geometry(shape)
    low, high = built.hull.min(axis=0), built.hull.max(axis=0)
    np.testing.assert_allclose(high - low, built.size, atol=0.002)
    np.testing.assert_allclose(high + low, 0.0, atol=0.002)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: type(s).__name__)
def test_every_shape_has_its_mass_and_rests_where_it_was_put(shape: spec.Shape) -> None:
    if isinstance(shape, spec.Capsule):
        item = thing("a", shape, mass=0.42, rotation=(0.0, np.pi / 2.0, 0.0))
    else:
        item = thing("a", shape, mass=0.42)
    world = World(small_scene(item))
    body = world.model.body("a").id
    assert world.model.body_mass[body] == pytest.approx(0.42)
    assert (world.model.body_inertia[body] > 0).all()
    world.advance(0.4)
    place = world.motion("a").pose.translation
    height = TABLE + lowest(shape, world.motion("a").pose.rotation)
    assert place[2] == pytest.approx(height, abs=0.002)
    assert np.linalg.norm(place[:2]) < 0.003


def test_a_shape_turned_on_its_side_stands_on_its_side() -> None:
    bottle = spec.Bottle(0.035, 0.2, 0.013)
    world = World(small_scene(thing("a", bottle, rotation=(0.0, np.pi / 2.0, 0.0))))
    world.advance(0.3)
    assert world.motion("a").pose.translation[2] == pytest.approx(TABLE + 0.035, abs=0.003)
