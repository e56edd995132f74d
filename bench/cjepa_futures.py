"""What the shipped world model foresees: effects of interventions, intervals, who moves whom.

    python bench/cjepa_futures.py

Truth is re-simulation without the push or without an object, on unseen episodes with few and with
many objects. Thresholds and widening come from validation episodes (`cjepa_calibration.json`).
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from common import write_result

from perception_models.cells import Batch, Call
from perception_models.cjepa.calibrate import QUANTILE, scaled_errors
from perception_models.cjepa.dataset import episodes
from perception_models.cjepa.evaluation import KINDS, Effect, Outlook, effect, outlook
from perception_models.cjepa.samples import Windows
from perception_models.cjepa.shipped import as_shipped, shipped
from perception_nodes.cjepa.calibration import CALIBRATION, Calibration, read_calibration
from perception_nodes.cjepa.loading import network_hash
from perception_nodes.model_cards import weights_folder

HORIZONS = (5, 10, 15, 20)


def measure(call: Call, windows: Windows, switches: Batch, known: Calibration) -> dict[str, Any]:
    """All figures on some episodes."""
    found = {kind: outlook(call, windows, kind, switches) for kind in KINDS}
    factual = found["factual"]
    removal, action = (effect(factual, found[kind]) for kind in KINDS[1:])
    return {
        "action": effects(action),
        "removal": effects(removal),
        "coverage": coverage(factual, known),
        "influence": influence(removal, known.influence),
        "influence_chance": influence(_shuffled(removal), known.influence),
    }


def effects(found: Effect) -> dict[str, Any]:
    """The effect ratio, what is needed to bootstrap it, and effects where there are none."""
    return {
        "ratio": round(found.ratio, 4),
        "affected": int(found.affected.sum()),
        "missed": [float(f"{v:.4g}") for v in found.missed.tolist()],
        "total": [float(f"{v:.4g}") for v in found.total.tolist()],
        "false_mm": round(1000 * float(found.false.median()), 2),
        "false_90_mm": round(1000 * float(found.false.quantile(0.9)), 2),
    }


def coverage(found: Outlook, known: Calibration) -> dict[str, Any]:
    """Share of level coordinates within 90 % intervals, by steps ahead; moving and all objects."""
    scaled, moving = scaled_errors(found)
    widened = torch.from_numpy(known.widening(found.truth.shape[1])[:, 0, 0]).float()
    inside = (scaled.abs() / widened.exp()[None, :, None, None] < QUANTILE).float()
    raw = (scaled.abs() < QUANTILE).float()
    rows = {}
    for step in HORIZONS:
        at = step - 1
        rows[f"{step / 10:.1f}s"] = {
            "moving": round(float(inside[:, at][moving].mean()), 4),
            "all": round(float(inside[:, at][found.present > 0].mean()), 4),
            "moving_uncalibrated": round(float(raw[:, at][moving].mean()), 4),
        }
    return rows


def influence(found: Effect, threshold: float) -> dict[str, Any]:
    """Of all (removed object, other object): who is said to be moved by it, and who is."""
    there = found.true >= 0
    said, true = found.told[there] > threshold, found.true[there] > 0
    hits = int((said & true).sum())
    return {
        "pairs": int(there.sum()),
        "true": int(true.sum()),
        "said": int(said.sum()),
        "hits": hits,
        "precision": round(hits / max(int(said.sum()), 1), 4),
        "recall": round(hits / max(int(true.sum()), 1), 4),
    }


def _shuffled(found: Effect) -> Effect:
    """A negative control: what is said of one episode against the truth of the next."""
    told = torch.where(found.true >= 0, found.told.roll(1, dims=0), 0.0)
    return Effect(found.missed, found.total, found.false, found.affected, told, found.true)


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.parse_args()
    torch.set_num_threads(1)
    known = read_calibration(weights_folder() / CALIBRATION)
    figures: dict[str, Any] = {}
    for crowd in ("few", "many"):
        windows = Windows(episodes("test", crowd))
        figures[crowd] = measure(shipped(), windows, as_shipped(), known)
        for name, row in figures[crowd].items():
            shown = {k: v for k, v in row.items() if not isinstance(v, list)}
            print(crowd, name, shown)
    write_result("cjepa_futures", {"network": network_hash(), **figures})


if __name__ == "__main__":
    main()
