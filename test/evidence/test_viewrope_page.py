"""The page of ViewRope says what the figures say, and that figures are missing where they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from evidence.page_viewrope import page


def arm(turned: float, translated: float, shuffled: float, strategies: bool) -> dict[str, Any]:
    def errors(a: float, b: float) -> dict[str, Any]:
        noise = np.random.default_rng(0).normal(1, 0.01, (3, 20))
        rows = {"turned revisited": a, "translated revisited": b, "turned first": 1.0,
                "translated first": 1.0}  # fmt: skip
        return {name: (value * noise).tolist() for name, value in rows.items()}

    found = {"all": errors(turned, translated), "shuffled poses": errors(shuffled, shuffled)}
    if strategies:
        found["without the network's"] = errors(0.9, 0.9)
        found["without random ones"] = errors(0.5, 0.5)
    return {"parameters": 10, "seconds_a_seed": 1.0, "strategies": found}


def figures(view: float) -> dict[str, Any]:
    arms = {
        "screen": arm(0.8, 0.8, 0.8, strategies=False),
        "prope": arm(0.8, 0.5, 0.8, strategies=False),
        "view": arm(view, 0.7, 0.9, strategies=True),
    }
    arms["prope"]["strategies"]["all"]["turned first"][0][3] = None
    cpu = {"arms": arms, "seeds": [0, 1, 2], "steps": 5, "batch": 2, "selected": 5,
           "copying": {f"{kind} revisited": [0.1, None, 0.3] for kind in ("turned", "translated")},
           "rooms": {"training": 1, "test": 20}, "machine": {"device": "x"}}  # fmt: skip
    return {"figures": {"cpu": cpu}}


def test_missing_results_are_named_and_do_no_harm() -> None:
    text = page({"viewrope_encodings": None, "viewrope_cost": None})["viewrope.md"]
    assert text.count("not measured yet") == 5


def test_verdicts_follow_the_figures() -> None:
    def lines(view: float) -> list[str]:
        text = page({"viewrope_encodings": figures(view)})["viewrope.md"]
        return [line for line in text.splitlines() if line.startswith("| (")]

    good, bad = lines(0.4), lines(0.9)
    assert [line.split("|")[-2].strip() for line in good] == ["holds"] * 4
    assert "refuted" in bad[0]
    assert "refuted" not in good[0]


def test_the_best_arm_is_measured_by_copying() -> None:
    text = page({"viewrope_encodings": figures(0.4)})["viewrope.md"]
    assert "errs by 0.200 on turned" in text
    assert "The best arm without given depth errs 2.0 times as much" in text


def test_equal_errors_decide_nothing() -> None:
    text = page({"viewrope_encodings": figures(0.8)})["viewrope.md"]
    (line,) = [line for line in text.splitlines() if line.startswith("| (i)")]
    assert "not decided" in line
