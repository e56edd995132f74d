"""How many objects slots hold: the figures that trainings are compared by."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from perception_models.cells import Batch
from perception_models.viewrope.samples import MIN_CELLS
from perception_models.viewrope.slots import Slots

IOU = 0.5


def object_error(found: Slots, batch: Batch) -> Tensor:
    """[N] 1 - F1 of the objects of each frame at IoU 0.5, matched so that the sum is largest.

    Frames in which there is nothing and nothing is found count 0.
    """
    count = batch["visible"].shape[1]
    result = []
    for k in range(len(found.latent)):
        used = torch.cat((found.objectness.new_ones(1), (found.objectness[k] > 0).float()))
        chosen = (torch.softmax(found.logits[-1][k], dim=0) * used[:, None]).argmax(dim=0)
        slots = torch.unique(chosen)
        slots = slots[slots > 0]
        there = (batch["visible"][k, :count] >= MIN_CELLS).nonzero()[:, 0] + 1
        mine = (chosen == slots[:, None]).float()
        true = (batch["labels"][k] == there[:, None]).float()
        both = mine @ true.T
        iou = both / (mine.sum(1)[:, None] + true.sum(1)[None] - both).clamp(min=1)
        pairs = linear_sum_assignment(-iou.cpu().numpy())
        hits = float((iou[pairs] >= IOU).sum())
        total = len(slots) + len(there)
        result.append(1.0 - 2.0 * hits / total if total else 0.0)
    return torch.tensor(result)
