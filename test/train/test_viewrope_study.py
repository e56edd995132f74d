"""Episodes look away and come back as they say, and the study measures what it claims."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from perception_kernels.rays import ray_frames
from perception_models.viewrope import revisits
from perception_models.viewrope.encodings import Encoding
from perception_models.viewrope.revisits import MEMORY, PATCH_RAYS, RETURNS, Episode
from perception_models.viewrope.study import ARMS, Arm, Episodes, StudyNetwork, train
from perception_models.viewrope.study_retrieval import SELECTED, affinity, copied, evaluate, overlap

ROOMS = 2


@pytest.fixture(scope="module")
def data() -> dict[str, Tensor]:
    drawn = [revisits.draw(seed) for seed in range(ROOMS)]
    return {
        name: torch.from_numpy(np.stack(items))
        for name, items in zip(Episode._fields, zip(*drawn, strict=True), strict=True)
    }


def everything(episodes: Episodes) -> tuple[Tensor, Tensor, Tensor]:
    rows = torch.arange(ROOMS)
    frames = torch.arange(MEMORY).expand(ROOMS, -1)
    return rows, frames, torch.arange(MEMORY, MEMORY + 2 * RETURNS).expand(ROOMS, -1)


@pytest.mark.parametrize("seed", range(20))
def test_the_last_six_memory_frames_look_sixty_degrees_away_from_all_returns(seed: int) -> None:
    poses = revisits.path(seed)
    axes = np.stack([pose.rotation[:, 2] for pose in poses])
    level = axes[:, :2] / np.linalg.norm(axes[:, :2], axis=1, keepdims=True)
    cosine = level[MEMORY:] @ level[MEMORY - 6 : MEMORY].T
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).min() >= 60 - 1e-6


def test_turned_returns_stay_and_translated_ones_move() -> None:
    places = np.stack([pose.translation for pose in revisits.path(3)])
    apart = np.linalg.norm(places - places[0], axis=1)
    assert (apart[: MEMORY + RETURNS] == 0).all()
    assert ((apart[MEMORY + RETURNS :] >= 0.4) & (apart[MEMORY + RETURNS :] <= 0.9)).all()


def test_a_room_is_drawn_the_same_again(data: dict[str, Tensor]) -> None:
    again = revisits.draw(0)
    for name, value in zip(Episode._fields, again, strict=True):
        np.testing.assert_array_equal(data[name][0].numpy(), value)


def test_what_was_seen_before_can_be_copied_along_the_ray(data: dict[str, Tensor]) -> None:
    """Ties pictures, poses, patch rays, targets and visibility together."""
    episodes = Episodes(data, Arm(Encoding.NONE))
    found = {name: float(values.nanmean()) for name, values in copied(episodes).items()}
    assert found["turned revisited"] < 0.4 * episodes.target.var()
    assert found["turned first"] > 1.5 * found["turned revisited"]
    assert found["translated revisited"] > 1.5 * found["turned revisited"]


@pytest.mark.parametrize("arm", ARMS, ids=str)
def test_all_arms_have_the_same_parameters_and_run(arm: Arm, data: dict[str, Tensor]) -> None:
    network, plain = StudyNetwork(arm.encoding), StudyNetwork(Encoding.NONE)
    shapes = {name: tuple(p.shape) for name, p in plain.named_parameters()}
    assert {name: tuple(p.shape) for name, p in network.named_parameters()} == shapes
    batch = Episodes(data, arm).draw(0, 0, 2)
    assert network(batch).shape == batch["target"].shape
    assert bool(network(batch).isfinite().all())


def test_query_tokens_carry_no_color(data: dict[str, Tensor]) -> None:
    """Painting the returning frames changes no prediction: only memory can answer."""
    painted = {**data, "color": data["color"].clone()}
    painted["color"][:, MEMORY:] = 0
    network = StudyNetwork(Encoding.VIEW_PLACE)
    one, other = (
        network(Episodes(d, ARMS[-1]).batch(*everything(Episodes(d, ARMS[-1]))))
        for d in (data, painted)
    )
    assert torch.equal(one, other)


def test_batches_hold_the_geometry_that_run_time_computes(data: dict[str, Tensor]) -> None:
    episodes = Episodes(data, Arm(Encoding.VIEW))
    batch = episodes.batch(*everything(episodes))
    expected = ray_frames(PATCH_RAYS, data["rotation"][1, 2].double().numpy())
    torch.testing.assert_close(batch["key_rays"][1, 128:192], torch.from_numpy(expected))


def test_other_poses_change_what_is_told_of_memory_and_nothing_else(
    data: dict[str, Tensor],
) -> None:
    episodes = Episodes(data, Arm(Encoding.VIEW))
    rows, frames, queries = everything(episodes)
    plain = episodes.batch(rows, frames, queries)
    shuffled = episodes.batch(rows, frames, queries, frames.flip(1))
    changed = {name for name in plain if not torch.equal(plain[name], shuffled[name])}
    assert changed == {"key_rays"}


def test_depths_of_queries_are_used_only_where_they_are_given(data: dict[str, Tensor]) -> None:
    deeper = {**data, "depth": data["depth"].clone()}
    deeper["depth"][:, MEMORY:] += 1.0
    changes = []
    for arm in (Arm(Encoding.VIEW_PLACE), Arm(Encoding.VIEW_PLACE, depth_given=True)):
        one, other = (Episodes(d, arm).batch(*everything(Episodes(d, arm))) for d in (data, deeper))
        changes.append({name for name in one if not torch.equal(one[name], other[name])})
    assert changes == [set(), {"query_place"}]


def test_training_learns_and_repeats(data: dict[str, Tensor]) -> None:
    arm = Arm(Encoding.VIEW)
    episodes = Episodes(data, arm)

    @torch.no_grad()
    def measured(network: torch.nn.Module) -> float:
        batch = episodes.batch(*everything(episodes))
        return float((network(batch) - batch["target"]).square().mean())

    def error(steps: int) -> float:
        (network,) = train(arm, data, [0], steps, 2).networks
        return measured(network)

    assert error(20) < 0.8 * error(1)
    assert error(2) == error(2)


def test_seeds_trained_together_are_those_trained_alone(data: dict[str, Tensor]) -> None:
    arm = Arm(Encoding.VIEW)
    together = train(arm, data, [0, 1], 2, 2).networks[1]
    (alone,) = train(arm, data, [1], 2, 2).networks
    for a, b in zip(together.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


def test_strategies_choose_five_frames_and_the_oracle_finds_most(data: dict[str, Tensor]) -> None:
    episodes = Episodes(data, Arm(Encoding.VIEW))
    network = StudyNetwork(Encoding.VIEW).eval()
    found = evaluate(network, episodes, retrieval=True)
    recall = {name: float(v["recall"].mean()) for name, v in found.items() if "recall" in v}
    assert recall["oracle"] > recall["random"] > recall["recent"]
    assert recall["oracle"] > 0.9
    assert recall["cones"] > recall["random"]
    assert recall["recent"] < 0.2
    batch = episodes.batch(*everything(episodes))
    assert affinity(network, batch).shape == (ROOMS, 2 * RETURNS, MEMORY)
    assert SELECTED == 5


def test_cones_overlap_most_with_themselves_and_not_at_all_behind() -> None:
    ahead, behind = torch.eye(3).double(), torch.diag(torch.tensor([-1.0, 1.0, -1.0])).double()
    found = overlap(ahead[None, None], torch.stack((ahead, behind))[None])[0, 0]
    assert found[0] > 0
    assert found[1] == 0
