"""The world model's network treats objects as a set, sees only what is near, and asks honestly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from perception_models.cjepa.kinematics import pairs, rolling, shapes, support, turned
from perception_models.cjepa.network import CjepaNetwork
from perception_models.cjepa.rollout import believed_roundness, masked

UP = torch.eye(3).reshape(9)


def scene(places: list[tuple[float, float]]) -> dict[str, Tensor]:
    """Cubes of 6 cm at rest at places on the ground, a pusher beside the first."""
    count = len(places)
    states = torch.zeros(1, 3, count, 18)
    states[..., 3:12] = UP
    for k, (x, y) in enumerate(places):
        states[:, :, k, :3] = torch.tensor([x, y, 0.03])
    robot = torch.tensor([-0.08, 0.0, 0.02, 0.2, 0.0, 0.0, 1.0]).repeat(1, 4, 1)
    robot[..., 0] += 0.02 * torch.arange(4)
    return {
        "states": states,
        "beliefs": torch.full((1, 3, count, 7), -5.0),
        "known": torch.ones(1, 3, count),
        "size": torch.full((1, count, 3), 0.06),
        "roundness": torch.zeros(1, count, 3),
        "physics": torch.zeros(1, count, 4),
        "present": torch.ones(1, count),
        "robot": robot,
        "interval": torch.full((1,), 0.1),
    }


@pytest.fixture(scope="module")
def network() -> CjepaNetwork:
    torch.manual_seed(0)
    return CjepaNetwork(32, 2, 2, 16).eval()


@torch.no_grad()
def foreseen(network: CjepaNetwork, inputs: dict[str, Tensor]) -> Tensor:
    states, _ = network(*inputs.values())
    return states[:, -1]


def test_the_order_of_objects_means_nothing(network: CjepaNetwork) -> None:
    inputs = scene([(0.0, 0.0), (0.07, 0.01), (0.2, 0.1)])
    order = torch.tensor([2, 0, 1])
    mixed = dict(inputs)
    inputs["roundness"][0, 1] = 1.0
    for name, axis in {"states": 2, "beliefs": 2, "known": 2, "size": 1, "roundness": 1,
                       "physics": 1, "present": 1}.items():  # fmt: skip
        mixed[name] = inputs[name].index_select(axis, order)
    expected = foreseen(network, inputs)[:, order]
    torch.testing.assert_close(foreseen(network, mixed), expected, rtol=1e-5, atol=1e-6)


def test_where_on_the_map_a_scene_is_means_nothing(network: CjepaNetwork) -> None:
    inputs = scene([(0.0, 0.0), (0.07, 0.01)])
    moved = dict(inputs)
    shift = torch.tensor([5.0, -3.0, 0.0])
    moved["states"] = inputs["states"].clone()
    moved["states"][..., :3] += shift
    moved["robot"] = inputs["robot"].clone()
    moved["robot"][..., :3] += shift
    expected = foreseen(network, inputs)
    expected[..., :3] += shift
    torch.testing.assert_close(foreseen(network, moved), expected, rtol=1e-4, atol=1e-5)


def test_an_object_without_neighbors_does_not_notice_that_another_is_removed(
    network: CjepaNetwork,
) -> None:
    inputs = scene([(0.0, 0.0), (0.065, 0.0), (1.0, 1.0)])
    without = dict(inputs)
    without["present"] = torch.tensor([[1.0, 0.0, 1.0]])
    change = (foreseen(network, inputs) - foreseen(network, without)).abs().amax(dim=-1)[0]
    assert change[2] < 1e-6
    assert change[0] > 1e-5


def test_what_a_hidden_object_did_after_its_anchor_is_not_looked_at(network: CjepaNetwork) -> None:
    inputs = scene([(0.0, 0.0), (0.07, 0.0)])
    inputs["known"][:, 1:, 0] = 0.0
    peeked = dict(inputs)
    peeked["states"] = inputs["states"].clone()
    peeked["states"][:, 1:, 0, :3] += 0.5
    torch.testing.assert_close(foreseen(network, peeked), foreseen(network, inputs))


def test_masks_spare_the_first_frame_and_hide_as_many_objects_as_they_may() -> None:
    switches = {n: torch.tensor(v) for n, v in {"masks": 2.0, "token": 0.0, "noise": 0.0}.items()}
    batch = {
        "rank": torch.arange(5.0).repeat(200, 1),
        "masks": torch.rand(200, 1),
        "present": torch.ones(200, 5),
        "token": torch.rand(200, 3, 5),
        "missing": torch.ones(200, 3, 5),
    }
    hidden = masked(batch, switches)
    assert hidden[:, 0].sum() == 0
    counts = hidden[:, 1].sum(dim=1)
    assert set(counts.tolist()) == {0.0, 1.0, 2.0}
    assert torch.equal(hidden[:, 1], hidden[:, 2])


def test_the_gap_between_boxes_is_that_of_their_faces() -> None:
    position = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.02, 0.0]])
    quarter = turned(UP, torch.tensor([0.0, 0.0, torch.pi / 2]))
    half = torch.tensor([[0.03, 0.03, 0.03], [0.01, 0.05, 0.02]])
    found = pairs(position, torch.stack((UP, quarter)), half, torch.zeros(2, 3))
    # the second box is turned: its 5 cm half extent lies along x
    assert float(found.gap[0, 1]) == pytest.approx(0.1 - 0.03 - 0.05, abs=1e-6)
    # a little towards the line between the middles, along which the gap is hardly smaller
    torch.testing.assert_close(found.normal[0, 1], torch.tensor([1.0, 0.0, 0.0]), atol=0.05, rtol=0)
    torch.testing.assert_close(found.normal[1, 0], -found.normal[0, 1])


def test_the_gap_between_round_things_is_that_of_their_surfaces() -> None:
    position = torch.tensor([[0.0, 0.0, 0.03], [0.05, 0.05, 0.03]])
    half = torch.full((2, 3), 0.03)
    away = 0.05 * 2**0.5
    along = torch.tensor([0.5**0.5, 0.5**0.5, 0.0])
    for round_about in ([1.0, 1.0, 1.0], [0.0, 0.0, 1.0]):  # balls, standing cylinders
        found = pairs(position, torch.stack((UP, UP)), half, torch.tensor([round_about] * 2))
        assert float(found.gap[0, 1]) == pytest.approx(away - 0.06, abs=1e-4)
        torch.testing.assert_close(found.normal[0, 1], along, atol=1e-2, rtol=0)
    boxes = pairs(position, torch.stack((UP, UP)), half, torch.zeros(2, 3))
    assert float(boxes.gap[0, 1]) == pytest.approx(-0.01, abs=1e-4)


def test_what_a_thing_of_unknown_shape_reaches_lies_between_ball_and_box() -> None:
    diagonal = torch.full((3,), 0.03 * 3**-0.5)
    ball, unknown, box = (
        float(support(diagonal, shapes(torch.full((3,), chance)))) for chance in (1.0, 0.5, 0.0)
    )
    assert ball == pytest.approx(0.03, abs=1e-4)
    assert box == pytest.approx(0.03 * 3**0.5, abs=1e-4)
    assert ball < unknown < box
    assert float(shapes(torch.rand(50, 3)).sum(dim=-1).sub(1).abs().max()) < 1e-5


def test_a_cylinder_rolls_about_the_way_its_axis_lies() -> None:
    lying = turned(UP, torch.tensor([torch.pi / 2, 0.0, 0.0]))  # z axis along world y
    found = rolling(lying, torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(found, torch.tensor([0.0, 1, 0, 0, 0, 0]), atol=1e-5, rtol=0)
    ball = rolling(lying, torch.ones(3))
    torch.testing.assert_close(ball, torch.tensor([1.0, 1, 1, 0, 0, 0]), atol=1e-5, rtol=0)


def test_what_is_told_of_shapes_changes_what_is_foreseen(network: CjepaNetwork) -> None:
    inputs = scene([(0.0, 0.0), (0.07, 0.0)])
    round_ones = inputs | {"roundness": torch.ones(1, 2, 3)}
    assert (foreseen(network, inputs) - foreseen(network, round_ones)).abs().max() > 1e-5


def test_beliefs_of_shapes_are_right_as_often_as_they_say() -> None:
    generator = torch.Generator().manual_seed(0)
    batch = {
        "round": (torch.rand(4000, 5, 3, generator=generator) < 0.5).float(),
        "certainty": torch.tensor([0.5, 0.7, 0.9, 1.0, 1.0]).expand(4000, 5),
        "mistaken": torch.rand(4000, 5, 3, generator=generator),
    }
    believed = believed_roundness(batch, {"shape": torch.tensor(1.0)})
    assert bool((believed[:, 0] == 0.5).all())
    sure = (believed[:, 2] - 0.9).abs() < 1e-6
    assert float(batch["round"][:, 2][sure].mean()) == pytest.approx(0.9, abs=0.02)
    assert torch.equal(believed[:, 3], batch["round"][:, 3])
    assert torch.equal(believed_roundness(batch, {"shape": torch.tensor(2.0)}), batch["round"])
    nothing = believed_roundness(batch, {"shape": torch.tensor(0.0)})
    assert bool((nothing == 0.5).all())
