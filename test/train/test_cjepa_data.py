"""Episodes of the world model: reproducible, with branches that differ by their cause alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from perception_models.cjepa.kinematics import turned
from perception_models.cjepa.recording import BRANCH_AT, Episode, record
from perception_models.cjepa.samples import believed, roundness
from perception_models.cjepa.tosses import PERIOD, SPLITS, tosses
from perception_models.data import stream
from perception_nodes.scene import UNKNOWN_FRICTION, UNKNOWN_MASS


@pytest.fixture(scope="module")
def episode() -> Episode:
    return record((9, 9, 3), 4)


def test_a_seed_gives_the_same_episode(episode: Episode) -> None:
    again = record((9, 9, 3), 4)
    np.testing.assert_array_equal(again.states, episode.states)
    np.testing.assert_array_equal(again.branches, episode.branches)


def test_branches_share_the_past_and_only_lack_what_is_left_out(episode: Episode) -> None:
    first = episode.branch_frame - BRANCH_AT
    past = episode.states[first : episode.branch_frame + 1]
    for branch in episode.branches:
        np.testing.assert_array_equal(branch[: BRANCH_AT + 1], past)
    removed = episode.branches[0, BRANCH_AT + 1 :]
    assert not removed[:, episode.left_out, :3].any()
    others = np.delete(np.arange(4), episode.left_out)
    assert (removed[:, others, 2] > 0.0).all()


def test_the_pusher_stays_away_where_its_push_is_left_out(episode: Episode) -> None:
    pushed, idle = episode.robot[:, 2].min(), episode.branch_robot[1, BRANCH_AT + 1 :, 2].min()
    assert pushed < 0.15
    assert idle > pushed + 0.05


def test_beliefs_about_mass_and_friction_are_consistent_with_the_truth() -> None:
    generator = stream("test", "believed")
    prior = torch.tensor([UNKNOWN_MASS.mean, UNKNOWN_FRICTION.mean])
    variance = torch.tensor([UNKNOWN_MASS.variance, UNKNOWN_FRICTION.variance])
    truth = prior + variance.sqrt() * torch.randn(20000, 1, 2, generator=generator)
    belief = believed(truth, generator).reshape(20000, 1, 2, 2)
    scaled = (truth - belief[..., 0]).square() / belief[..., 1]
    torch.testing.assert_close(scaled.mean(dim=(0, 1)), torch.ones(2), atol=0.05, rtol=0)


def test_real_tosses_move_as_their_velocities_say(shared_data: Path) -> None:
    found = tosses(shared_data / "world/contactnets_cube_000-399.npz", "test")
    assert len(found) == SPLITS["test"][1] - SPLITS["test"][0]
    one = found[0][:16]  # still in flight
    moved = (one[1:, :3] - one[:-1, :3]) / PERIOD
    torch.testing.assert_close(moved, one[:-1, 12:15], atol=0.1, rtol=0)
    rotated = turned(one[:-1, 3:12], one[:-1, 15:18] * PERIOD)
    still = (one[1:, 3:12] - one[:-1, 3:12]).abs().mean()
    assert (one[1:, 3:12] - rotated).abs().mean() < 0.4 * still


def test_what_is_round_is_told_from_exact_extents() -> None:
    ball, standing, box, nothing = [0.06] * 3, [0.05, 0.05, 0.1], [0.05, 0.06, 0.1], [0.0] * 3
    found = roundness(torch.tensor([ball, standing, box, nothing]))
    assert found.tolist() == [[1, 1, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
