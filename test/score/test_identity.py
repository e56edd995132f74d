from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from perception_nodes.score.identity import IdentityScore

REFERENCE = json.loads((Path(__file__).parent / "data" / "reference.json").read_text())


def score(frames: list[dict]) -> IdentityScore:
    result = IdentityScore()
    for frame in frames:
        truths = [f"t{t}" for t in frame["truths"]]
        states = [f"s{s}" for s in frame["states"]]
        table = np.array(frame["similarity"], float).reshape(len(truths), len(states))
        result.add(truths, states, table)
    return result


@pytest.mark.parametrize("case", REFERENCE)
def test_all_figures_agree_with_trackeval(case: dict) -> None:
    figures = score(case["frames"]).figures()
    for name, expected in case["trackeval"].items():
        assert figures[name] == pytest.approx(expected, abs=1e-6), name


def test_perfect_tracking_scores_one() -> None:
    frames = [{"truths": [0, 1], "states": [5, 6], "similarity": np.eye(2).tolist()}] * 10
    figures = score(frames).figures()
    assert [figures[k] for k in ("recall", "precision", "mota", "idf1")] == [1.0] * 4
    assert figures["hota"] == pytest.approx(1.0)
    assert figures["id_switches"] == 0


def test_a_swap_of_ids_costs_identity_but_not_detection() -> None:
    straight = {"truths": [0, 1], "states": [5, 6], "similarity": np.eye(2).tolist()}
    swapped = {"truths": [0, 1], "states": [6, 5], "similarity": np.eye(2).tolist()}
    figures = score([straight] * 5 + [swapped] * 5).figures()
    assert figures["recall"] == figures["precision"] == 1.0
    assert figures["id_switches"] == 2
    assert figures["idf1"] == pytest.approx(0.5)
    assert figures["hota"] < 0.8


def test_a_run_without_anything_is_not_an_error() -> None:
    figures = score([{"truths": [], "states": [], "similarity": []}]).figures()
    assert figures["recall"] == figures["precision"] == 1.0
