"""People who move as a motion capture recording (BVH) says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.skeleton import COUNT, INDEX
from perception_nodes.errors import InputError

CMU_UNIT = 0.0254 / 0.45
"""Meters of a unit in the recordings of CMU (mocap.cs.cmu.edu, frequently asked questions)."""
_PARTS = {"shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand",
          "hip": "UpLeg", "knee": "Leg", "ankle": "Foot"}  # fmt: skip
_EARS = 0.92
# Of the head's joint, in its own axes: x left, y up, z forward; meters.
_FACE = {"nose": (0.0, 0.05, 0.12), "left_eye": (0.032, 0.08, 0.1),
         "right_eye": (-0.032, 0.08, 0.1), "left_ear": (0.075, 0.06, 0.015),
         "right_ear": (-0.075, 0.06, 0.015)}  # fmt: skip


@dataclass(slots=True)
class _Joint:
    name: str
    parent: int
    offset: Floats
    channels: tuple[str, ...] = ()


class RecordedMotion:
    """The 17 joints of a recording over time, on the floor of the world.

    Args:
        path: A BVH file whose joints have CMU's names.
        unit: Meters of a unit of the file.

    Raises:
        InputError: The file can't be read, is no BVH, or its joints have other names.
    """

    def __init__(self, path: Path, unit: float = CMU_UNIT) -> None:
        joints, values, self._step = _read(path)
        names = [joint.name for joint in joints]
        needed = ["Head", *(f"{s}{p}" for p in _PARTS.values() for s in ("Left", "Right"))]
        missing = [name for name in needed if name not in names]
        if missing:
            raise InputError(f"{path} has no joints {', '.join(missing)}", "use a file of CMU's")
        self._joints = _coco(joints, names, values, unit)
        center = (self._joints.min(axis=(0, 1)) + self._joints.max(axis=(0, 1))) / 2.0
        ankles = self._joints[:, [INDEX["left_ankle"], INDEX["right_ankle"]], 2]
        self._joints -= [center[0], center[1], float(np.percentile(ankles, 5)) - 0.09]

    @property
    def duration(self) -> float:
        """Seconds."""
        return (len(self._joints) - 1) * self._step

    @property
    def stature(self) -> float:
        """Meters, as if they stood upright at some time; ears are at 0.92 of it."""
        ears = self._joints[:, [INDEX["left_ear"], INDEX["right_ear"]], 2]
        return float(np.percentile(ears, 95)) / _EARS

    def at(self, time: float) -> Floats:
        """(17, 3) at a time, s, world frame; the first or last outside of the recording."""
        place = min(max(time / self._step, 0.0), len(self._joints) - 1.0)
        low = min(int(place), len(self._joints) - 2)
        share = place - low
        mixed: Floats = (1.0 - share) * self._joints[low] + share * self._joints[low + 1]
        return mixed


def _coco(joints: list[_Joint], names: list[str], values: Floats, unit: float) -> Floats:
    """(T, 17, 3) of the BVH's joints, z up: world = (z, x, y)."""
    turns, places = _forward(joints, values)
    result = np.zeros((len(values), COUNT, 3))
    for part, name in _PARTS.items():
        for side in ("left", "right"):
            source = names.index(f"{side.capitalize()}{name}")
            result[:, INDEX[f"{side}_{part}"]] = places[source] * unit
    head = names.index("Head")
    for part, offset in _FACE.items():
        result[:, INDEX[part]] = places[head] * unit + turns[head] @ np.array(offset)
    return result[..., [2, 0, 1]]


def _forward(joints: list[_Joint], values: Floats) -> tuple[list[Floats], list[Floats]]:
    """Rotations (T, 3, 3) and places (T, 3) of every joint."""
    turns: list[Floats] = []
    places: list[Floats] = []
    column = 0
    for joint in joints:
        own = values[:, column : column + len(joint.channels)]
        column += len(joint.channels)
        moving = [k for k, c in enumerate(joint.channels) if c.endswith("position")]
        turning = [k for k, c in enumerate(joint.channels) if c.endswith("rotation")]
        local = np.broadcast_to(np.eye(3), (len(values), 3, 3))
        if turning:
            axes = "".join(joint.channels[k][0] for k in turning)
            local = Rotation.from_euler(axes.upper(), own[:, turning], degrees=True).as_matrix()
        shift = joint.offset + (own[:, moving] if moving else np.zeros(3))
        if joint.parent < 0:
            turns.append(local)
            places.append(np.broadcast_to(shift, (len(values), 3)))
        else:
            above = turns[joint.parent]
            turns.append(above @ local)
            places.append(places[joint.parent] + np.einsum("tij,...j->ti", above, joint.offset))
    return turns, places


def _read(path: Path) -> tuple[list[_Joint], Floats, float]:
    """Joints in order of their channels, values (T, channels) and seconds a frame."""
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from error
    lines = [words for words in map(str.split, text.splitlines()) if words]
    joints: list[_Joint] = []
    stack: list[int] = []
    try:
        for number, line in enumerate(lines):
            if line[0] in ("ROOT", "JOINT", "End"):
                joints.append(_Joint(line[-1], stack[-1] if stack else -1, np.zeros(3)))
            elif line[0] == "{":
                stack.append(len(joints) - 1)
            elif line[0] == "}":
                stack.pop()
            elif line[0] == "OFFSET":
                joints[stack[-1]].offset = np.array([float(x) for x in line[1:]])
            elif line[0] == "CHANNELS":
                joints[stack[-1]].channels = tuple(line[2:])
            elif line[0] == "MOTION":
                step = float(lines[number + 2][-1])
                values = np.array([[float(x) for x in row] for row in lines[number + 3 :]])
                return joints, values, step
    except (IndexError, ValueError) as error:
        raise InputError(f"{path} is no BVH file: {error}") from error
    raise InputError(f"{path} is no BVH file: it has no motion")
