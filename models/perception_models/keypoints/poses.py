"""Random postures: how each limb of a body is turned, drawn from what people do before a robot.

A posture is a rotation of each part against its place at rest, in the axes of the body model
(x left, y back, z up); `anny` calls the differences along the chain "local-ref".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.skeleton import INDEX

SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
NECK = ("neck01", "neck02", "neck03", "head")
_REST = {  # directions of limbs as the model is made
    "upperarm01.L": (0.63, -0.07, -0.77), "lowerarm01.L": (0.55, -0.63, -0.55),
    "upperleg01.L": (0.11, 0.0, -0.99), "lowerleg01.L": (0.09, 0.07, -0.99),
}  # fmt: skip
_POSTURES = ("stand", "walk", "sit", "crouch", "bend", "kneel", "lie")
_SHARES = (0.3, 0.2, 0.19, 0.1, 0.12, 0.06, 0.03)
_DEGREE = math.pi / 180.0


def random_posture(rng: np.random.Generator) -> dict[str, Floats]:
    """Rotations (3, 3) of parts against rest, by bone; bones that are not named follow."""
    kind = str(rng.choice(_POSTURES, p=_SHARES))
    tilt = {"bend": rng.uniform(20, 90), "crouch": rng.uniform(0, 45), "sit": rng.normal(0, 15)}
    pitch = tilt.get(kind, rng.normal(3, 8))
    root = _turn(x=rng.normal(0, 5), y=rng.normal(0, 4))
    if kind == "lie":
        root = _turn(x=float(rng.choice([-90.0, 90.0])) + rng.normal(0, 10), y=rng.normal(0, 20))
    result = {"root": root}
    lean = (pitch, rng.normal(0, 8), rng.normal(0, 15))
    for number, bone in enumerate(SPINE, start=1):
        share = number / len(SPINE)
        result[bone] = root @ _turn(lean[0] * share, lean[1] * share, lean[2] * share)
    chest = result[SPINE[-1]]
    nod = (rng.normal(0, 15) - 0.4 * pitch, rng.normal(0, 8), rng.normal(0, 30))
    for number, bone in enumerate(NECK, start=1):
        share = number / len(NECK)
        result[bone] = chest @ _turn(nod[0] * share, nod[1] * share, nod[2] * share)
    step = float(rng.normal(0, 28))
    for side, sign in (("L", 1.0), ("R", -1.0)):
        _arm(rng, chest, side, sign, -sign * step if kind == "walk" else None, result)
        _leg(rng, root, side, sign, kind, sign * step, result)
    return result


def posture_of(joints: Floats) -> dict[str, Floats]:
    """The posture in which a body's limbs point as those of a skeleton do.

    Args:
        joints: (17, 3) z up; their lengths don't matter, as bodies have bones of their own.

    Returns:
        Rotations by bone; the root's holds where the body faces.
    """
    at = {name: joints[k] for name, k in INDEX.items()}
    hips = at["left_hip"] - at["right_hip"]
    shoulders = at["left_shoulder"] - at["right_shoulder"]
    middle_hip = (at["left_hip"] + at["right_hip"]) / 2.0
    up = (at["left_shoulder"] + at["right_shoulder"]) / 2.0 - middle_hip
    root, chest = _frame(hips, up), _frame(shoulders, up)
    result = {"root": root}
    between = Rotation.from_matrix(root.T @ chest).as_rotvec()
    for number, bone in enumerate(SPINE, start=1):
        result[bone] = root @ Rotation.from_rotvec(between * number / len(SPINE)).as_matrix()
    ears = at["left_ear"] - at["right_ear"]
    ahead = at["nose"] - (at["left_ear"] + at["right_ear"]) / 2.0
    head = _frame(ears, np.cross(ahead, ears))
    # Nose before ears points a little down in the model's own head.
    head = head @ _turn(x=-2.0)
    between = Rotation.from_matrix(chest.T @ head).as_rotvec()
    for number, bone in enumerate(NECK, start=1):
        result[bone] = chest @ Rotation.from_rotvec(between * number / len(NECK)).as_matrix()
    for side, name in (("L", "left"), ("R", "right")):
        for above, upper, lower, (a, b, c) in (
            (chest, "upperarm01", "lowerarm01", ("shoulder", "elbow", "wrist")),
            (root, "upperleg01", "lowerleg01", ("hip", "knee", "ankle")),
        ):
            first = at[f"{name}_{b}"] - at[f"{name}_{a}"]
            second = at[f"{name}_{c}"] - at[f"{name}_{b}"]
            result[f"{upper}.{side}"] = _point(f"{upper}.{side}", above, first)
            result[f"{lower}.{side}"] = _point(f"{lower}.{side}", result[f"{upper}.{side}"], second)
    return result


def local_turns(
    posture: Mapping[str, Floats], bones: Sequence[str], parents: Sequence[int]
) -> Floats:
    """(bones, 4, 4) of the model's pose parameters: each bone against the one it hangs on."""
    total = np.tile(np.eye(3), (len(bones), 1, 1))
    result = np.tile(np.eye(4), (len(bones), 1, 1))
    for k, (bone, parent) in enumerate(zip(bones, parents, strict=True)):
        above = total[parent] if parent >= 0 else np.eye(3)
        total[k] = posture.get(bone, above)
        result[k, :3, :3] = above.T @ total[k]
    return result


def _arm(
    rng: np.random.Generator, chest: Floats, side: str, sign: float, swing: float | None,
    result: dict[str, Floats],
) -> None:  # fmt: skip
    """Hanging, reaching, raised or on the hip; the elbow bends to where it can."""
    kind = rng.choice(["hang", "reach", "side", "up", "any"], p=[0.4, 0.25, 0.12, 0.11, 0.12])
    ahead, out = {  # degrees from hanging: forward, and away from the body
        "hang": (rng.normal(0, 15), abs(rng.normal(8, 8))),
        "reach": (rng.uniform(30, 110), rng.uniform(-15, 40)),
        "side": (rng.normal(0, 15), rng.uniform(30, 110)),
        "up": (rng.uniform(110, 175), rng.uniform(-10, 40)),
        "any": (rng.uniform(-40, 170), rng.uniform(-20, 100)),
    }[str(kind)]
    if swing is not None and rng.random() < 0.8:
        ahead, out = swing, abs(rng.normal(6, 5))
    down = np.array([0.0, 0.0, -1.0])
    upper = chest @ _turn(x=-ahead) @ _turn(y=-sign * out) @ down
    flexed = float(rng.choice([abs(rng.normal(12, 12)), rng.uniform(20, 140)], p=[0.45, 0.55]))
    inward = rng.uniform(-40, 70)
    bend = _turn(z=sign * inward)
    lower = chest @ _turn(x=-ahead) @ _turn(y=-sign * out) @ bend @ _turn(x=-flexed) @ down
    result[f"upperarm01.{side}"] = _point(f"upperarm01.{side}", chest, upper)
    fore = _point(f"lowerarm01.{side}", result[f"upperarm01.{side}"], lower)
    result[f"lowerarm01.{side}"] = fore
    result[f"wrist.{side}"] = fore @ _turn(rng.normal(0, 20), rng.normal(0, 20), rng.normal(0, 15))


def _leg(
    rng: np.random.Generator, root: Floats, side: str, sign: float, kind: str, step: float,
    result: dict[str, Floats],
) -> None:  # fmt: skip
    ahead, bent = {
        "walk": (step, max(0.0, rng.normal(15, 15) - 0.5 * step)),
        "sit": (rng.uniform(70, 105), rng.uniform(50, 115)),
        "crouch": (rng.uniform(60, 125), rng.uniform(80, 145)),
        "kneel": (rng.choice([rng.uniform(-5, 15), 85.0]), rng.uniform(85, 110)),
    }.get(kind, (rng.normal(0, 7), abs(rng.normal(0, 10))))
    out = rng.normal(6, 6) + (abs(rng.normal(0, 15)) if kind in ("sit", "crouch") else 0.0)
    down = np.array([0.0, 0.0, -1.0])
    turned = root @ _turn(z=sign * rng.normal(5, 8)) @ _turn(y=-sign * out)
    upper = turned @ _turn(x=-float(ahead)) @ down
    lower = turned @ _turn(x=float(bent - ahead)) @ down
    result[f"upperleg01.{side}"] = _point(f"upperleg01.{side}", root, upper)
    shank = _point(f"lowerleg01.{side}", result[f"upperleg01.{side}"], lower)
    result[f"lowerleg01.{side}"] = shank
    result[f"foot.{side}"] = shank @ _turn(x=rng.normal(-5, 12))


def _point(bone: str, above: Floats, direction: Floats) -> Floats:
    """What turns a limb from where it hangs on the part above into a direction, the short way."""
    name, side = bone.split(".")
    rest = np.array(_REST[f"{name}.L"]) * ([1.0, 1.0, 1.0] if side == "L" else [-1.0, 1.0, 1.0])
    now = above @ (rest / np.linalg.norm(rest))
    target = direction / max(float(np.linalg.norm(direction)), 1e-9)
    axis = np.cross(now, target)
    sine, cosine = float(np.linalg.norm(axis)), float(now @ target)
    if sine < 1e-6:
        return above
    turn = Rotation.from_rotvec(axis / sine * math.atan2(sine, cosine))
    return np.asarray(turn.as_matrix() @ above)


def _frame(left: Floats, up: Floats) -> Floats:
    """Axes of a part from where its left is and, roughly, its top."""
    x = left / max(float(np.linalg.norm(left)), 1e-9)
    y = np.cross(up, x)
    y = y / max(float(np.linalg.norm(y)), 1e-9)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def _turn(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Floats:
    """About z, then y, then x of a part's own axes, degrees; x > 0 bends it forward."""
    matrix: Floats = Rotation.from_euler("ZYX", [z, y, x], degrees=True).as_matrix()
    return matrix
