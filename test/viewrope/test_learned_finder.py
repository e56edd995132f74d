"""The learned encoder as a slot source: what it gives, remembers, and makes of bad input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from fake_encoder import MEMORY, FakeEncoder, latent
from raytraced import CAMERA, Ball, Cuboid, Solid, look_at, picture

from perception_kernels.unproject import unproject
from perception_nodes.arrays import Bytes
from perception_nodes.errors import InputError, ModelError
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame, Slots
from perception_nodes.viewrope.learned import LearnedFinder
from perception_nodes.viewrope.source import SlotSource, Telling

BOX = Cuboid((0.05, 0.15, 0.05), (0.12, 0.08, 0.10), 0.5)
BALL = Ball((-0.15, -0.1, 0.04), 0.04)
SECOND = 10**9
EYE = (-0.8, 0.0, 0.6)


def look(eye: tuple[float, float, float] = EYE, yaw: float = 0.0) -> Pose:
    """From a place toward the objects, turned by degrees."""
    angle = np.arctan2(-eye[1], -eye[0]) + np.deg2rad(yaw)
    return look_at(eye, (eye[0] + np.cos(angle), eye[1] + np.sin(angle), eye[2] - 0.7))


def show(
    second: float = 0.0,
    pose: Pose | None = None,
    name: str = "camera",
    solids: tuple[Solid, ...] = (BOX, BALL),
) -> tuple[Frame, Bytes]:
    """A frame with each solid in a color of its own, and its true labels."""
    frame, truth = picture(list(solids), pose=look() if pose is None else pose)
    color = np.full((CAMERA.height, CAMERA.width, 3), 90, np.uint8)
    for number in range(1, len(solids) + 1):
        color[truth == number] = (40 * number, 200, 10)
    stamp = round(second * SECOND)
    return replace(frame, stamp=stamp, camera_name=name, color=color), truth


def code(number: int) -> int:
    """Of the color of a solid, as the fake encoder computes it."""
    return (40 * number << 16) + (200 << 8) + 10


def iou(slots: Slots, truth: Bytes, index: int, number: int) -> float:
    shape = slots.labels.shape
    wanted = cv2.resize(truth, shape[::-1], interpolation=cv2.INTER_NEAREST) == number
    found = slots.labels == index + 1
    return float((wanted & found).sum() / (wanted | found).sum())


def test_it_is_a_slot_source_that_tells_of_itself() -> None:
    source: SlotSource = LearnedFinder(FakeEncoder())
    assert isinstance(source, Telling)
    assert source.model_id == "fake-1"
    assert source.facts()["device"] == "fake"


def test_masks_become_slots_with_boxes_latents_and_scores() -> None:
    frame, truth = show()
    slots = LearnedFinder(FakeEncoder()).find(frame)
    assert [slot.index for slot in slots.items] == [0, 1]
    assert frame.pose is not None
    for number, (slot, solid) in enumerate(zip(slots.items, (BOX, BALL), strict=True), 1):
        center = frame.pose.apply(slot.pose.translation)
        assert np.linalg.norm(center - solid.center) < 0.02
        assert np.allclose(np.sort(slot.size), np.sort(solid.size), atol=0.03)
        assert slot.score == pytest.approx(0.9)
        assert slot.latent is not None
        assert np.allclose(slot.latent, latent(code(number)), atol=1e-6)
        assert iou(slots, truth, slot.index, number) > 0.93


def test_edges_follow_depth_not_the_cells_of_the_mask() -> None:
    frame, truth = show()
    network = FakeEncoder()
    slots = LearnedFinder(network).find(frame)
    coarse = network.run(network.given[0])["masks"][0]
    blocky = cv2.resize(coarse.argmax(axis=0).astype(np.uint8), (320, 240), interpolation=0)
    plain = replace(slots, labels=blocky)
    for number in (1, 2):
        assert iou(slots, truth, number - 1, number) > iou(plain, truth, number - 1, number) + 0.01


def test_slots_of_low_objectness_are_empty() -> None:
    network = FakeEncoder()
    network.objectness = 0.4
    slots = LearnedFinder(network).find(show()[0])
    assert slots.items == ()
    assert not slots.labels.any()


def test_a_frame_without_objects_gives_no_slots() -> None:
    assert LearnedFinder(FakeEncoder()).find(show(solids=())[0]).items == ()


def test_it_attends_to_key_frames_that_show_the_same() -> None:
    network = FakeEncoder()
    finder = LearnedFinder(network)
    finder.find(show(0.0)[0])
    finder.find(show(1.0, look(yaw=15.0))[0])
    finder.find(show(2.0, look(yaw=27.0))[0])
    first, second, third = network.given
    assert not first["memory_valid"].any()
    assert second["memory_valid"][0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert third["memory_valid"][0].sum() == 2.0
    camera = Camera(320, 240, *(float(v) for v in first["camera"][0]))
    points = unproject(first["depth"][0], camera.rays())
    kept = points[::16, ::16].reshape(-1, 3)[:, [0, 1, 2] * 4]
    assert np.allclose(second["memory"][0, 0], kept, atol=2e-3)
    assert np.allclose(second["memory_rays"][0, 0], first["rays"][0])
    assert not second["memory_place"][0, 1].any()
    assert finder.facts()["key frames"] == "3"


def test_places_of_key_frames_are_seen_from_where_the_camera_is_now() -> None:
    network = FakeEncoder()
    finder = LearnedFinder(network)
    moved = (EYE[0], EYE[1] + 0.2, EYE[2])
    finder.find(show(0.0)[0])
    finder.find(show(1.0, look(moved))[0])
    first, second = network.given
    assert second["memory_valid"][0, 0] == 1.0
    assert np.abs(second["memory_place"][0, 0] - first["place"][0]).max() > 0.1


def test_looking_away_leaves_no_memory_and_coming_back_finds_it_again() -> None:
    network = FakeEncoder()
    finder = LearnedFinder(network)
    for second, yaw in enumerate((0.0, 80.0, 160.0, 80.0, 0.0)):
        finder.find(show(second, look(yaw=yaw))[0])
    valid = [given["memory_valid"][0].sum() for given in network.given]
    assert valid[:3] == [0.0, 0.0, 0.0]
    recalled = network.given[4]["memory_rays"][0]
    assert any(np.allclose(rays, network.given[0]["rays"][0]) for rays in recalled)


def test_slots_persist_their_centers_moved_into_the_present_camera() -> None:
    network = FakeEncoder()
    finder = LearnedFinder(network, persistent=True)
    turned = look(yaw=6.0)
    finder.find(show(0.0)[0])
    finder.find(show(0.1, turned)[0])
    first, second = network.given
    assert not first["previous_valid"].any()
    assert second["previous_valid"][0].tolist() == [1.0, 1.0] + 14 * [0.0]
    assert second["previous_query"][0, 0, 0] == code(1) % 97
    world = turned.apply(second["previous_center"][0, :2].astype(float))
    for center, solid in zip(world, (BOX, BALL), strict=True):
        assert np.linalg.norm(center - solid.center) < 0.08


def test_slots_start_anew_in_each_frame_unless_asked_to_persist() -> None:
    network = FakeEncoder()
    finder = LearnedFinder(network)
    for k in range(3):
        finder.find(show(0.1 * k)[0])
    assert not any(given["previous_valid"].any() for given in network.given)
    assert network.given[2]["memory_valid"].any()


def test_cameras_share_key_frames_but_not_slots() -> None:
    network = FakeEncoder()
    finder = LearnedFinder(network, persistent=True)
    finder.find(show(0.0, name="left")[0])
    finder.find(show(0.0, name="right")[0])
    assert network.given[1]["memory_valid"][0].sum() == 1.0
    assert not network.given[1]["previous_valid"].any()


def test_without_a_pose_slots_are_those_of_one_frame_and_that_is_said_once() -> None:
    network = FakeEncoder()
    finder = LearnedFinder(network, persistent=True)
    frames = [replace(show(0.1 * i)[0], pose=None) for i in range(3)]
    assert [len(finder.find(frame).items) for frame in frames] == [2, 2, 2]
    for given in network.given:
        assert not given["memory_valid"].any()
        assert not given["previous_valid"].any()
    assert len(finder.notes()) == 1
    assert finder.notes()[0].startswith("3 of 3 frames had no camera pose")
    assert finder.facts()["without pose"] == "3"


def test_a_pose_that_jumps_drops_previous_slots_and_is_said() -> None:
    network = FakeEncoder()
    finder = LearnedFinder(network, persistent=True)
    frame, _ = show(0.0)
    assert frame.pose is not None
    shifted = Pose(frame.pose.rotation, frame.pose.translation + np.array([0.0, 0.0, 0.7]))
    finder.find(frame)
    slots = finder.find(replace(frame, stamp=SECOND // 10, pose=shifted))
    assert len(slots.items) == 2
    assert not network.given[1]["previous_valid"].any()
    assert not network.given[1]["memory_valid"].any()
    assert "jumped by 0.70 m" in finder.notes()[0]
    assert finder.facts()["pose jumps"] == "1"


def test_a_clock_that_jumps_back_forgets_everything() -> None:
    network = FakeEncoder()
    finder = LearnedFinder(network, persistent=True)
    finder.find(show(100.0)[0])
    finder.find(show(0.0)[0])
    assert not network.given[1]["memory_valid"].any()
    assert not network.given[1]["previous_valid"].any()
    assert finder.notes() == ()


def test_after_a_long_gap_slots_start_anew_while_key_frames_stay() -> None:
    network = FakeEncoder()
    finder = LearnedFinder(network, persistent=True)
    finder.find(show(0.0)[0])
    finder.find(show(60.0)[0])
    assert not network.given[1]["previous_valid"].any()
    assert network.given[1]["memory_valid"][0, 0] == 1.0


@pytest.mark.parametrize("side", ["left", "right"])
def test_with_depth_missing_in_half_of_the_image_the_other_half_is_found(side: str) -> None:
    frame, truth = show()
    depth = frame.depth.copy()
    half = slice(0, 320) if side == "left" else slice(320, 640)
    depth[:, half] = np.nan
    finder = LearnedFinder(FakeEncoder())
    slots = finder.find(replace(frame, depth=depth))
    gone = [n for n in (1, 2) if not np.isfinite(depth[truth == n]).any()]
    assert len(gone) == 1, "the test needs one object in each half"
    assert len(slots.items) == 1
    assert np.isfinite(slots.items[0].size).all()
    assert "1 slots were not used because the depth image" in finder.notes()[0]


def test_without_any_depth_there_are_no_slots_and_no_error() -> None:
    frame, _ = show()
    finder = LearnedFinder(FakeEncoder())
    assert finder.find(replace(frame, depth=np.full_like(frame.depth, np.nan))).items == ()


def test_the_same_frames_give_the_same_slots() -> None:
    results = []
    for _ in range(2):
        finder = LearnedFinder(FakeEncoder())
        found = [finder.find(show(i, look(yaw=12.0 * i))[0]) for i in range(3)]
        results.append([(s.labels.tobytes(), [x.size.tobytes() for x in s.items]) for s in found])
    assert results[0] == results[1]


def test_a_network_without_memory_or_persistence_is_run_without() -> None:
    network = FakeEncoder()
    for name in [n for n in network.inputs if n.startswith(("memory", "previous"))]:
        del network.inputs[name]
    finder = LearnedFinder(network)
    assert len(finder.find(show(0.0)[0]).items) == 2
    assert len(finder.find(show(1.0)[0]).items) == 2
    assert set(network.given[1]) == {"color", "depth", "camera", "rays", "place"}


def test_key_frames_may_have_a_coarser_grid_than_the_frame() -> None:
    network = FakeEncoder()
    for name, shape in list(network.inputs.items()):
        if name.startswith("memory") and name != "memory_valid":
            network.inputs[name] = (1, MEMORY, 48, *shape[3:])
    network.outputs["tokens"] = (1, 48, 12)
    run = network.run

    def coarse(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        network.outputs["tokens"] = (1, 300, 12)
        found = run(inputs)
        network.outputs["tokens"] = (1, 48, 12)
        return {**found, "tokens": found["tokens"][:, :48]}

    network.run = coarse  # type: ignore[method-assign, assignment]
    finder = LearnedFinder(network)
    for i in range(2):
        assert len(finder.find(show(i)[0]).items) == 2
    assert network.given[1]["memory_valid"][0, 0] == 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda n: n.inputs.pop("rays"), "it lacks rays"),
        (lambda n: n.outputs.pop("masks"), "it lacks masks"),
        (lambda n: n.inputs.pop("memory_valid"), "it lacks memory_valid"),
        (lambda n: n.inputs.update(touch=(1, 3)), "nobody knows its input touch"),
        (lambda n: n.inputs.update(rays=(1, 301, 3, 3)), "no grid of square patches"),
        (lambda n: n.outputs.update(masks=(1, 16, 60, 80)), "gives 16 masks for 16 slots"),
        (lambda n: n.outputs.update(latent=(1, 16, 64)), "latents of 64 numbers"),
        (lambda n: n.outputs.update(tokens=(1, 75, 12)), "75 tokens"),
        (lambda n: n.inputs.update(color=(1, "h", "w", 3)), "sizes that are not fixed"),
    ],
)
def test_a_network_that_is_no_slot_encoder_is_refused_with_the_reason(
    change: object, said: str
) -> None:
    network = FakeEncoder()
    change(network)  # type: ignore[operator]
    with pytest.raises(ModelError, match=said):
        LearnedFinder(network)


@pytest.mark.parametrize("output", ["tokens", "center", "masks"])
def test_an_answer_with_numbers_that_are_none_costs_its_frame_and_no_memory(output: str) -> None:
    class Spoiled(FakeEncoder):
        sick = False

        def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
            answer = super().run(inputs)
            if self.sick:
                answer[output] = answer[output].copy()
                answer[output].reshape(-1)[3] = np.nan
            return answer

    network, healthy = Spoiled(), FakeEncoder()
    finder, other = LearnedFinder(network), LearnedFinder(healthy)  # type: ignore[arg-type]
    for second in (0.0, 0.2):
        finder.find(show(second)[0])
        other.find(show(second)[0])
    network.sick = True
    with pytest.raises(InputError, match=f"not finite.*{output}"):
        finder.find(show(0.4)[0])
    network.sick = False
    after, wanted = finder.find(show(0.6)[0]), other.find(show(0.6)[0])
    np.testing.assert_array_equal(after.labels, wanted.labels)
    for name, value in healthy.given[-1].items():
        np.testing.assert_array_equal(network.given[-1][name], value)
