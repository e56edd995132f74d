"""The same question asked in four directions: what a network foresees must not depend on north.

Physics on a level surface is the same whichever way the world is turned about its vertical. The
network learned that from turned windows, and only nearly: the mean of its answers in all quarter
turns, turned back, is exact (frame averaging: Puny et al., arXiv 2110.03336) and nearer to the
truth (`docs/evidence/cjepa.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.bodies import POSITION, ROTATION, SPIN, VELOCITY

TURNS = 4
_QUARTER = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
_POLISH = 2

Run = Callable[[dict[str, Any]], Mapping[str, Any]]


def averaged(run: Run, inputs: Mapping[str, Any]) -> dict[str, Floats]:
    """The mean answer over quarter turns of the world, in one call of the network.

    Args:
        run: The network, from its named inputs to its outputs; see `docs/cjepa.md`.
        inputs: Of B scenes; `states` (B, T, N, 18) and `robot` (B, T, 7) are turned.

    Returns:
        `next_states` and `log_deviations`, B scenes, double precision.
    """
    count = len(inputs["states"])
    ways = [np.linalg.matrix_power(_QUARTER, k) for k in range(TURNS)]
    repeated = {
        name: np.concatenate([value] * TURNS)
        for name, value in inputs.items()
        if name not in ("states", "robot")
    }
    states = np.concatenate([turned_states(inputs["states"], way) for way in ways])
    robot = np.concatenate([_turned_robot(inputs["robot"], way) for way in ways])
    kind = inputs["states"].dtype
    answer = run({**repeated, "states": states.astype(kind), "robot": robot.astype(kind)})
    parts = np.split(answer["next_states"].astype(np.float64), TURNS)
    back = [turned_states(part, way.T) for part, way in zip(parts, ways, strict=True)]
    found = np.mean(back, axis=0)
    found[..., ROTATION] = _orthonormal(found[..., ROTATION])
    deviations = answer["log_deviations"].astype(np.float64)
    return {
        "next_states": found,
        "log_deviations": deviations.reshape(TURNS, count, *deviations.shape[1:]).mean(axis=0),
    }


def turned_states(states: Floats, way: Floats) -> Floats:
    """States (..., 18) in a world turned by a rotation (3, 3) about its vertical."""
    found = np.empty(states.shape)
    for part in (POSITION, VELOCITY, SPIN):
        found[..., part] = states[..., part] @ way.T
    matrix = states[..., ROTATION].reshape(*states.shape[:-1], 3, 3)
    found[..., ROTATION] = (way @ matrix).reshape(*states.shape[:-1], 9)
    return found


def _turned_robot(robot: Floats, way: Floats) -> Floats:
    found = np.array(robot, dtype=np.float64)
    found[..., :3], found[..., 3:6] = robot[..., :3] @ way.T, robot[..., 3:6] @ way.T
    return found


def _orthonormal(rows: Floats) -> Floats:
    """Means of nearby rotation matrices (..., 9) made rotations again (Newton's polar steps)."""
    matrix = rows.reshape(*rows.shape[:-1], 3, 3)
    for _ in range(_POLISH):
        square = np.swapaxes(matrix, -1, -2) @ matrix
        matrix = 0.5 * matrix @ (3.0 * np.eye(3) - square)
    return matrix.reshape(rows.shape)
