"""Keypoints as a task: maps of joints and people from pictures, trained on rendered bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from perception_models.cells import FULL, Batch, Call
from perception_models.configuration import TrainingConfiguration
from perception_models.keypoints import dataset, pictures
from perception_models.keypoints.network import KeypointsNetwork
from perception_models.keypoints.samples import crop, targets
from perception_models.keypoints.scoring import compare
from perception_models.task import VALIDATION, Signature
from perception_nodes.embodmocap.keypoints import decode
from perception_nodes.ros.parameters import count, number

_PEAK_WEIGHT = 16.0
"""How much more a cell with a joint counts than one without: most cells have none."""
_MAPS_SCALE = 100.0
_LIMB_WEIGHT = 4.0
_TOGETHER = 10
_TOLERANCE = 1e-3  # products of 20 layers in another order


@dataclass(frozen=True)
class Configuration(TrainingConfiguration):
    """The pictures, and the size of the network."""

    steps: int = count(3300, "updates of the weights", 1, 10_000_000)
    batch: int = count(8, "crops an update", 1, 65536)
    rest_rate: float = number(2e-3, "learning rate of AdamW for the rest", 0.0, 10.0)
    clip: float = number(5.0, "largest gradient norm of a cell; 0: any", 0.0, 1e6)
    evaluate_every: int = count(1000, "updates between validations", 1, 10_000_000)
    checkpoint_every: int = count(250, "updates between checkpoints", 1, 10_000_000)
    shards: int = count(14, "of 250 training pictures", 1, 10_000)
    test_shards: int = count(1, "of 250 pictures of validation and of test, each", 1, 100)
    crop_width: int = count(192, "of what is trained on, pixels, a multiple of 32", 64, 320)
    crop_height: int = count(160, "of what is trained on, pixels, a multiple of 32", 64, 240)
    width4: int = count(24, "channels at a quarter of the resolution", 8, 512)
    width8: int = count(48, "channels at an eighth", 8, 512)
    width16: int = count(96, "channels at a sixteenth", 8, 1024)
    width32: int = count(160, "channels at a 32nd", 8, 1024)
    offset_weight: float = number(0.5, "of the offsets in the loss", 0.0, 100.0)


class KeypointsTask:
    """See `perception_models.task.Task`."""

    name = "keypoints"
    summary = "Finds the 17 joints of each person in a color image, bottom-up."
    limits = (
        "A first, weak network: trained briefly on rendered bodies only (no cloth that hangs, no"
        " strands of hair, no photographs). It misses about half of the people in cluttered drawn"
        " pictures, takes left for right in about a third of those it finds, and invents two to"
        " three people in a cluttered photograph that shows nobody. Use a detector trained on"
        " photographs where there is one. Images are reduced to 320 x 240."
    )
    ablations: Mapping[str, Mapping[str, float]] = {FULL: {}}
    metric = "error"

    def __init__(self, configuration: Configuration, device: torch.device) -> None:
        self.configuration = configuration
        self.device = device

    def network(self) -> nn.Module:
        """A new network."""
        c = self.configuration
        return KeypointsNetwork((c.width4, c.width8, c.width16, c.width32))

    def batch(self, step: int, seed: int, horizon: int) -> Batch:
        """See `samples.targets`; the horizon means nothing here."""
        c, rng = self.configuration, np.random.default_rng((seed, step, horizon))
        numbers = rng.integers(0, c.shards * dataset.SHARD, c.batch)
        crops = [
            crop(rng, dataset.picture("training", int(k)), c.crop_width, c.crop_height)
            for k in numbers
        ]
        return {name: value.to(self.device) for name, value in targets(crops).items()}

    def loss(self, call: Call, batch: Batch, switches: Batch) -> Tensor:
        """Squared error of maps, peaks counting more; absolute error of offsets; limbs."""
        del switches
        maps, offsets, limbs = call(batch["image"])
        wrong = (1.0 + _PEAK_WEIGHT * batch["maps"]) * (maps - batch["maps"]).square()
        apart = functional.smooth_l1_loss(
            offsets, batch["offsets"], reduction="none", beta=0.25
        ) * batch["weight"]  # fmt: skip
        away: Tensor = apart.sum() / batch["weight"].sum().clamp(min=1.0)
        dense = functional.binary_cross_entropy_with_logits(
            limbs, batch["limbs"], pos_weight=limbs.new_tensor(_LIMB_WEIGHT)
        )
        total: Tensor = _MAPS_SCALE * wrong.mean() + dense + self.configuration.offset_weight * away
        return total

    def errors(self, call: Call, split: str, switches: Batch) -> dict[str, Tensor]:
        """`error` (1 - OKS over the larger of how many people there are and are found), `missed`.

        `missed` is the share of people not found, `invented` how many found people are nobody,
        each a picture.
        """
        del switches
        total = self.configuration.test_shards * dataset.SHARD
        rows = []
        for first in range(0, total, _TOGETHER):
            shown = [dataset.picture(split, first + k) for k in range(_TOGETHER)]
            image = torch.from_numpy(np.stack([p.image for p in shown])).to(self.device)
            maps, offsets = (x.float().cpu().numpy() for x in call(image))
            for picture, chart, ways in zip(shown, maps, offsets, strict=True):
                found, _ = decode(chart, ways)
                agreed = compare(found, picture.pixels, picture.seen)
                most = max(len(found), len(picture.pixels))
                lost = int((agreed.match < 0).sum()) / max(len(picture.pixels), 1)
                rows.append((1.0 - agreed.oks.sum() / most if most else 0.0, lost,
                             float(agreed.invented)))  # fmt: skip
        values = torch.tensor(rows)
        return dict(zip(("error", "missed", "invented"), values.T, strict=True))

    def recipe(self) -> dict[str, Any]:
        """How the data are made."""
        c = self.configuration
        return {
            "world": "bodies of the model anny 0.6.2 (Apache-2.0, meshes CC0), random builds and "
            "postures, colored regions for clothes, random rooms, lights and things in front "
            "(perception_models/keypoints)",
            "training": f"{c.shards * dataset.SHARD} pictures of {dataset.SPLITS['training'][1]} "
            f"bodies, 320 x 240; crops of {c.crop_width} x {c.crop_height}, changed at random",
            "held_out": f"{c.test_shards * dataset.SHARD} pictures each of "
            f"{dataset.SPLITS[VALIDATION][1]} and {dataset.SPLITS['test'][1]} other bodies, "
            "other rooms",
        }

    def signature(self) -> Signature:
        """`image` in, `maps` and `offsets` out, one image at a time."""
        generator = np.random.default_rng(0)
        noise = generator.integers(0, 256, (1, pictures.HEIGHT, pictures.WIDTH, 3), dtype=np.uint8)
        return Signature(
            {"image": torch.from_numpy(noise)}, ("maps", "offsets"), {}, tolerance=_TOLERANCE
        )
