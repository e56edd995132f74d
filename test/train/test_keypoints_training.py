"""Rendered people, the maps that are learned from them, and how found people are scored."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
import torch

from perception_models.keypoints import raster
from perception_models.keypoints.backgrounds import background
from perception_models.keypoints.bodies import PARTS, Bodies
from perception_models.keypoints.network import KeypointsNetwork
from perception_models.keypoints.pictures import HIDDEN, VISIBLE, Picture, draw_people, photograph
from perception_models.keypoints.poses import local_turns, posture_of, random_posture
from perception_models.keypoints.samples import MIRRORED, Crop, crop, targets
from perception_models.keypoints.scoring import compare
from perception_models.keypoints.task import Configuration, KeypointsTask
from perception_nodes.embodmocap.keypoints import Decoding, decode
from perception_nodes.embodmocap.skeleton import COUNT, INDEX
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_simulation.people.walking import WalkingMotion

SQUARE = Camera(64, 64, 60.0, 60.0, 31.5, 31.5)
LEFT_ARM = ("upperarm01.L", "left_shoulder", "left_elbow")


def box(center: tuple[float, float, float], half: float) -> tuple[np.ndarray, np.ndarray]:
    """A cube whose faces are seen counterclockwise from outside."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
    return corners * half + center, np.array(faces)


def statue() -> Bodies:
    """Somebody made of a box, with joints inside; enough to be photographed."""
    surface, faces = box((0.0, 0.0, 0.0), 0.1)
    surface[:, 2] = (surface[:, 2] + 0.1) / 0.2 * 1.7
    joints = WalkingMotion().at(0.0) * [0.2, 0.2, 0.95]
    joints[:, :2] -= joints[:, :2].mean(axis=0)
    named = ("hair", "face", "trunk", "pelvis", "upper arm", "thigh", "shank", "foot")
    parts = np.array([PARTS.index(name) for name in named])
    return Bodies(surface[None], joints[None], faces, parts, surface)


def walker(left: float, size: float = 80.0) -> np.ndarray:
    joints = WalkingMotion().at(0.4)
    flat = joints[:, [1, 2]] - joints[:, [1, 2]].min(axis=0)
    return np.stack([left + size * flat[:, 0], 20.0 + size * (1.7 - flat[:, 1])], axis=1)


def picture(*people: np.ndarray) -> Picture:
    count = len(people)
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    return Picture(image, np.array(people), np.full((count, COUNT), VISIBLE), np.ones(count),
                   np.ones(count))  # fmt: skip


def test_of_two_boxes_the_nearer_is_drawn_where_it_is() -> None:
    (near, faces), (far, _) = box((0.0, 0.0, 2.0), 0.2), box((0.2, 0.0, 4.0), 0.8)
    ids, depth = raster.draw(
        SQUARE, np.concatenate([near, far]), np.concatenate([faces, faces + len(near)])
    )
    assert (ids[32, 32] < len(faces)) & (ids[32, 32] >= 0)
    assert depth[32, 32] == pytest.approx(1.8, abs=1e-3)
    expected = 60.0 * 0.2 / 1.8
    assert (np.flatnonzero((ids[32] >= 0) & (ids[32] < len(faces))).size
            == pytest.approx(2 * expected, abs=1.5))  # fmt: skip
    behind = (ids >= len(faces)).sum()
    assert behind > 300
    assert np.isinf(depth[0, 0])
    assert ids[0, 0] == raster.NOTHING


def test_surfaces_have_no_holes_however_near_they_are() -> None:
    surface, faces = box((0.0, 0.0, 1.3), 0.5)
    ids, _ = raster.draw(SQUARE, surface, faces)
    assert (ids[8:56, 8:56] >= 0).all()


def test_what_is_seen_from_behind_is_not_drawn() -> None:
    surface, faces = box((0.0, 0.0, 2.0), 0.4)
    assert raster.draw(SQUARE, surface, faces)[1][32, 32] == pytest.approx(1.6, abs=1e-3)
    inside_out = raster.draw(SQUARE, surface, faces[:, ::-1])[1]
    assert inside_out[32, 32] == pytest.approx(2.4, abs=1e-3)


def test_a_limb_points_where_the_joints_of_a_skeleton_say() -> None:
    joints = WalkingMotion().at(0.9)
    posture = posture_of(joints)
    for bone, start, end in (LEFT_ARM, ("lowerleg01.R", "right_knee", "right_ankle")):
        rest = np.array([0.63, -0.07, -0.77]) if "arm" in bone else np.array([-0.09, 0.07, -0.99])
        way = joints[INDEX[end]] - joints[INDEX[start]]
        found = posture[bone] @ (rest / np.linalg.norm(rest))
        assert found @ (way / np.linalg.norm(way)) == pytest.approx(1.0, abs=1e-6)


def test_turns_along_the_chain_add_up_to_the_posture() -> None:
    posture = random_posture(np.random.default_rng(3))
    bones = ["root", "spine05", "spine01", "upperarm01.L", "lowerarm01.L", "hand"]
    turns = local_turns(posture, bones, [-1, 0, 1, 2, 3, 4])
    total = np.eye(3)
    for k, bone in enumerate(bones):
        total = total @ turns[k, :3, :3]
        if bone in posture:
            assert np.allclose(total, posture[bone])
    assert np.allclose(turns[-1], np.eye(4))


def test_a_photograph_depends_on_its_seed_alone_and_tells_hidden_joints() -> None:
    one, again = (photograph(np.random.default_rng(11), statue()) for _ in range(2))
    assert (one.image == again.image).all()
    assert (one.pixels == again.pixels).all()
    other = photograph(np.random.default_rng(12), statue())
    assert (one.image != other.image).any()
    seen = np.concatenate(
        [photograph(np.random.default_rng(k), statue()).seen.ravel() for k in range(20, 32)]
    )
    assert {HIDDEN, VISIBLE} <= set(seen.tolist())


def test_people_are_drawn_where_their_joints_are() -> None:
    bodies = statue()
    camera = Camera(160, 120, 120.0, 120.0, 79.5, 59.5)
    turned = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    pose = Pose(turned, np.array([-3.0, 0.0, 0.9]))
    image = background(np.random.default_rng(0), 160, 120)
    owner, depth = draw_people(
        np.random.default_rng(1), bodies, [(bodies.surfaces[0], np.zeros(3))], pose.inverse(),
        camera, image,
    )  # fmt: skip
    pixels, z = camera.project(pose.inverse().apply(bodies.joints[0]))
    columns, rows = np.rint(pixels).astype(int).T
    assert (owner[rows, columns] == 0).mean() > 0.9
    assert (depth[rows, columns] <= z + 0.1).all()


def test_maps_of_crops_lead_back_to_the_people() -> None:
    shown = picture(walker(90.0), walker(170.0, 100.0))
    for seed in range(4):
        cut = crop(np.random.default_rng(seed), shown, 320, 240)
        made = targets([cut])
        assert made["maps"].shape == (1, COUNT + 1, 60, 80)
        pixels, _ = decode(made["maps"][0].numpy(), made["offsets"][0].numpy())
        agreed = compare(pixels, cut.pixels, cut.seen)
        assert agreed.invented == 0
        assert agreed.oks.min() > 0.9
    flat, _ = decode(made["maps"][0].numpy(), made["offsets"][0].numpy(), Decoding(refine=False))
    assert compare(flat, cut.pixels, cut.seen).oks.min() > 0.5


def test_a_mirror_exchanges_left_and_right() -> None:
    shown = picture(walker(120.0))
    sides = []
    for seed in range(12):
        cut = crop(np.random.default_rng(seed), shown, 320, 240)
        hips = cut.pixels[0, [INDEX["left_hip"], INDEX["right_hip"]], 0]
        nose = cut.pixels[0, INDEX["nose"], 0] - cut.pixels[0, [5, 6], 0].mean()
        sides.append((hips[0] > hips[1], nose > 0.0))
    assert len({nose for _, nose in sides}) == 2, "some are mirrored, some are not"
    assert len({left for left, _ in sides}) == 1, "left stays where somebody facing so has it"
    assert (MIRRORED[MIRRORED] == np.arange(COUNT)).all()
    assert MIRRORED[INDEX["left_wrist"]] == INDEX["right_wrist"]


def test_hidden_joints_are_learned_as_less_sure_and_joints_outside_not_at_all() -> None:
    joints = walker(120.0)
    seen = np.full((1, COUNT), VISIBLE)
    seen[0, INDEX["nose"]], seen[0, INDEX["left_knee"]] = HIDDEN, 0
    made = targets([Crop(picture(joints).image, joints[None], seen)])
    peaks = made["maps"][0].amax(dim=(1, 2))
    assert 0.3 < float(peaks[INDEX["nose"]]) < 0.45
    assert float(peaks[INDEX["left_knee"]]) == 0.0
    assert float(made["weight"][0, 2 * INDEX["left_knee"]].max()) == 0.0
    assert float(peaks[INDEX["right_hip"]]) > 0.8


def test_similarity_falls_with_distance_and_tells_who_was_missed_or_invented() -> None:
    true, seen = walker(100.0)[None], np.full((1, COUNT), VISIBLE)
    assert compare(true, true, seen).oks.tolist() == [1.0]
    off = [float(compare(true + d, true, seen).oks[0]) for d in (1.0, 4.0)]
    assert 1.0 > off[0] > off[1] > 0.3
    both = compare(np.concatenate([true, true + 150.0]), true, seen)
    assert (both.match.tolist(), both.invented) == ([0], 1)
    assert compare(np.empty((0, COUNT, 2)), true, seen).match.tolist() == [-1]
    assert compare(true, np.empty((0, COUNT, 2)), np.empty((0, COUNT))).invented == 1


def test_the_network_learns_a_picture_and_takes_sizes_that_are_no_multiples() -> None:
    torch.manual_seed(0)
    task = KeypointsTask(Configuration(), torch.device("cpu"))
    network = KeypointsNetwork((8, 8, 16, 16))
    cut = crop(np.random.default_rng(1), picture(walker(120.0)), 128, 96)
    made = targets([cut, cut])
    optimizer = torch.optim.AdamW(network.parameters(), 5e-3)
    losses = []
    for _ in range(12):
        loss = task.loss(network, made, {})
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
    maps, offsets = network.eval()(torch.zeros(1, 240, 320, 3, dtype=torch.uint8))
    assert maps.shape == (1, COUNT + 1, 60, 80)
    assert offsets.shape == (1, 2 * COUNT, 30, 40)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("anny") is None, reason="the body model anny is not installed"
)
def test_a_body_stands_on_the_floor_with_its_left_where_the_skeleton_has_it() -> None:
    from perception_models.keypoints.bodies import embody, random_build

    motion = WalkingMotion().at(0.3)
    body = embody([posture_of(motion)], [random_build(np.random.default_rng(1))])
    joints = body.joints[0]
    assert body.surfaces[0][:, 2].min() == pytest.approx(0.0, abs=1e-5)
    for a, b in (("left_hip", "right_hip"), ("left_shoulder", "right_shoulder"),
                 ("left_elbow", "left_wrist"), ("right_knee", "right_ankle"),
                 ("left_ear", "nose")):  # fmt: skip
        way, wanted = (p[INDEX[a]] - p[INDEX[b]] for p in (joints, motion))
        cosine = way @ wanted / np.linalg.norm(way) / np.linalg.norm(wanted)
        assert cosine > math.cos(math.radians(25.0)), (a, b)
