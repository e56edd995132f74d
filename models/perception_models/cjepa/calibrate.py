"""Measure on validation episodes how far a trained world model can be believed.

    python -m perception_models.cjepa.calibrate

writes `cjepa_calibration.json` beside the exported network; see `perception_nodes.cjepa`. At which
gaps things touch depends on no network: `bench/cjepa_events.py` compares gaps.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from perception_models.cells import Batch, Call
from perception_models.cjepa.dataset import episodes
from perception_models.cjepa.evaluation import KINDS, Effect, Outlook, branch_batch, effect, outlook
from perception_models.cjepa.network import HISTORY
from perception_models.cjepa.rollout import observed, roll
from perception_models.cjepa.samples import Windows
from perception_models.cjepa.shipped import as_shipped, shipped
from perception_models.task import VALIDATION
from perception_nodes.cjepa.calibration import (
    CALIBRATION,
    Calibration,
    read_calibration,
    write_calibration,
)
from perception_nodes.model_cards import weights_folder

LEVEL, QUANTILE = 0.9, 1.645
"""Share of the truth that intervals shall hold, and their half width in standard deviations."""
_MOVING = 0.01


def calibrate(call: Call, windows: Windows, switches: Batch, before: Calibration) -> Calibration:
    """What depends on the network, from unseen episodes; the rest stays as before."""
    factual = outlook(call, windows, KINDS[0], switches)
    removed = effect(factual, outlook(call, windows, KINDS[1], switches))
    return replace(
        before,
        log_widening=tuple(round(float(v), 3) for v in widening(factual)),
        influence=influence_threshold(removed),
        surprise=surprise(call, windows, switches),
    )


def scaled_errors(found: Outlook) -> tuple[Tensor, Tensor]:
    """Errors of level position in standard deviations [E, 20, N, 2], and which objects move."""
    apart = (found.answer - found.truth)[..., :2]
    scaled = apart / found.deviation[..., :1].exp()
    travel = (found.truth[..., :3] - found.truth[:, :1, :, :3]).norm(dim=-1).amax(dim=1)
    moving = (travel > _MOVING) & (found.present > 0)
    return scaled, moving


def widening(found: Outlook) -> Tensor:
    """[20]: what to add to log deviations so that intervals of moving objects are right."""
    scaled, moving = scaled_errors(found)
    values = scaled.abs().transpose(1, 2)[moving]
    return (values.transpose(0, 1).flatten(1).quantile(LEVEL, dim=1) / QUANTILE).log()


def influence_threshold(removed: Effect) -> float:
    """The foreseen displacement, m, at which precision and recall of influences balance best."""
    told, true = removed.told[removed.true >= 0], removed.true[removed.true >= 0] > 0
    best, chosen = -1.0, 0.0
    for threshold in torch.linspace(0.004, 0.06, 29).tolist():
        said = told > threshold
        hits = float((said & true).sum())
        score = 2 * hits / max(float(said.sum() + true.sum()), 1.0)
        if score > best:
            best, chosen = score, threshold
    return round(chosen, 4)


@torch.no_grad()
def surprise(call: Call, windows: Windows, switches: Batch) -> float:
    """The squared scaled innovation of seen objects, a step ahead, that one in 1000 exceeds."""
    batch = branch_batch(windows, KINDS[0])
    batch["hidden"] = torch.zeros_like(batch["present"])
    expected, deviation = roll(call, batch, switches, observe=True)
    seen, beliefs, _ = observed(batch, switches)
    apart = (seen[:, HISTORY:, :, :2] - expected[..., :2]).square().sum(dim=-1)
    variance = (2 * deviation[..., 0]).exp() + (2 * beliefs[:, HISTORY:, :, 0]).exp()
    there = (batch["present"] * (1 - batch["stale"]))[:, None].expand_as(apart) > 0
    return round(float(np.quantile((apart / variance)[there].numpy(), 0.999)), 2)


def main() -> None:
    """Calibrate and write the file."""
    parser = argparse.ArgumentParser(description="Calibrate an exported world model.")
    parser.add_argument("folder", type=Path, nargs="?", default=weights_folder())
    folder = parser.parse_args().folder
    windows = Windows(episodes(VALIDATION, "few"))
    path = folder / CALIBRATION
    before = read_calibration(path) if path.exists() else Calibration()
    found = calibrate(shipped(folder), windows, as_shipped(), before)
    write_calibration(found, path)
    print(found)


if __name__ == "__main__":
    main()
