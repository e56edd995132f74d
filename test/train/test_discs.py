"""The world of discs obeys mechanics, and made data are kept by what they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from perception_models.data import cache_folder, cached, stream
from perception_models.discs import world
from perception_models.discs.world import Population, advance, draw, energy, trajectory


def scenes(count: int = 500, population: Population | None = None) -> torch.Tensor:
    return draw(population or Population(), count, stream("test", 1))


def gaps(states: torch.Tensor) -> torch.Tensor:
    i, j = torch.triu_indices(4, 4, 1)
    apart = (states[..., i, :2] - states[..., j, :2]).norm(dim=-1)
    return apart - states[..., i, 4] - states[..., j, 4]


@pytest.mark.parametrize("radius", [(0.1, 0.25), (0.3, 0.3)])
def test_scenes_begin_inside_the_box_and_apart(radius: tuple[float, float]) -> None:
    states = scenes(population=Population(smallest=radius[0], largest=radius[1]))
    assert gaps(states).min() > -1e-9
    assert ((states[..., :2].abs() + states[..., 4:]).max()) <= 1.0 + 1e-9


def test_discs_stay_inside_apart_and_keep_their_energy() -> None:
    before = scenes()
    states, touches = trajectory(before, 0.2, 10)
    assert gaps(states).min() > -1e-6
    assert (states[..., :2].abs() + states[..., 4:]).max() <= 1.0 + 1e-6
    torch.testing.assert_close(energy(states[:, -1]), energy(before), rtol=1e-9, atol=1e-9)
    assert float(touches.double().mean()) > 1


def test_two_equal_discs_that_meet_head_on_swap_velocities() -> None:
    state = torch.tensor([[[-0.5, 0, 1, 0, 0.1], [0.5, 0, -0.5, 0, 0.1]]], dtype=torch.float64)
    after, touches = advance(state, 0.6)
    assert touches.tolist() == [1]
    torch.testing.assert_close(after[0, :, 2], torch.tensor([-0.5, 1.0]).double())
    # They meet after 0.8 / 1.5 s.
    met = 0.8 / 1.5
    assert float(after[0, 0, 0]) == pytest.approx(-0.5 + met - 0.5 * (0.6 - met))


def test_a_touch_keeps_momentum_whatever_the_masses() -> None:
    state = torch.tensor([[[-0.4, 0.05, 1, 0, 0.2], [0.4, 0, -1, 0, 0.1]]], dtype=torch.float64)
    after, touches = advance(state, 0.4)
    assert int(touches) == 1
    mass = state[0, :, 4:] ** 2
    torch.testing.assert_close(
        (mass * after[0, :, 2:4]).sum(dim=0), (mass * state[0, :, 2:4]).sum(dim=0)
    )


def test_moving_in_two_steps_is_moving_in_one() -> None:
    before = scenes(50)
    whole, _ = advance(before, 0.3)
    parts, _ = advance(advance(before, 0.1)[0], 0.2)
    torch.testing.assert_close(whole, parts, rtol=1e-6, atol=1e-6)


def test_data_are_made_once_and_again_when_the_recipe_changes() -> None:
    made = []

    def make() -> dict[str, torch.Tensor]:
        made.append(1)
        return {"x": torch.arange(3.0)}

    first = cached("thing", {"a": 1}, make, code=(world,))
    again = cached("thing", {"a": 1}, make, code=(world,))
    assert len(made) == 1
    assert torch.equal(first["x"], again["x"])
    cached("thing", {"a": 2}, make, code=(world,))
    cached("thing", {"a": 1}, make)
    assert len(made) == 3


def test_a_damaged_cache_is_made_anew() -> None:
    make = lambda: {"x": torch.ones(2)}  # noqa: E731
    cached("damaged", {}, make)
    path = next(cache_folder().glob("damaged-*.npz"))
    path.write_bytes(path.read_bytes()[:40])
    assert torch.equal(cached("damaged", {}, make)["x"], torch.ones(2))


def test_a_cache_that_can_not_be_written_does_not_stop_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert torch.equal(cached("x", {}, lambda: {"x": torch.ones(2)})["x"], torch.ones(2))
