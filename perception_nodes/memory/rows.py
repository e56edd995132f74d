"""Between object states and rows of the memory."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass, replace

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Gaussian, ObjectState, Visibility

_TRIANGLE = np.triu_indices(6)
_SYMMETRIC = np.zeros((6, 6), dtype=np.intp)
_SYMMETRIC[_TRIANGLE] = _SYMMETRIC.T[_TRIANGLE] = np.arange(21)
_LONGEST_TEXT = 1000

OBSERVATION_COLUMNS = (
    *("seq", "session", "object", "stamp", "grade", "visibility", "last_seen", "seen_by"),
    *("existence", "x", "y", "z", "size_x", "size_y", "size_z"),
    *("vx", "vy", "vz", "wx", "wy", "wz", "red", "green", "blue"),
    *("log_mass_mean", "log_mass_variance", "log_friction_mean", "log_friction_variance"),
    *("surprise", "rotation", "pose_covariance", "twist_covariance"),
)

Row = tuple[int | float | str | bytes, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """An object state as the memory holds it.

    Attributes:
        state: The belief, with the label that was given last.
        seq: Number of its row in the log.
        map_id, world_frame: Where its position is valid.
        session_start: Stamp of the first frame of its session, ns.
        seen_by: Camera of the image at `state.last_seen`.
        removed: When the object was taken off the current objects, ns; None while it is one.
    """

    state: ObjectState
    seq: int
    map_id: str
    world_frame: str
    session_start: int
    seen_by: str
    removed: int | None


def to_row(state: ObjectState, seq: int, session: int, grade: int, seen_by: str) -> Row | None:
    """The columns of `OBSERVATION_COLUMNS`; None if a number of the state is not finite."""
    numbers = np.concatenate(
        [
            [state.existence],
            state.position,
            state.size,
            state.velocity,
            state.angular_velocity,
            state.color,
            [state.log_mass.mean, state.log_mass.variance],
            [state.log_friction.mean, state.log_friction.variance, state.surprise],
        ]
    ).tolist()
    if not all(map(math.isfinite, numbers)):
        return None
    head = (seq, session, clean(state.id), state.stamp, grade, int(state.visibility))
    matrices = (
        _pack(state.pose.rotation),
        _pack(state.pose_covariance[_TRIANGLE]),
        _pack(state.twist_covariance[_TRIANGLE]),
    )
    return (*head, state.last_seen, clean(seen_by), *numbers, *matrices)


def to_record(row: sqlite3.Row) -> Record:
    """Read a row of the view `current`, or of a query with the same columns."""
    label = row["label"]
    latent = row["latent"]
    state = ObjectState(
        id=row["object"],
        stamp=row["stamp"],
        pose=Pose(_unpack(row["rotation"]).reshape(3, 3), _vector(row, "x", "y", "z")),
        pose_covariance=_symmetric(row["pose_covariance"]),
        velocity=_vector(row, "vx", "vy", "vz"),
        angular_velocity=_vector(row, "wx", "wy", "wz"),
        twist_covariance=_symmetric(row["twist_covariance"]),
        size=_vector(row, "size_x", "size_y", "size_z"),
        visibility=Visibility(row["visibility"]),
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        existence=row["existence"],
        color=_vector(row, "red", "green", "blue"),
        log_mass=Gaussian(row["log_mass_mean"], row["log_mass_variance"]),
        log_friction=Gaussian(row["log_friction_mean"], row["log_friction_variance"]),
        surprise=row["surprise"],
    )
    if label is not None:
        state = replace(state, label=label, label_score=row["label_score"])
    if latent is not None:
        vector = np.frombuffer(latent, dtype="<f4")
        state = replace(state, latent=vector, model_id=row["model_id"])
    if row["transform"] is not None:
        state = moved_by(unpack_pose(row["transform"]), state)
    context = (row["map_id"], row["world_frame"], row["session_start"], row["seen_by"])
    return Record(state, row["seq"], *context, row["removed"])


def moved_by(transform: Pose, state: ObjectState) -> ObjectState:
    """A state in the coordinates of a map that was corrected since."""
    turn = np.kron(np.eye(2), transform.rotation)
    return replace(
        state,
        pose=transform @ state.pose,
        pose_covariance=turn @ state.pose_covariance @ turn.T,
        velocity=transform.rotation @ state.velocity,
        angular_velocity=transform.rotation @ state.angular_velocity,
        twist_covariance=turn @ state.twist_covariance @ turn.T,
    )


def pack_pose(pose: Pose) -> bytes:
    """A pose as the column `transform` holds it."""
    return _pack(np.vstack([np.column_stack([pose.rotation, pose.translation]), [0, 0, 0, 1]]))


def unpack_pose(blob: bytes) -> Pose:
    """The opposite of `pack_pose`."""
    matrix = _unpack(blob).reshape(4, 4)
    return Pose(matrix[:3, :3].copy(), matrix[:3, 3].copy())


def clean(text: str) -> str:
    """Text that SQLite can store and a terminal can show: no control or broken characters."""
    if len(text) <= _LONGEST_TEXT and text.isascii() and text.isprintable():
        return text
    valid = text[:_LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in valid)


def _vector(row: sqlite3.Row, *names: str) -> Floats:
    return np.array([row[name] for name in names], dtype=np.float64)


def _pack(values: Floats) -> bytes:
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


def _unpack(blob: bytes) -> Floats:
    return np.frombuffer(blob, dtype="<f8")


def _symmetric(blob: bytes) -> Floats:
    return _unpack(blob)[_SYMMETRIC]
