"""Put what a model's key idea is worth onto its card: `python -m evidence.cards` in bench/.

From committed results, as the pages are. A training writes a card anew, without this; a test fails
then until this was run again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evidence.pages import BENCH
from perception_nodes.model_cards import card_files, read_card, weights_folder, write_card


def _viewrope(figures: dict[str, Any]) -> dict[str, Any]:
    """Objects that keep their id after the camera looked away."""
    found: dict[str, Any] = {
        "idea": "attention turns by the camera ray of each patch, not by its place on the screen",
        "measure": "share of objects with their old id after the camera looked away",
        "of_model": figures["model"],
    }
    for drift, arms in figures["drifts"].items():
        name = "exact poses" if float(drift) == 0.0 else f"poses drift {drift} m a meter"
        found[name] = {
            side: round(sum(s["same"] for s in arms[arm]) / sum(s["asked"] for s in arms[arm]), 3)
            for side, arm in (("with", "learned"), ("without", "learned, screen RoPE"))
        }
    return found


def _cjepa(figures: dict[str, Any]) -> dict[str, Any]:
    """Effects of actions and of removals that are foreseen wrongly."""
    run = figures["cpu"]
    arms = {"with": "noisy_robot_mask_1", "without": "noisy_robot_mask_0"}
    ratios = {
        f"effect ratio, {kind}": {
            side: round(sum(c[kind]["ratio"] for c in run["arms"][arm]) / len(run["arms"][arm]), 3)
            for side, arm in arms.items()
        }
        for kind in ("action", "removal")
    }
    return {
        "idea": "training masks whole objects",
        "measure": "error of foreseen effects over that of foreseeing none, mean of seeds",
        "of_model": f"networks of {run['parameters']} parameters, {run['updates']} updates each",
        **ratios,
    }


def _keypoints(figures: dict[str, Any]) -> dict[str, Any]:
    """Joints of rendered people that are put to the right person."""
    arms = {"with": "offsets, then maps", "without": "maps alone"}
    return {
        "idea": "offsets from people's middles say to whom a joint belongs",
        "measure": "figures of rendered pictures that training never saw; without: by nearness",
        "of_model": figures["model"],
        **{
            name: {side: round(figures["ways"][arm][key], 3) for side, arm in arms.items()}
            for name, key in (("mean OKS", "oks"), ("AP at OKS 0.5", "ap50"))
        },
    }


IDEAS: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "viewrope": ("identity", _viewrope),
    "cjepa": ("cjepa_masking", _cjepa),
    "keypoints": ("keypoints", _keypoints),
}
"""By model: which result, and what of it."""


def key_idea(name: str, results: Path = BENCH / "results") -> dict[str, Any]:
    """What a card says of its model's key idea; nothing where its metrics have the ablation."""
    if name not in IDEAS:
        return {}
    result, read = IDEAS[name]
    document = json.loads((results / f"{result}.json").read_text())
    return {**read(document["figures"]), "measured_by": f"bench/{result}.py"}


def main() -> None:
    """Write it onto all cards that have one."""
    for path in card_files(weights_folder()):
        card = read_card(path)
        write_card(dataclasses.replace(card, key_idea=key_idea(card.name)), path)
        print(f"{path.name}: {card.name in IDEAS}")


if __name__ == "__main__":
    main()
