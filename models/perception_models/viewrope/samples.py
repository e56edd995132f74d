"""Frames of a scene as the network takes them in, and what it should find there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from perception_models.cells import Batch
from perception_models.viewrope.dataset import SHARD, shard
from perception_models.viewrope.encodings import place_pairs
from perception_models.viewrope.network import CELL, HEIGHT, PATCHES, WIDTH
from perception_models.viewrope.scenes import DEPTH_STEP, VIEWS
from perception_nodes.arrays import Bytes, Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame
from perception_nodes.viewrope.encoding import intrinsics, picture, place_phases, sight

PHASES = place_pairs(32)
MIN_CELLS = 6
"""Objects that show fewer cells are not asked for."""

_SCALES = (0.8, 1.25)
_GAIN, _HUE, _NOISE = 0.35, 0.15, 6.0


class Sample(NamedTuple):
    """A view: its frame, labels (H, W) with object + 1, centers (K, 3) of objects in the world."""

    frame: Frame
    labels: Bytes
    centers: Floats


def frames(split: str, scene: int, views: list[int]) -> Sequence[Sample]:
    """Some views of a scene of a split."""
    data = shard(split, scene // SHARD)
    index = scene % SHARD
    found = []
    for view in views:
        depth = data["depth"][index, view].numpy().astype(np.float32) * np.float32(DEPTH_STEP)
        depth[depth == 0] = np.nan
        matrix = data["poses"][index, view].numpy().astype(np.float64)
        camera = Camera(WIDTH, HEIGHT, *(float(x) for x in data["cameras"][index, view]))
        pose = Pose(matrix[:3, :3], matrix[:3, 3])
        color = data["color"][index, view].numpy()
        frame = Frame(view, "camera", "optical", camera, color, depth, pose)
        labels = data["labels"][index, view].numpy()
        found.append(Sample(frame, labels, data["centers"][index].numpy().astype(np.float64)))
    return found


def augmented(views: Sequence[Sample], rng: np.random.Generator) -> Sequence[Sample]:
    """The same scene mirrored or not, larger or smaller, in other colors and light."""
    mirrored, scale = rng.random() < 0.5, float(rng.uniform(*_SCALES))
    sign = np.array([-1.0, 1.0, 1.0]) if mirrored else np.ones(3)
    mixing = np.eye(3) + rng.normal(0.0, _HUE, (3, 3))
    gain = np.exp(rng.normal(0.0, _GAIN)) * np.exp(rng.normal(0.0, 0.15, 3))
    found = []
    for frame, labels, centers in views:
        assert frame.pose is not None
        step = -1 if mirrored else 1
        color = frame.color[:, ::step].astype(np.float32) @ (mixing * gain).astype(np.float32)
        color += rng.normal(0.0, 20.0) + _NOISE * rng.random() * rng.standard_normal(
            color.shape, dtype=np.float32
        )
        rotation = sign[:, None] * frame.pose.rotation * sign
        pose = Pose(rotation, scale * sign * frame.pose.translation)
        changed = Frame(
            frame.stamp,
            frame.camera_name,
            frame.frame_id,
            frame.camera,
            np.clip(color, 0, 255).astype(np.uint8),
            np.ascontiguousarray(frame.depth[:, ::step]) * np.float32(scale),
            pose,
        )
        found.append(
            Sample(changed, np.ascontiguousarray(labels[:, ::step]), scale * sign * centers)
        )
    return found


def inputs(views: Sequence[Sample]) -> Batch:
    """What the network takes in of the views of one scene, and its targets.

    Returns:
        color, depth, camera, rays, place as for `SlotEncoder.forward`; labels [V, P] of cells,
        object + 1; centers [V, K, 3] of objects in the optical frame; visible [V, K] cells that
        an object shows.
    """
    rows: dict[str, list[Any]] = {}
    first = views[0][0].pose
    assert first is not None
    for frame, labels, centers in views:
        assert frame.pose is not None
        seen = picture(frame, WIDTH, HEIGHT)
        where = sight(frame, seen, *PATCHES)
        cells = labels[CELL // 2 :: CELL, CELL // 2 :: CELL].ravel()
        local = np.nan_to_num(frame.pose.inverse().apply(centers))
        counts = np.bincount(cells, minlength=len(centers) + 1)[1:]
        row: dict[str, Any] = {
            "color": seen.color,
            "depth": np.nan_to_num(seen.depth),
            "camera": intrinsics(seen.camera),
            "rays": where.rays,
            "place": place_phases(where.places, first.translation, PHASES),
            "labels": cells.astype(np.int64),
            "centers": local.astype(np.float32),
            "visible": counts.astype(np.float32),
        }
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    return {name: torch.from_numpy(np.stack(values)) for name, values in rows.items()}


def draw(shards: int, count: int, views: int, generator: torch.Generator) -> Batch:
    """Views of random training scenes, those of a scene one after another."""
    rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
    found = []
    for scene in rng.choice(shards * SHARD, count, replace=False):
        chosen = [int(v) for v in rng.choice(VIEWS, views, replace=False)]
        found.append(inputs(augmented(frames("training", int(scene), chosen), rng)))
    return joined(found)


def joined(batches: list[Batch]) -> Batch:
    """Several batches as one."""
    return {name: torch.cat([item[name] for item in batches]) for name in batches[0]}


def middles(labels: Tensor, visible: Tensor, shape: tuple[int, int]) -> Tensor:
    """[N, P] heat that is 1 at the cell of each object that is nearest to the middle of its cells.

    Around it heat falls off like a Gaussian whose width grows with the object's size; only the
    object's own cells are warm.
    """
    rows, columns = shape
    index = torch.arange(rows * columns, device=labels.device)
    y, x = (index // columns).float(), (index % columns).float()
    own = (labels[..., None] == torch.arange(1, visible.shape[1] + 1, device=labels.device)).float()
    count = own.sum(dim=1).clamp(min=1.0)
    middle_x, middle_y = ((own * axis[:, None]).sum(dim=1) / count for axis in (x, y))
    apart = (x[:, None] - middle_x[:, None]).square() + (y[:, None] - middle_y[:, None]).square()
    nearest = (apart + 1e9 * (1.0 - own)).argmin(dim=1)
    apart = (x[:, None] - x[nearest][:, None]).square() + (
        y[:, None] - y[nearest][:, None]
    ).square()
    width = (0.15 * count.sqrt()).clamp(min=0.8)
    heat = torch.exp(-apart / (2.0 * width.square())[:, None]) * own
    return (heat * (visible >= MIN_CELLS).float()[:, None]).amax(dim=-1)
