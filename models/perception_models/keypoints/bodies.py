"""Bodies of all kinds in postures of all kinds: surfaces and joints, from the `anny` model.

`anny` (Bregier et al. 2025, arXiv:2511.03589; Apache-2.0, its meshes CC0) is asked for its own
topology only; the one called "smplx" is not free.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from perception_models.data import cached
from perception_models.keypoints import poses
from perception_nodes.arrays import Floats, Ints
from perception_nodes.embodmocap.skeleton import JOINTS
from perception_nodes.errors import ConfigurationError

PARTS = (
    "hair", "face", "neck", "trunk", "pelvis", "upper arm", "forearm", "hand", "thigh", "shank",
    "foot",
)  # fmt: skip
_OWNERS = {
    "neck": 2, "head": 1, "eye": 1, "spine": 3, "clavicle": 3, "shoulder": 3, "root": 4,
    "pelvis": 4, "upperarm": 5, "lowerarm": 6, "wrist": 7, "finger": 7, "metacarpal": 7,
    "upperleg": 8, "lowerleg": 9, "foot": 10, "toe": 10,
}  # fmt: skip
_BATCH = 16


@dataclass(frozen=True, eq=False)
class Bodies:
    """Bodies on the floor, each at the origin, facing -y.

    Attributes:
        surfaces: (B, V, 3) meters.
        joints: (B, 17, 3) meters, inside the bodies.
        faces: (F, 3) vertices of triangles, seen from outside counterclockwise.
        parts: (V,) which of `PARTS`.
        rest: (V, 3) where vertices of an average body lie at rest; for patterns of clothes.
    """

    surfaces: Floats
    joints: Floats
    faces: Ints
    parts: Ints
    rest: Floats

    def __len__(self) -> int:
        return len(self.surfaces)


def pool(name: str, count: int, seed: int) -> Bodies:
    """Bodies that are made once and kept: the same name, count and seed give the same ones."""

    def make() -> dict[str, torch.Tensor]:
        rng = np.random.default_rng((seed, 17))
        made = embody(
            [poses.random_posture(rng) for _ in range(count)],
            [random_build(rng) for _ in range(count)],
        )
        return {
            "surfaces": torch.from_numpy(made.surfaces).float(),
            "joints": torch.from_numpy(made.joints).float(),
            "faces": torch.from_numpy(made.faces),
            "parts": torch.from_numpy(made.parts),
            "rest": torch.from_numpy(made.rest).float(),
        }

    found = cached("bodies", {"name": name, "count": count, "seed": seed}, make, code=(poses,))
    arrays = {key: value.numpy() for key, value in found.items()}
    return Bodies(**arrays)


def random_build(rng: np.random.Generator) -> dict[str, float]:
    """Shares, 0..1, of what makes bodies differ; mostly adults, some children and old people."""
    return {
        "gender": float(rng.random()),
        "age": float(np.clip(rng.normal(0.67, 0.13), 0.33, 1.0)),
        "muscle": float(np.clip(rng.normal(0.5, 0.2), 0.0, 1.0)),
        "weight": float(np.clip(rng.normal(0.5, 0.22), 0.0, 1.0)),
        "height": float(np.clip(rng.normal(0.5, 0.2), 0.0, 1.0)),
        "proportions": float(rng.random()),
    }


@torch.no_grad()
def embody(
    postures: Sequence[Mapping[str, Floats]], builds: Sequence[Mapping[str, float]]
) -> Bodies:
    """Bodies of the given builds in the given postures, their lowest points on the floor.

    Raises:
        ConfigurationError: `anny` is not installed.
    """
    anny, model = _model()
    regressor = anny.KeypointsRegressor.coco(model, labels=list(JOINTS))
    parents = [int(p) for p in model.bone_parents]
    surfaces, joints = [], []
    for first in range(0, len(postures), _BATCH):
        chunk = slice(first, first + _BATCH)
        turns = [poses.local_turns(p, model.bone_labels, parents) for p in postures[chunk]]
        looks = {
            key: torch.tensor([build[key] for build in builds[chunk]], dtype=model.dtype)
            for key in model.phenotype_labels
        }
        pose = torch.from_numpy(np.stack(turns)).to(model.dtype)
        out = model(pose_parameters=pose, phenotype_kwargs=looks)
        vertices, points = out["vertices"].numpy(), regressor(out).numpy()
        low = np.concatenate([points.mean(axis=1, keepdims=True)[..., :2],
                              vertices[..., 2].min(axis=1)[:, None, None]], axis=-1)  # fmt: skip
        surfaces.append((vertices - low).astype(np.float32))
        joints.append((points - low).astype(np.float32))
    return Bodies(
        np.concatenate(surfaces),
        np.concatenate(joints),
        np.asarray(model.faces.numpy(), dtype=np.int64),
        _parts(model),
        model.template_vertices.numpy().astype(np.float32),
    )


@lru_cache(maxsize=1)
def _model() -> tuple[Any, Any]:
    """The body model; its first construction on a machine takes two minutes."""
    try:
        anny: Any = importlib.import_module("anny")
    except ImportError as error:
        raise ConfigurationError(
            "rendering people needs the body model anny, which is not installed",
            "pip install 'permanence[people]'",
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its skinning needs more memory without Warp; enough here
        return anny, anny.Anny()


def _parts(model: Any) -> Ints:
    """(V,) the part that each vertex belongs to, by the bone that moves it most."""
    weights, indices = model.vertex_bone_weights, model.vertex_bone_indices
    strongest = indices.gather(1, weights.argmax(dim=1, keepdim=True))[:, 0].tolist()
    owner = [
        next(part for prefix, part in _OWNERS.items() if bone.startswith(prefix))
        for bone in model.bone_labels
    ]
    parts = np.array([owner[k] for k in strongest])
    rest = model.template_vertices.numpy()
    head = parts == PARTS.index("face")
    low, high = rest[head].min(axis=0), rest[head].max(axis=0)
    share = (rest - low) / (high - low)  # y from the face to the back, z up
    hair = head & ((share[:, 2] > 0.82) | ((share[:, 1] > 0.5) & (share[:, 2] > 0.35)))
    return np.where(hair, PARTS.index("hair"), parts)
