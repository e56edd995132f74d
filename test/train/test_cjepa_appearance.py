"""Latents of the encoder as inputs of the world model: for the study, not for what ships."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perception_models.cjepa import appearance
from perception_models.cjepa.appearance import LATENT, LookingNetwork
from perception_models.cjepa.dataset import scene_of
from perception_models.cjepa.network import CjepaNetwork
from perception_models.cjepa.task import example
from perception_nodes.viewrope.factory import make_source

SIZE = (32, 2, 2, 24)


@pytest.fixture(scope="module")
def networks() -> tuple[CjepaNetwork, LookingNetwork]:
    torch.manual_seed(0)
    plain, looking = CjepaNetwork(*SIZE), LookingNetwork(*SIZE, latent=4)
    looking.load_state_dict(plain.state_dict(), strict=False)
    return plain, looking


def answers(network: torch.nn.Module, latents: torch.Tensor | None) -> torch.Tensor:
    told = example()
    if latents is not None:
        told["roundness"] = torch.cat((told["roundness"], latents), dim=-1)
    with torch.no_grad():
        found: torch.Tensor = network(*told.values())[0]
    return found


def test_without_latents_it_is_the_network_that_ships(
    networks: tuple[CjepaNetwork, LookingNetwork],
) -> None:
    plain, looking = networks
    count = example()["roundness"].shape[1]
    torch.testing.assert_close(
        answers(looking, torch.zeros(2, count, 4)), answers(plain, None), rtol=1e-5, atol=1e-6
    )


def test_the_latent_of_an_object_goes_with_it(
    networks: tuple[CjepaNetwork, LookingNetwork],
) -> None:
    looking = networks[1]
    count = example()["roundness"].shape[1]
    none = torch.zeros(2, count, 4)
    one = none.clone()
    one[0, 0] = 3.0
    changed = (answers(looking, one) - answers(looking, none)).abs().amax(dim=(1, 3))
    assert changed[0, 0] > 1e-4
    assert changed[1].max() == 0.0  # another scene


def test_objects_of_an_episode_get_the_latents_of_their_slots() -> None:
    source = make_source("learned", device="cpu")
    found = appearance._seen("validation", 3, source)
    count = len(scene_of("validation", 3).objects)
    assert len(found) >= count - 1
    latents = np.stack(list(found.values()))
    assert latents.shape[1] == LATENT
    np.testing.assert_allclose(np.linalg.norm(latents, axis=1), 1.0, atol=1e-3)
    alike = latents @ latents.T - np.eye(len(latents))
    assert alike.max() < 0.999  # one slot does not speak for two
