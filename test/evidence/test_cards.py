"""Every card that comes with the program says all that a user must know of its network."""

from __future__ import annotations

from pathlib import Path

import pytest
from evidence.cards import IDEAS, key_idea

from perception_nodes.model_cards import card_files, read_card, weights_folder

CARDS = card_files(weights_folder())
COMPUTED = ("planner",)
"""Not trained: there are no data, seeds or metrics."""


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_a_card_tells_what_it_is_what_it_can_not_and_under_which_license(path: Path) -> None:
    card = read_card(path)
    assert card.summary.endswith(".")
    assert card.limits.endswith(".")
    assert card.license == "Apache-2.0"
    assert card.inputs
    assert card.outputs
    assert len(card.sha256) == 64


@pytest.mark.parametrize("path", [p for p in CARDS if p.stem not in COMPUTED], ids=lambda p: p.stem)
def test_a_card_of_a_trained_network_tells_how_to_make_it_again(path: Path) -> None:
    card = read_card(path)
    assert card.training["command"].startswith(f"permanence train {card.name}")
    assert card.training["seeds"]
    assert card.training["shipped_seed"] in card.training["seeds"]
    assert card.data["training"]
    assert card.data["held_out"] if "held_out" in card.data else card.data["episodes"]
    assert "unseen" in card.metrics["episodes"]
    assert card.parity["largest_relative_difference"] < 1e-3


@pytest.mark.parametrize("path", [p for p in CARDS if p.stem not in COMPUTED], ids=lambda p: p.stem)
def test_a_card_tells_what_the_key_idea_is_worth(path: Path) -> None:
    """As an ablation among its metrics, or measured apart."""
    card = read_card(path)
    arms = [value for value in card.metrics.values() if isinstance(value, dict)]
    ablated = any(len(value) > 1 for value in arms)
    assert ablated or any({"with", "without"} <= set(v) for v in card.key_idea.values()
                          if isinstance(v, dict))  # fmt: skip


@pytest.mark.parametrize("name", IDEAS)
def test_cards_quote_the_committed_results(name: str) -> None:
    card = read_card(weights_folder() / f"{name}.yaml")
    assert card.key_idea == key_idea(name), "run `python -m evidence.cards` in bench/"
