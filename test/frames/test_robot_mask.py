"""The robot itself is no object: its links are found in the depth image and taken out."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError
from perception_nodes.frames.robot_description import read_urdf
from perception_nodes.frames.robot_mask import RobotMask
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.solids import Solid, inside
from perception_nodes.scene import Frame

CAMERA = Camera(80, 60, 70.0, 70.0, 39.5, 29.5)
AHEAD = Pose(np.eye(3), np.array([0.0, 0.0, 1.0]))


def nowhere(uri: str) -> Path | None:
    return None


def urdf(shape: str, origin: str = "") -> str:
    return (
        '<robot name="r"><link name="arm"><collision>'
        f"{origin}<geometry>{shape}</geometry></collision></link></robot>"
    )


def solid(shape: str, origin: str = "") -> Solid:
    (found,) = read_urdf(urdf(shape, origin), nowhere).links["arm"]
    return found


def ray_sphere(center: Floats, radius: float) -> Floats:
    """Depth of a ball before a wall at 2 m, by intersecting each ray with it."""
    rays = CAMERA.rays().astype(np.float64)
    along = rays @ center
    squared = (rays**2).sum(axis=-1)
    root = along**2 - squared * (center @ center - radius**2)
    return np.where(root > 0, (along - np.sqrt(np.maximum(root, 0))) / squared, 2.0)


def test_a_ball_is_masked_where_it_is_seen_and_nowhere_else() -> None:
    center = np.array([0.1, -0.05, 1.0])
    depth = ray_sphere(center, 0.12)
    ball = Solid("sphere", np.full(3, 0.24), Pose.identity())
    found = inside(depth, CAMERA, ball, Pose(np.eye(3), center), 0.001)
    np.testing.assert_array_equal(found, depth < 2.0)
    assert found.sum() > 100


@pytest.mark.parametrize("kind", ["box", "cylinder"])
def test_what_stands_before_or_behind_a_link_stays(kind: str) -> None:
    shape = Solid(kind, np.array([0.2, 0.2, 0.2]), Pose.identity())  # type: ignore[arg-type]
    for distance, masked in ((0.8, False), (1.0, True), (1.2, False)):
        depth = np.full((60, 80), distance)
        assert inside(depth, CAMERA, shape, AHEAD, 0.01).any() == masked


def test_padding_widens_a_link_by_that_much() -> None:
    shape = Solid("box", np.array([0.2, 0.2, 0.2]), Pose.identity())
    depth = np.full((60, 80), 1.0)
    width = [inside(depth, CAMERA, shape, AHEAD, p)[30].sum() for p in (0.0, 0.05)]
    assert width == [14, 21] or width == [14, 20]


def test_a_turned_link_is_masked_along_its_axis() -> None:
    lying = Pose(Rotation.from_euler("y", 90, degrees=True).as_matrix(), AHEAD.translation)
    stick = Solid("cylinder", np.array([0.04, 0.04, 0.6]), Pose.identity())
    found = inside(np.full((60, 80), 1.0), CAMERA, stick, lying, 0.0)
    rows, columns = np.nonzero(found)
    assert (np.ptp(rows), np.ptp(columns)) == (1, 41)


def test_a_link_around_or_behind_the_camera_breaks_nothing() -> None:
    box = Solid("box", np.full(3, 1.0), Pose.identity())
    around = inside(np.full((60, 80), 0.3), CAMERA, box, Pose.identity(), 0.0)
    assert around.all()
    behind = Pose(np.eye(3), np.array([0.0, 0.0, -2.0]))
    assert not inside(np.full((60, 80), 0.3), CAMERA, box, behind, 0.0).any()
    beside = Pose(np.eye(3), np.array([9.0, 0.0, 1.0]))
    assert not inside(np.full((60, 80), 1.0), CAMERA, box, beside, 0.0).any()


def test_no_reading_is_no_robot() -> None:
    box = Solid("box", np.full(3, 1.0), Pose.identity())
    depth = np.full((60, 80), np.nan)
    assert not inside(depth, CAMERA, box, AHEAD, 0.0).any()


def test_only_readings_on_the_robot_are_taken_out_of_a_frame() -> None:
    robot = read_urdf(urdf('<sphere radius="0.1"/>', '<origin xyz="0 0 0.5"/>'), nowhere)
    link = Pose(np.eye(3), np.array([0.0, 0.0, 0.5]))
    depth = ray_sphere(np.array([0.0, 0.0, 1.0]), 0.1).astype(np.float32)
    color = np.zeros((60, 80, 3), np.uint8)
    frame = Frame(1, "camera", "optical", CAMERA, color, depth, None)
    masked = RobotMask(robot, 0.005).without_robot(frame, {"arm": link})
    gone = np.isnan(masked.depth)
    np.testing.assert_array_equal(gone, depth < 1.5)
    np.testing.assert_array_equal(masked.depth[~gone], depth[~gone])
    assert not np.isnan(frame.depth).any(), "the frame that was given stays as it was"
    assert RobotMask(robot, 0.005).without_robot(frame, {}) is frame


def test_every_shape_of_a_urdf_is_read_with_its_place() -> None:
    place = '<origin xyz="1 2 3" rpy="0 0 1.5707963"/>'
    box = solid('<box size="0.1 0.2 0.3"/>', place)
    np.testing.assert_allclose(box.size, (0.1, 0.2, 0.3))
    np.testing.assert_allclose(box.pose.apply(np.array([1.0, 0.0, 0.0])), (1, 3, 3), atol=1e-6)
    np.testing.assert_allclose(solid('<cylinder radius="0.1" length="0.5"/>').size, (0.2, 0.2, 0.5))
    np.testing.assert_allclose(solid('<capsule radius="0.1" length="0.5"/>').size, (0.2, 0.2, 0.7))
    np.testing.assert_allclose(solid('<sphere radius="0.1"/>').size, (0.2, 0.2, 0.2))


def test_a_link_without_collision_shapes_is_masked_by_what_is_drawn() -> None:
    text = urdf('<sphere radius="0.1"/>').replace("collision", "visual")
    assert list(read_urdf(text, nowhere).links) == ["arm"]


def triangle(kind: str) -> bytes:
    corners = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 2.0, 4.0))
    if kind == "obj":
        return b"".join(b"v %f %f %f\n" % c for c in corners) + b"f 1 2 3\n"
    if kind == "text.stl":
        rows = b"".join(b"vertex %f %f %f\n" % c for c in corners)
        return b"solid x\nfacet normal 0 0 1\nouter loop\n" + rows + b"endloop endfacet endsolid"
    body = struct.pack("<12fH", 0, 0, 1, *(v for c in corners for v in c), 0)
    return b"solid binary".ljust(80) + struct.pack("<I", 1) + body


@pytest.mark.parametrize("kind", ["obj", "text.stl", "stl"])
def test_a_mesh_is_masked_by_its_bounding_box(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"arm.{kind}"
    file.write_bytes(triangle(kind))
    text = urdf('<mesh filename="package://arm/arm.mesh" scale="0.1 0.1 0.1"/>')
    asked: list[str] = []

    def resolve(uri: str) -> Path:
        asked.append(uri)
        return file

    (box,) = read_urdf(text, resolve).links["arm"]
    assert asked == ["package://arm/arm.mesh"]
    np.testing.assert_allclose(box.size, (0.1, 0.2, 0.4))
    np.testing.assert_allclose(box.pose.translation, (0.05, 0.1, 0.2))


def test_what_cannot_be_read_is_named_and_the_rest_is_masked(tmp_path: Path) -> None:
    cut = tmp_path / "cut.stl"
    cut.write_bytes(triangle("stl")[:-10])
    shapes = [
        '<mesh filename="missing.dae"/>',
        '<mesh filename="cut.stl"/>',
        '<box size="1 2"/>',
        '<box size="1 nan 2"/>',
        '<cone radius="1"/>',
        '<sphere radius="0.2"/>',
    ]
    body = "".join(f"<collision><geometry>{s}</geometry></collision>" for s in shapes)
    found = read_urdf(
        f'<robot name="r"><link name="arm">{body}<collision/></link></robot>',
        lambda uri: cut if uri == "cut.stl" else None,
    )
    assert len(found.links["arm"]) == 1
    assert len(found.problems) == 6
    assert "'missing.dae' is not found" in found.problems[0]
    assert "'cut.stl' is cut off" in found.problems[1]
    assert all(problem.startswith("arm: ") for problem in found.problems)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "<robot",
        "<sdf/>",
        '<!DOCTYPE r [<!ENTITY a "aaaa">]><robot>&a;</robot>',
        "<robot>" + " " * 10_000_001 + "</robot>",
    ],
)
def test_what_is_no_urdf_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(InputError, match="robot description"):
        read_urdf(text, nowhere)
