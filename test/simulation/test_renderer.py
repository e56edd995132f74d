"""Drawn images agree with geometry."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from small_scene import CAMERA, EYE, TABLE, TARGET, small_scene, thing

from perception_nodes.geometry.pose import Pose
from perception_simulation import specification as spec
from perception_simulation.motion import look_at
from perception_simulation.renderer import Renderer, View
from perception_simulation.world import World

HERE = look_at(np.array(EYE), np.array(TARGET))


def drawn(scene: spec.Scene, pose: Pose = HERE) -> tuple[World, View]:
    world = World(scene)
    with Renderer(world.model, scene.width, scene.height, shadows=scene.shadows) as renderer:
        return world, renderer.render(world.data, pose, scene.intrinsics(scene.cameras[0]))


@pytest.mark.usefixtures("rendering")
def test_depth_and_pose_put_every_pixel_on_its_surface() -> None:
    scene = small_scene(thing("ball", spec.Sphere(0.05)))
    world, view = drawn(scene)
    points = HERE.apply((scene.intrinsics(CAMERA).rays() * view.depth[..., None]).astype(float))
    ball = points[view.bodies == world.model.body("ball").id]
    radii = np.linalg.norm(ball - world.motion("ball").pose.translation, axis=1)
    assert len(ball) > 100
    assert np.abs(radii - 0.05).max() < 0.001
    table = points[view.bodies == world.model.body("table").id]
    assert np.median(table[:, 2]) == pytest.approx(TABLE, abs=1e-4)


@pytest.mark.usefixtures("rendering")
def test_the_camera_model_projects_centers_into_their_masks() -> None:
    scene = small_scene(thing("a", position=(0.1, 0.2)), thing("b", position=(0.0, -0.15)))
    world, view = drawn(scene)
    for name in ("a", "b"):
        center = HERE.inverse().apply(world.motion(name).pose.translation)
        (u, v), _ = scene.intrinsics(CAMERA).project(center)
        rows, columns = np.nonzero(view.bodies == world.model.body(name).id)
        assert columns.mean() == pytest.approx(u, abs=1.0)
        assert rows.mean() == pytest.approx(v, abs=2.0)


@pytest.mark.usefixtures("rendering")
def test_what_is_drawn_hollow_is_seen_hollow() -> None:
    above = look_at(np.array([0.0, 0.001, 1.3]), np.array([0.0, 0.0, TABLE]))
    scene = small_scene(thing("mug", spec.Mug(0.04, 0.09)))
    world, view = drawn(scene, above)
    inside = 1.3 - view.depth[view.bodies == world.model.body("mug").id]
    assert inside.min() == pytest.approx(TABLE + 0.004, abs=0.003)
    assert inside.max() == pytest.approx(TABLE + 0.09, abs=0.003)


@pytest.mark.usefixtures("rendering")
def test_shadows_darken_some_of_the_table_and_change_nothing_else() -> None:
    scene = small_scene(thing("tower", spec.Box((0.05, 0.05, 0.25))))
    _, plain = drawn(scene)
    _, shadowed = drawn(replace(scene, shadows=True))
    assert plain.color is not None
    assert shadowed.color is not None
    darker = plain.color.astype(int).sum(axis=2) - shadowed.color.astype(int).sum(axis=2)
    assert (darker > 30).sum() > 50
    np.testing.assert_array_equal(plain.depth, shadowed.depth)


@pytest.mark.parametrize("wanted", ["", "osmesa", "glfw"])
def test_without_software_opengl_the_command_names_the_debian_packages(wanted: str) -> None:
    code = (
        "import ctypes.util, sys\n"
        "ctypes.util.find_library = lambda name: None\n"
        "from perception_nodes.cli import main\n"
        "sys.exit(main(['simulate', '-o', 'never.mcap']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MUJOCO_GL": wanted},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    words = ["MUJOCO_GL=glfw"] if wanted == "glfw" else ["libosmesa6", "libegl1 libegl-mesa0"]
    assert all(word in done.stderr for word in words)
