"""Networks with 8-bit weights (dynamic quantization) against themselves: time and task error.

An 8-bit file is worth shipping if it is at least 1.3 times as fast and costs no more than a point
of the task. For the world model that point is a percent of the moving objects foreseen to within
5 cm, one and two seconds ahead, on test episodes; for the slot encoder one of F1, measured only if
time is gained. One thread; processor time, medians of calls in turn.

    .venv-train/bin/python bench/quantized.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from common import write_result
from onnxruntime.quantization import QuantType, quantize_dynamic

from perception_models.cjepa.dataset import episodes
from perception_models.cjepa.evaluation import distance, outlook
from perception_models.cjepa.samples import Windows
from perception_models.cjepa.shipped import as_shipped, shipped
from perception_models.cjepa.task import example as scene_example
from perception_models.viewrope.task import example as slot_example
from perception_nodes.model_cards import weights_folder

CALLS = 15
STEPS = {"1 s": 10, "2 s": 20}
NEAR, MOVED = 0.05, 0.02
GAIN, LOSS = 1.3, 1.0


def quantized(name: str, folder: Path) -> Path:
    """Write a network with its matrices in 8 bits, one scale a column."""
    path = folder / f"{name}.onnx"
    quantize_dynamic(
        weights_folder() / f"{name}.onnx",
        path,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    return path


def times_faster(paths: tuple[Path, Path], inputs: dict[str, Any]) -> float:
    """How much faster the second network is, from calls in turn."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [onnxruntime.InferenceSession(str(path), options) for path in paths]
    times: list[list[float]] = [[], []]
    for session in sessions:
        session.run(None, inputs)
    for _ in range(CALLS):
        for session, taken in zip(sessions, times, strict=True):
            began = time.process_time()
            session.run(None, inputs)
            taken.append(time.process_time() - began)
    return round(float(np.median(times[0]) / np.median(times[1])), 2)


def foreseen(folder: Path) -> dict[str, float]:
    """Percent of the moving objects foreseen to within 5 cm, by time ahead."""
    windows = Windows(episodes("test", "few"))
    found = outlook(shipped(folder), windows, "factual", as_shipped())
    moving = (distance(found.truth, found.truth[:, :1]).amax(dim=1) > MOVED) & (found.present > 0)
    missed = distance(found.answer, found.truth)
    return {
        name: round(100.0 * float((missed[:, step - 1][moving] < NEAR).float().mean()), 2)
        for name, step in STEPS.items()
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="both the same")
    parser.parse_args()
    torch.set_num_threads(1)
    slots = {name: value.numpy() for name, value in slot_example().items()}
    scene = {name: value[:1].numpy() for name, value in scene_example().items()}
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name, inputs, batches in (("viewrope", slots, (1,)), ("cjepa", scene, (1, 64, 300))):
            paths = weights_folder() / f"{name}.onnx", quantized(name, folder)
            figures[name] = {
                "times_faster": {
                    str(n): times_faster(
                        paths, {key: np.repeat(value, n, axis=0) for key, value in inputs.items()}
                    )
                    for n in batches
                },
                "megabytes": [round(path.stat().st_size / 1e6, 2) for path in paths],
            }
        exact, rounded = foreseen(weights_folder()), foreseen(folder)
    figures["cjepa"]["percent_within_5_cm"] = {"fp32": exact, "int8": rounded}
    lost = max(exact[name] - rounded[name] for name in STEPS)
    for name, points in (("viewrope", 0.0), ("cjepa", lost)):
        gain = max(figures[name]["times_faster"].values())
        figures[name]["worth_shipping"] = bool(gain >= GAIN and points <= LOSS)
        print(name, figures[name])
    write_result("quantized", figures)


if __name__ == "__main__":
    main()
