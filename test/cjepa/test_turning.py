"""Answers averaged over quarter turns of the world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.turning import TURNS, averaged, turned_states

QUARTER = Rotation.from_rotvec(np.array([0.0, 0.0, np.pi / 2.0])).as_matrix()


def scenes(count: int = 2) -> dict[str, Floats]:
    rng = np.random.default_rng(3)
    states = rng.normal(size=(count, 3, 4, 18))
    turns = [Rotation.from_rotvec(v).as_matrix() for v in rng.normal(size=(count * 12, 3))]
    states[..., 3:12] = np.reshape(turns, (count, 3, 4, 9))
    return {
        "states": states,
        "robot": rng.normal(size=(count, 4, 7)),
        "mark": np.arange(float(count)),
    }


def towards_the_robot(inputs: dict[str, Any]) -> Mapping[str, Any]:
    """Everything goes to where the robot is, and a little to the east."""
    found = inputs["states"].copy()
    found[..., 12:15] = inputs["robot"][:, 1:, None, :3] - inputs["states"][..., :3]
    found[..., 12] += 0.5
    return {"next_states": found, "log_deviations": found[..., :6]}


def test_a_taste_for_the_east_cancels_and_all_else_stays() -> None:
    given = scenes()
    found = averaged(towards_the_robot, given)["next_states"]
    expected = given["robot"][:, 1:, None, :3] - given["states"][..., :3]
    assert found[..., 12:15] == pytest.approx(expected)
    assert found[..., 3:12] == pytest.approx(given["states"][..., 3:12])


def test_answers_turn_with_the_world() -> None:
    given = scenes()
    robot = given["robot"].copy()
    robot[..., :3], robot[..., 3:6] = robot[..., :3] @ QUARTER.T, robot[..., 3:6] @ QUARTER.T
    turned = {**given, "states": turned_states(given["states"], QUARTER), "robot": robot}
    here = averaged(towards_the_robot, given)["next_states"]
    there = averaged(towards_the_robot, turned)["next_states"]
    assert there == pytest.approx(turned_states(here, QUARTER))


def test_one_call_asks_for_all_turns_of_all_scenes() -> None:
    asked: list[dict[str, Any]] = []

    def run(inputs: dict[str, Any]) -> Mapping[str, Any]:
        asked.append(inputs)
        return towards_the_robot(inputs)

    averaged(run, scenes(3))
    assert [call["mark"].tolist() for call in asked] == [[0, 1, 2] * TURNS]


def test_the_mean_of_rotations_is_a_rotation() -> None:
    tilt = Rotation.from_rotvec([0.3, 0.0, 0.0]).as_matrix()

    def tilts(inputs: dict[str, Any]) -> Mapping[str, Any]:
        found = inputs["states"].copy()
        rotation = inputs["states"][..., 3:12].reshape(-1, 3, 4, 3, 3)
        found[..., 3:12] = (tilt @ rotation).reshape(-1, 3, 4, 9)
        return {"next_states": found, "log_deviations": found[..., :6]}

    matrix = averaged(tilts, scenes())["next_states"][0, 0, 0, 3:12].reshape(3, 3)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-3)
