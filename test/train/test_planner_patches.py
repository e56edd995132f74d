"""Push-T foreseen by tokens: what the networks for comparison see, learn and answer."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from perception_models.planner import patches
from perception_models.planner.patches import TokenModel, TokenRollout, error, trained
from perception_models.planner.pusht import BLOCK, BLOCKS, PIXELS, SIDE, pictures


def glided(split: str, episodes: int) -> dict[str, torch.Tensor]:
    """A world in which the T goes with the stick: enough to see whether something is learned."""
    generator = torch.Generator().manual_seed(len(split))
    velocity = 0.1 * torch.randn(episodes, BLOCKS, 2, generator=generator)
    way = torch.cat((torch.zeros(episodes, 1, 2), 0.3 * velocity.cumsum(1)), 1)
    heading = torch.zeros(episodes, BLOCKS + 1, 1)
    return {"pose": torch.cat((way, heading), -1), "tip": way + 0.1, "velocity": velocity}


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(patches, "sequences", glided)
    monkeypatch.setattr(patches, "cache_folder", lambda: tmp_path)


def test_pictures_show_the_tee_and_the_stick_where_they_are() -> None:
    seen = pictures(torch.tensor([[0.1, -0.05, 0.7]]), torch.tensor([[-0.2, 0.15]]))
    assert seen.shape == (1, 2, PIXELS, PIXELS)
    line = (torch.arange(PIXELS) + 0.5) / PIXELS * SIDE - SIDE / 2.0
    for image, x, y in ((seen[0, 0], 0.1, -0.05), (seen[0, 1], -0.2, 0.15)):
        share = image / image.sum()
        assert float((share.sum(0) * line).sum()) == pytest.approx(x, abs=2e-3)
        assert float((share.sum(1) * line).sum()) == pytest.approx(y, abs=2e-3)
    area = float(seen[0, 0].sum()) * (SIDE / PIXELS) ** 2
    assert area == pytest.approx(0.12 * 0.03 + 0.03 * 0.09, rel=0.03)


def test_a_quarter_turn_of_the_tee_turns_its_picture() -> None:
    far = torch.tensor([[9.0, 9.0]])
    upright = pictures(torch.tensor([[0.0, 0.0, 0.3]]), far)[0, 0]
    turned = pictures(torch.tensor([[0.0, 0.0, 0.3 + math.pi / 2.0]]), far)[0, 0]
    assert float((turned - upright.rot90(-1)).abs().mean()) < 0.005


def test_a_radian_of_heading_counts_as_five_centimeters() -> None:
    pose = torch.zeros(3)
    off = patches.coded(torch.tensor([0.0, 0.0, 0.01]))
    assert float(error(off, pose)) == pytest.approx((0.05 / 0.1 * 0.01) ** 2, rel=1e-2)


@pytest.mark.usefixtures("_quick")
def test_objects_are_learned_and_kept() -> None:
    told: list[str] = []
    untrained = patches.validation(TokenModel(patches=False))
    _, found = trained(patches=False, updates=30, episodes=32, tell=told.append)
    assert found < 0.6 * untrained
    assert told
    told.clear()
    again, same = trained(patches=False, updates=30, episodes=32, tell=told.append)
    assert same == pytest.approx(found)
    assert not told, "a training that is in the cache is not repeated"
    assert not again.training


@pytest.mark.parametrize("seen", [False, True])
def test_futures_begin_at_the_present_and_depend_on_the_push(seen: bool) -> None:
    torch.manual_seed(3)
    rollout = TokenRollout(TokenModel(patches=seen).eval())
    c, s = math.cos(0.4), math.sin(0.4)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    tee = SimpleNamespace(
        id="tee", pose=SimpleNamespace(rotation=turn), position=np.array([0.05, 0.02, 0.715])
    )
    tips = np.zeros((2, 2 * BLOCK + 1, 3))
    tips[1, :, 0] = np.linspace(0.0, 0.1, 2 * BLOCK + 1)
    situation: Any = SimpleNamespace(objects=(tee,))
    futures = rollout.roll(situation, tips, 0.1)
    assert futures.poses.shape == (2, 2 * BLOCK + 1, 1, 4)
    np.testing.assert_allclose(futures.poses[:, 0, 0], [[0.05, 0.02, 0.715, 0.4]] * 2, atol=1e-6)
    assert np.abs(futures.poses[0, -1] - futures.poses[1, -1]).max() > 1e-4
