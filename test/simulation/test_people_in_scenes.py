"""People with limbs in simulated scenes: seen, true, and felt by what they meet."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from small_scene import PERFECT, small_scene, thing

from perception_nodes.bags.reader import open_bag
from perception_nodes.cli import main
from perception_nodes.embodmocap.skeleton import INDEX, SURFACE
from perception_nodes.errors import ConfigurationError, InputError
from perception_nodes.ros.conversion import people_from_msg
from perception_nodes.scene import ObjectState, Person, Sample, Visibility
from perception_simulation import specification as spec
from perception_simulation.gazebo.world import world_sdf
from perception_simulation.generator import generate
from perception_simulation.scene_file import load_scene, save_scene
from perception_simulation.simulator import Simulator
from perception_simulation.world import World

WRISTS = [INDEX["left_wrist"], INDEX["right_wrist"]]
HIPS = [INDEX["left_hip"], INDEX["right_hip"]]
ANKLES = [INDEX["left_ankle"], INDEX["right_ankle"]]
WAY = (
    spec.WalkerKey(0.2, (0.3, -0.9), 1.5708),
    spec.WalkerKey(2.6, (0.3, 0.6), 1.5708),
    spec.WalkerKey(3.4, (0.3, 0.6), 3.1416),
)
WALKER = spec.Walker("ann", WAY, motion=spec.WALKING)
EYE = spec.MovingCamera((spec.CameraKey(0.0, (-2.4, 0.2, 1.4), (0.3, 0.0, 0.85)),))
BALL = thing("ball", spec.Sphere(0.11), position=(0.3, 1.5), mass=0.4)


def room(*walkers: spec.Walker, **keys: object) -> spec.Scene:
    scene = small_scene(
        BALL, cameras=(EYE,), place="room", area=(6.0, 6.0), width=320, height=240, rate=5.0,
        duration=3.6, walkers=walkers, sensor=PERFECT,
    )  # fmt: skip
    return replace(scene, **keys)  # type: ignore[arg-type]


@cache
def walk() -> list[Sample]:
    return list(Simulator(room(WALKER)))


def person(sample: Sample) -> Person:
    assert sample.truth is not None
    (found,) = sample.truth.people
    return found


def state(sample: Sample, name: str) -> ObjectState:
    assert sample.truth is not None
    return next(s for s in sample.truth.objects if s.id == name)


@pytest.mark.usefixtures("rendering")
def test_arms_and_legs_move_beside_the_body() -> None:
    joints = np.array([person(s).joints for s in walk()])
    pelvis = joints[:, HIPS].mean(axis=1, keepdims=True)
    assert np.ptp(pelvis[:, 0, 1]) > 1.2
    assert (np.ptp(joints[:, WRISTS] - pelvis, axis=0).max(axis=1) > 0.2).all()
    assert (np.ptp(joints[:, ANKLES] - pelvis, axis=0).max(axis=1) > 0.2).all()


@pytest.mark.usefixtures("rendering")
def test_joints_lie_in_the_picture_of_the_person_just_below_its_surface() -> None:
    for sample in walk():
        frame, truth = sample
        assert truth is not None
        assert truth.labels is not None
        assert frame.pose is not None
        pixels, z = frame.camera.project(frame.pose.inverse().apply(person(sample).joints))
        column, row = np.rint(pixels).astype(int).T
        mine = 1 + [s.id for s in truth.objects].index("ann")
        shown = truth.labels[row, column] == mine
        assert shown.sum() >= 16
        behind = z - frame.depth[row, column]
        # what hides a joint is at most the body itself
        assert (behind[shown] > -0.02).all()
        assert (behind[shown] < 0.6).all()
        assert np.median(np.abs(behind - SURFACE)[shown]) < 0.05


@pytest.mark.usefixtures("rendering")
def test_a_person_is_one_thing_whose_box_holds_all_of_it() -> None:
    for sample in walk():
        frame, truth = sample
        assert truth is not None
        assert truth.labels is not None
        assert frame.pose is not None
        assert [s.label for s in truth.objects].count("person") == 1
        assert set(np.unique(truth.labels)) <= set(range(len(truth.objects) + 1))
        box = state(sample, "ann")
        assert box.visibility is Visibility.VISIBLE
        mine = truth.labels == 1 + truth.objects.index(box)
        rays = frame.camera.rays().astype(float)
        points = frame.pose.apply(rays[mine] * frame.depth[mine][:, None])
        assert len(points) > 1500
        assert (np.abs(box.pose.inverse().apply(points)) <= box.size / 2.0 + 0.01).all()
        assert box.size[2] == pytest.approx(1.75, abs=0.06)


@pytest.mark.usefixtures("rendering")
def test_the_same_scene_with_people_gives_the_same_frames() -> None:
    scene = room(WALKER, duration=0.8)
    for a, b in zip(Simulator(scene), walk(), strict=False):
        np.testing.assert_array_equal(a.frame.color, b.frame.color)
        np.testing.assert_array_equal(a.frame.depth, b.frame.depth)
        np.testing.assert_array_equal(person(a).joints, person(b).joints)


def test_feet_stand_still_on_the_floor_in_turn_and_legs_keep_their_length() -> None:
    world = World(room(WALKER))
    body = world.crowd.people[0]
    times = np.arange(0.0, 3.6, 0.02)
    joints = np.array([body.joints(t) for t in times])
    ankles = joints[:, ANKLES]
    assert (ankles[..., 2].min(axis=1) < 0.1).all()
    assert ankles[..., 2].min() > 0.08
    speed = np.linalg.norm(np.diff(ankles, axis=0), axis=2).min(axis=1) / 0.02
    assert speed.max() < 0.1
    standing = np.array([body.truth(t, 1).contacts[ANKLES] for t in times])
    assert standing.any(axis=1).all()
    assert not standing.all()
    shins = np.linalg.norm(joints[:, INDEX["left_knee"]] - joints[:, ANKLES[0]], axis=1)
    assert np.ptp(shins) < 0.01


def test_the_walk_follows_the_keys() -> None:
    body = World(room(WALKER)).crowd.people[0]
    for key in WAY:
        hips = body.joints(key.time)[HIPS]
        np.testing.assert_allclose(hips.mean(axis=0)[:2], key.position, atol=1e-3)
        across = hips[0] - hips[1]
        np.testing.assert_allclose(
            across[:2] / np.linalg.norm(across), [-np.sin(key.yaw), np.cos(key.yaw)], atol=1e-3
        )


def test_a_foot_kicks_a_ball_that_rests_and_a_stiff_walker_does_not() -> None:
    ball = replace(BALL, position=(0.35, 0.0))
    for motion, moved in ((spec.WALKING, True), (spec.STIFF, False)):
        world = World(room(replace(WALKER, motion=motion), objects=(ball,)))
        touched = False
        for time in np.arange(0.1, 3.0, 0.02):
            world.advance(float(time))
            touched |= any({c.first, c.second} == {"ann", "ball"} for c in world.contacts())
        away = np.linalg.norm(world.motion("ball").pose.translation[:2] - (0.35, 0.0))
        assert touched == moved
        assert bool(away > 0.1) == moved


def test_a_branch_of_the_world_has_the_same_people() -> None:
    world = World(room(WALKER, objects=(replace(BALL, position=(0.35, 0.0)),)))
    world.advance(0.9)
    other = world.branch()
    for branch in (world, other):
        branch.advance(2.5)
    np.testing.assert_array_equal(world.data.mocap_pos, other.data.mocap_pos)
    np.testing.assert_array_equal(world.data.qpos, other.data.qpos)


@pytest.fixture
def recording(shared_data: Path) -> Path:
    return shared_data / "human" / "cmu-13_26.bvh"


def test_a_recording_is_replayed_around_its_key_at_the_walkers_height(recording: Path) -> None:
    key = spec.WalkerKey(1.0, (1.0, 0.5), 1.5708)
    tall = spec.Walker("bob", (key,), 1.9, motion=str(recording))
    body = World(room(tall)).crowd.people[0]
    np.testing.assert_array_equal(body.joints(0.0), body.joints(1.0))
    times = np.arange(1.0, 26.0, 0.25)
    joints = np.array([body.joints(t) for t in times])
    middle = (joints.min(axis=(0, 1)) + joints.max(axis=(0, 1))) / 2.0
    np.testing.assert_allclose(middle[:2], key.position, atol=0.1)
    assert np.percentile(joints[:, INDEX["left_ear"], 2], 90) == pytest.approx(1.75, abs=0.04)
    assert np.ptp(joints[:, WRISTS, 2]) > 0.5
    assert abs(float(np.percentile(joints[:, ANKLES, 2], 5)) - 0.1) < 0.02


@pytest.mark.usefixtures("rendering")
def test_a_recorded_person_is_seen_where_its_joints_are(recording: Path) -> None:
    key = spec.WalkerKey(-5.0, (0.3, 0.0), 3.1416)
    bob = spec.Walker("bob", (key,), motion=str(recording))
    for sample in Simulator(room(bob, duration=1.0, rate=2.0)):
        frame, truth = sample
        assert truth is not None
        assert truth.labels is not None
        assert frame.pose is not None
        pixels, _ = frame.camera.project(frame.pose.inverse().apply(person(sample).joints))
        column, row = np.rint(pixels).astype(int).T
        assert (truth.labels[row, column] == 2).sum() >= 16


def test_a_scene_file_names_its_recording_beside_it(tmp_path: Path) -> None:
    (tmp_path / "dance.bvh").write_text("HIERARCHY")
    (tmp_path / "elsewhere").mkdir()
    scene = room(replace(WALKER, path=WAY[:1], motion="dance.bvh"))
    save_scene(scene, tmp_path / "scene.yaml")
    loaded = load_scene(tmp_path / "scene.yaml")
    assert loaded.walkers[0].motion == str(tmp_path / "dance.bvh")
    save_scene(loaded, tmp_path / "elsewhere" / "scene.yaml")
    assert load_scene(tmp_path / "elsewhere" / "scene.yaml") == loaded


@pytest.mark.parametrize(
    ("walker", "words", "remedy"),
    [
        (replace(WALKER, motion="walkin"), "ann: unknown motion 'walkin'", "walking"),
        (replace(WALKER, motion="/a/b.bvh"), "no motion file /a/b.bvh", "folder of the scene"),
        (replace(WALKER, name="limb of a table"), "taken by the simulator", ""),
    ],
)
def test_a_motion_that_is_not_there_is_named(walker: spec.Walker, words: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        World(room(walker))
    assert remedy in caught.value.remedy


def test_a_recording_has_one_key_and_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "dance.bvh").write_text("not a recording")
    dancer = replace(WALKER, motion=str(tmp_path / "dance.bvh"))
    with pytest.raises(ConfigurationError, match="its path has 3 keys"):
        World(room(dancer))
    with pytest.raises(InputError, match=r"dance\.bvh is no BVH file"):
        World(room(replace(dancer, path=WAY[:1])))


@pytest.mark.usefixtures("rendering")
def test_a_recording_tells_the_joints_of_people(tmp_path: Path) -> None:
    save_scene(room(WALKER, duration=0.6), tmp_path / "scene.yaml")
    bag = tmp_path / "people.mcap"
    assert main(["simulate", "-o", str(bag), "--scene", str(tmp_path / "scene.yaml")]) == 0
    with open_bag(bag) as recording:
        told = [m.data for m in recording.messages() if m.topic == "/truth/people"]
    for message, sample in zip(told, walk(), strict=False):
        (found,) = people_from_msg(message)
        assert found.id == "ann"
        assert found.stamp == sample.frame.stamp
        np.testing.assert_allclose(found.joints, person(sample).joints)
        np.testing.assert_array_equal(found.contacts, person(sample).contacts)
    assert len(told) == 3


@pytest.mark.parametrize("place", ["tabletop", "room"])
def test_people_walk_by_in_random_scenes_that_stay_the_same(place: spec.Place) -> None:
    scene = generate(4, place, people=2)
    assert replace(scene, walkers=()) == generate(4, place)
    assert [w.name for w in scene.walkers] == ["person_1", "person_2"]
    World(scene)
    for walker in scene.walkers:
        assert walker.path[-1].time > scene.duration - 2.0  # and rests
        # nobody walks through the table, the walls or another
        line = walker.path[0].position[0]
        assert scene.support_height == 0.0 or line > scene.area[0] / 2.0 + 0.3
        assert line < 2.5
    with pytest.raises(ConfigurationError, match="not 3"):
        generate(4, people=3)


def test_gazebo_walks_its_own_person_and_refuses_a_recording(tmp_path: Path) -> None:
    stiff = replace(room(WALKER), pushes=(), walkers=(replace(WALKER, motion=spec.STIFF),))
    assert world_sdf(room(WALKER)) == world_sdf(stiff)
    (tmp_path / "dance.bvh").write_text("")
    dancer = replace(WALKER, path=WAY[:1], motion=str(tmp_path / "dance.bvh"))
    with pytest.raises(ConfigurationError, match="can't do"):
        world_sdf(room(dancer))


@pytest.mark.usefixtures("rendering")
def test_the_scene_that_ships_shows_both_people_to_both_cameras_and_a_kick() -> None:
    scene = load_scene(Path(__file__).resolve().parents[2] / "worlds" / "people.yaml")
    small = replace(scene, width=160, height=120, rate=1.0, duration=6.0)
    ball = []
    for sample in Simulator(small):
        assert sample.truth is not None
        assert sample.truth.labels is not None
        people = [k for k, s in enumerate(sample.truth.objects) if s.label == "person"]
        assert all((sample.truth.labels == k + 1).sum() > 50 for k in people)
        assert len(sample.truth.people) == len(people) == 2
        ball.append(state(sample, "ball").position)
    assert np.linalg.norm(ball[-1] - ball[0]) > 0.3
