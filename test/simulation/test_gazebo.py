"""The world of Gazebo is that of MuJoCo: the same poses, sizes and masses, from one scene file."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation
from small_scene import PANEL, PUSH, small_scene, thing

from perception_nodes.arrays import Floats
from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.interfaces import NODES
from perception_simulation.gazebo.files import files
from perception_simulation.gazebo.topics import WORLD
from perception_simulation.gazebo.world import world_sdf
from perception_simulation.model import PUSHER
from perception_simulation.motion import camera_track, look_at
from perception_simulation.scene_file import load_scene
from perception_simulation.shapes import geometry
from perception_simulation.specification import Mug, Scene
from perception_simulation.world import World

FOLDER = Path(__file__).resolve().parents[2] / "worlds" / "gazebo"
SYSTEMS = {
    "gz-sim-physics-system": "gz::sim::systems::Physics",
    "gz-sim-user-commands-system": "gz::sim::systems::UserCommands",
    "gz-sim-scene-broadcaster-system": "gz::sim::systems::SceneBroadcaster",
    "gz-sim-sensors-system": "gz::sim::systems::Sensors",
    "gz-sim-velocity-control-system": "gz::sim::systems::VelocityControl",
    "gz-sim-odometry-publisher-system": "gz::sim::systems::OdometryPublisher",
}
"""Systems that Gazebo Harmonic has, by file."""


@pytest.fixture(scope="module")
def scene() -> Scene:
    return load_scene(FOLDER / "scene.yaml")


@pytest.fixture(scope="module")
def world() -> ElementTree.Element:
    found = ElementTree.parse(FOLDER / "world.sdf").getroot().find("world")
    assert found is not None
    return found


def pose(element: ElementTree.Element) -> Pose:
    """The pose of an element; that of one without is the identity."""
    found = element.find("pose")
    if found is None or found.text is None:
        return Pose.identity()
    values = [float(v) for v in found.text.split()]
    assert found.get("rotation_format") == "quat_xyzw"
    return Pose(Rotation.from_quat(values[3:]).as_matrix(), np.array(values[:3]))


def number(element: ElementTree.Element, path: str) -> float:
    text = element.findtext(path)
    assert text is not None, path
    return float(text)


def same(a: Pose, b: Pose, tolerance: float = 1e-7) -> bool:
    turned = Rotation.from_matrix(a.rotation.T @ b.rotation).magnitude()
    return bool(np.abs(a.translation - b.translation).max() < tolerance and turned < 1e-6)


def test_the_committed_world_is_what_the_scene_file_gives(scene: Scene) -> None:
    written = files(scene)
    for name, content in written.items():
        assert (FOLDER / name).read_text() == content, "run: permanence gazebo worlds/gazebo/..."
    there = {str(p.relative_to(FOLDER)) for p in FOLDER.rglob("*") if p.is_file()}
    assert there == {*written, "scene.yaml"}


def test_debians_sdformat_finds_the_world_valid() -> None:
    name = ctypes.util.find_library("sdformat12")
    if name is None:
        pytest.skip("libsdformat12-12 is not installed: apt-get install libsdformat12-12")
    check = ctypes.CDLL(name).cmdCheck
    assert check(str(FOLDER / "world.sdf").encode()) == 0


def test_sdformat_would_have_found_what_is_wrong(tmp_path: Path) -> None:
    name = ctypes.util.find_library("sdformat12")
    if name is None:
        pytest.skip("libsdformat12-12 is not installed: apt-get install libsdformat12-12")
    text = (FOLDER / "world.sdf").read_text()
    broken = tmp_path / "broken.sdf"
    broken.write_text(text.replace('<model name="can">', '<model name="mug">'))
    assert ctypes.CDLL(name).cmdCheck(str(broken).encode()) != 0


def test_every_object_has_pose_mass_and_inertia_of_mujoco(
    scene: Scene, world: ElementTree.Element
) -> None:
    simulated = World(scene)
    model = simulated.model
    for item in scene.objects:
        element = world.find(f"model[@name='{item.name}']")
        assert element is not None
        assert same(pose(element), simulated.motion(item.name).pose)
        inertial = element.find("link/inertial")
        assert inertial is not None
        body = model.body(item.name)
        assert number(inertial, "mass") == pytest.approx(item.mass)
        assert number(inertial, "mass") == pytest.approx(body.mass[0])
        center = pose(inertial)
        moments = np.diag([number(inertial, f"inertia/i{axis}") for axis in ("xx", "yy", "zz")])
        about = center.rotation @ moments @ center.rotation.T
        w, x, y, z = body.iquat
        turn = Rotation.from_quat([x, y, z, w]).as_matrix()
        np.testing.assert_allclose(about, turn @ np.diag(body.inertia) @ turn.T, atol=1e-9)
        np.testing.assert_allclose(center.translation, body.ipos, atol=1e-7)


def test_what_collides_has_the_size_and_place_of_mujocos(
    scene: Scene, world: ElementTree.Element
) -> None:
    model = World(scene).model
    checked = 0
    for index in range(model.nbody):
        element = world.find(f"model[@name='{model.body(index).name.replace(' ', '_')}']")
        if element is None:
            assert model.body(index).name in {"world", "person"}
            continue
        geoms = [g for g in range(model.ngeom) if model.geom_bodyid[g] == index]
        geoms = [g for g in geoms if model.geom_contype[g]]
        collisions = element.findall("link/collision")
        assert len(collisions) == len(geoms), model.body(index).name
        for collision, geom in zip(collisions, geoms, strict=True):
            np.testing.assert_allclose(dimensions(collision), _size(model, geom), atol=1e-7)
            if collision.find("geometry/mesh") is None:  # MuJoCo moves meshes to their center
                np.testing.assert_allclose(
                    pose(collision).translation, model.geom_pos[geom], atol=1e-7
                )
            checked += 1
    assert checked > 20


def dimensions(collision: ElementTree.Element) -> Floats:
    """Full extents along the axes of the shape."""
    (shape,) = list(collision.find("geometry") or [])
    if shape.tag == "box":
        return np.array([float(v) for v in (shape.findtext("size") or "").split()])
    if shape.tag == "mesh":
        lines = (FOLDER / (shape.findtext("uri") or "")).read_text().splitlines()
        points = np.array([[float(v) for v in x.split()[1:]] for x in lines if x[:2] == "v "])
        return np.asarray(np.ptp(points, axis=0))
    across = 2.0 * number(shape, "radius")
    if shape.tag == "sphere":
        return np.full(3, across)
    length = number(shape, "length") + (across if shape.tag == "capsule" else 0.0)
    return np.array([across, across, length])


def _size(model: mujoco.MjModel, geom: int) -> Floats:
    kind, size = int(model.geom_type[geom]), model.geom_size[geom]
    kinds = mujoco.mjtGeom
    if kind == kinds.mjGEOM_BOX.value:
        return np.asarray(2.0 * size)
    if kind == kinds.mjGEOM_SPHERE.value:
        return np.full(3, 2.0 * size[0])
    if kind == kinds.mjGEOM_MESH.value:
        mesh = model.geom_dataid[geom]
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        w, x, y, z = model.mesh_quat[mesh]
        turn = Rotation.from_quat([x, y, z, w]).as_matrix()
        return np.asarray(np.ptp(model.mesh_vert[first : first + count] @ turn.T, axis=0))
    ends = 2.0 * size[0] if kind == kinds.mjGEOM_CAPSULE.value else 0.0
    return np.array([2.0 * size[0], 2.0 * size[0], 2.0 * size[1] + ends])


def test_a_mesh_is_as_large_as_its_shape(scene: Scene) -> None:
    sizes = {item.name: geometry(item.shape).size for item in scene.objects}
    drawn = sorted((FOLDER / "meshes").glob("*.obj"))
    assert len(drawn) == 4
    for file in drawn:
        lines = [line.split() for line in file.read_text().splitlines()]
        points = np.array([[float(v) for v in line[1:]] for line in lines if line[0] == "v"])
        normals = np.array([[float(v) for v in line[1:]] for line in lines if line[0] == "vn"])
        np.testing.assert_allclose(np.ptp(points, axis=0), sizes[file.stem], atol=2e-6)
        if file.stem in ("soap", "bottle"):  # what is hollow has normals that look inward as well
            assert (np.einsum("ij,ij->i", points, normals) > 0).all(), "normals look outward"


def test_both_cameras_look_as_in_mujoco_and_name_their_optical_frames(
    scene: Scene, world: ElementTree.Element
) -> None:
    robot = world.find("model[@name='robot']")
    assert robot is not None
    sensors = robot.findall("link/sensor")
    assert [s.get("name") for s in sensors] == ["camera", "camera_b"]
    for sensor, camera in zip(sensors, scene.cameras, strict=True):
        body = pose(robot) @ pose(sensor)
        wanted = camera_track(camera).at(0.0)
        np.testing.assert_allclose(body.translation, wanted.translation, atol=1e-7)
        np.testing.assert_allclose(body.rotation[:, 0], wanted.rotation[:, 2], atol=1e-7)
        np.testing.assert_allclose(body.rotation[:, 2], -wanted.rotation[:, 1], atol=1e-7)
        width = number(sensor, "camera/image/width")
        focal = width / 2.0 / math.tan(number(sensor, "camera/horizontal_fov") / 2.0)
        assert focal == pytest.approx(scene.intrinsics(camera).fx)
        frame = f"{camera.name}_color_optical_frame"
        assert sensor.findtext("gz_frame_id") == frame
        assert sensor.findtext("camera/optical_frame_id") == frame
        assert number(sensor, "update_rate") == scene.rate


def test_the_urdf_leads_from_the_base_to_where_the_cameras_are(
    scene: Scene, world: ElementTree.Element
) -> None:
    urdf = ElementTree.parse(FOLDER / "robot.urdf").getroot()
    joints = {j.find("child").get("link"): j for j in urdf.findall("joint")}  # type: ignore[union-attr]
    robot = world.find("model[@name='robot']")
    assert robot is not None
    for camera in scene.cameras:
        link: str | None = f"{camera.name}_color_optical_frame"
        found = Pose.identity()
        while link in joints:
            origin = joints[link].find("origin")
            assert origin is not None
            turn = Rotation.from_euler("xyz", [float(v) for v in (origin.get("rpy") or "").split()])
            place = np.array([float(v) for v in (origin.get("xyz") or "").split()])
            found = Pose(turn.as_matrix(), place) @ found
            link = joints[link].find("parent").get("link")  # type: ignore[union-attr]
        assert link == "base_link"
        key = camera.path[0]
        wanted = look_at(np.array(key.position), np.array(key.look_at))
        assert same(pose(robot) @ found, wanted, 1e-6)
    assert joints[PUSHER].get("type") == "floating"


def test_the_person_walks_the_way_of_the_scene_and_is_seen_in_mujoco(
    scene: Scene, world: ElementTree.Element
) -> None:
    actor = world.find("actor[@name='person']")
    assert actor is not None
    simulated = World(scene)
    for point, key in zip(
        actor.findall("script/trajectory/waypoint"), scene.walkers[0].path, strict=True
    ):
        values = [float(v) for v in (point.findtext("pose") or "").split()]
        assert number(point, "time") == key.time
        simulated.advance(key.time)
        there = simulated.motion("person").pose
        np.testing.assert_allclose(values[:2], there.translation[:2], atol=1e-6)
        heading = [math.cos(values[5]), math.sin(values[5])]
        np.testing.assert_allclose(there.rotation[:2, 0], heading, atol=1e-6)


def test_every_system_exists_and_every_pose_is_named(world: ElementTree.Element) -> None:
    for plugin in world.iter("plugin"):
        assert SYSTEMS[plugin.get("filename") or ""] == plugin.get("name")
    told = {
        m.get("name"): [p.findtext("robot_base_frame") for p in m.findall("plugin")]
        for m in world.findall("model")
        if m.find("static") is None
    }
    for name, frames in told.items():
        assert ("base_link" if name == "robot" else name) in frames
    assert all(p == "map" for p in (e.text for e in world.iter("odom_frame")))
    names = [m.get("name") for m in (*world.findall("model"), *world.findall("actor"))]
    assert len(set(names)) == len(names)
    assert all((FOLDER / (uri.text or "")).is_file() for uri in world.iter("uri"))
    assert world.get("name") == WORLD


def test_what_crosses_the_bridge_has_a_source_and_the_types_of_our_table(
    scene: Scene, world: ElementTree.Element
) -> None:
    rows = yaml.safe_load((FOLDER / "bridge.yaml").read_text())
    topics = {row["ros_topic_name"]: row for row in rows}
    made = {"/clock"} | {e.text for e in world.iter("tf_topic")}
    for sensor in world.iter("sensor"):
        topic = sensor.findtext("topic")
        made |= {f"/{topic}/{part}" for part in ("image", "depth_image", "camera_info")}
    taken = {
        f"/model/{m.get('name')}/cmd_vel"
        for m in world.findall("model")
        if any("velocity-control" in (p.get("filename") or "") for p in m.findall("plugin"))
    }
    for row in rows:
        there = made if row["direction"] == "GZ_TO_ROS" else taken
        assert row["gz_topic_name"] in there
    table = {t.name: t.type_name for spec in NODES for t in (*spec.publishes, *spec.subscribes)}
    for name in ("camera/color/image_raw", "camera/depth/image_raw", "camera/color/camera_info"):
        assert topics[name]["ros_type_name"] == table[name]
    for name in ("/clock", "/tf", "truth/poses", "pusher_velocity"):
        assert topics[name]["ros_type_name"] == table.get(name, topics[name]["ros_type_name"])


@pytest.mark.parametrize(
    ("keys", "culprit"), [({"occluders": (PANEL,)}, "panel"), ({"pushes": (PUSH,)}, "push")]
)
def test_what_moves_by_a_schedule_is_refused_by_name(
    keys: dict[str, tuple[object, ...]], culprit: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"'{culprit}' moves by a schedule"):
        world_sdf(small_scene(**keys))


def test_another_scene_gives_another_world_and_the_same_scene_the_same() -> None:
    scene = small_scene(thing("cup", Mug(0.04, 0.09)))
    assert files(scene) == files(scene)
    heavier = replace(scene, objects=(replace(scene.objects[0], mass=0.9),))
    assert files(heavier)["world.sdf"] != files(scene)["world.sdf"]
    assert "meshes/cup.obj" in files(scene)
