"""Everything that only a GPU can answer, in one call: parity, latency, memory, fused attention.

    .venv-train/bin/python bench/gpu.py                       # all parts on CUDA and TensorRT
    .venv-train/bin/python bench/gpu.py --part models         # in pieces of minutes
    .venv-train/bin/python bench/gpu.py --device cpu          # tries the script without a GPU

Needs `pip install onnxruntime-gpu[cuda,cudnn]==1.31.1` in place of onnxruntime, and for TensorRT
`tensorrt-cu13>=10.13,<11`. A device that does not work is left out with its reason. Parts are added
to `bench/results/gpu.json`; keys are those of NVIDIA's ros2_benchmark where they fit.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gpu_kernels
import numpy as np
import torch
from cjepa_cost import HISTORY, PATCHES, PatchPredictor
from common import RESULTS, write_result
from gpu_kernels import HEADS, KEY_FRAMES, TOKENS, WIDTH
from planner_deadline import table

from perception_models import forms
from perception_models.cjepa.task import Configuration
from perception_models.cjepa.task import example as scene_example
from perception_models.export import export
from perception_models.task import Signature
from perception_models.viewrope.task import example as slot_example
from perception_nodes.errors import ModelError
from perception_nodes.inference.hardware import find_gpu
from perception_nodes.inference.loading import load_network
from perception_nodes.inference.network import OnnxNetwork, first_line
from perception_nodes.inference.providers import why_not
from perception_nodes.inference.runtime import onnxruntime
from perception_nodes.model_cards import read_card, weights_folder
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.planner.blocks import blocks_of
from perception_nodes.planner.candidates import Moves
from perception_nodes.planner.cost import Aim
from perception_nodes.planner.iteration import Search
from perception_nodes.planner.network_round import NetworkRound
from perception_nodes.viewrope.learned import LearnedFinder
from perception_simulation.generator import generate
from perception_simulation.simulator import Simulator

PROFILES = (1, 64, 300)
CALLS = 300
SAMPLES, ITERATIONS, HORIZON = 300, 30, 5
FRAMES = 150


def latencies(work: Callable[[], Any], calls: int, batch: int = 1) -> dict[str, float]:
    """Milliseconds of calls after some that warm up, by ros2_benchmark's names, and quantiles."""
    for _ in range(min(10, calls)):
        work()
    times = np.empty(calls)
    for k in range(calls):
        began = time.perf_counter()
        work()
        times[k] = 1e3 * (time.perf_counter() - began)
    figures = {
        "Mean End-to-End Latency (ms)": times.mean(),
        "Max. End-to-End Latency (ms)": times.max(),
        "Min. End-to-End Latency (ms)": times.min(),
        "Mean Frame Rate (fps)": 1e3 * batch / times.mean(),
        **{f"p{q} (ms)": np.percentile(times, q) for q in (50, 95, 99)},
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def difference(found: dict[Any, Any], expected: dict[Any, Any]) -> float:
    """The largest difference of any output, as a part of that output's largest number."""
    return max(
        float(np.abs(found[name] - value).max() / max(np.abs(value).max(), 1e-6))
        for name, value in expected.items()
    )


def models(device: str, calls: int) -> dict[str, Any]:
    """Parity with the CPU and latency of every network, in its batch profiles."""
    slots = {name: value.numpy() for name, value in slot_example().items()}
    scene = {name: value[:1].numpy() for name, value in scene_example().items()}
    given = {"viewrope": [(1, slots)], "keypoints": [(1, _picture())], "cjepa": []}
    for batch in PROFILES:
        repeated = {name: np.repeat(value, batch, axis=0) for name, value in scene.items()}
        given["cjepa"].append((batch, repeated))
    rows: dict[str, Any] = {}
    for name, profiles in given.items():
        path = weights_folder() / f"{name}.yaml"
        reference, network = load_network(path, "cpu"), _exactly(path, device)
        for batch, inputs in profiles:
            row: dict[str, Any] = latencies(lambda: network.run(inputs), calls, batch)  # noqa: B023
            row["largest relative difference"] = difference(
                network.run(inputs), reference.run(inputs)
            )
            rows[f"{name}, batch {batch}"] = row
            print(f"{device}: {name} batch {batch}: {row}", flush=True)
    return rows


def _picture() -> dict[str, Any]:
    """A picture of noise for the network of keypoints."""
    shape = read_card(weights_folder() / "keypoints.yaml").inputs[0].shape
    return {"image": np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)}


def kernels(device: str, calls: int) -> dict[str, Any]:
    """Parity and latency of the forms of kernels."""
    rows = gpu_kernels.surfaces(device, calls, latencies)
    print(f"{device}: {rows}", flush=True)
    return rows


def attention(device: str, calls: int) -> dict[str, Any]:
    """Attention by the number of key frames of 300 tokens."""
    return gpu_kernels.attention(device, calls, latencies, quick=device == "cpu")


def half(device: str, calls: int) -> dict[str, Any]:
    """Networks whose products are in half precision, as shipped: parity and latency."""
    given = {"keypoints": _picture()}
    for name, tensors in (("viewrope", slot_example()), ("cjepa", scene_example())):
        given[name] = {key: value[:1].numpy() for key, value in tensors.items()}
    rows: dict[str, Any] = {}
    for name, inputs in given.items():
        path = weights_folder() / f"{name}.yaml"
        exact, network = load_network(path, "cpu"), _exactly(path, device, "half")
        row: dict[str, Any] = latencies(lambda: network.run(inputs), calls)  # noqa: B023
        row["largest relative difference"] = difference(network.run(inputs), exact.run(inputs))
        rows[name] = row
        print(f"{device}: {name} in half precision: {row}", flush=True)
    return rows


def plan(device: str, calls: int) -> dict[str, Any]:
    """A plan of the full published budget, by its steps: objects, and patch tokens beside them.

    300 samples, 30 iterations, 5 steps, as in the paper: 150 calls of batch 300, one after another.
    The patch predictor has random weights, the same width and depth, and 588 tokens a sample.
    """
    steps = ITERATIONS * HORIZON
    runs = max(3, calls // 30)
    configuration = Configuration()
    scene = {name: value[:1].numpy() for name, value in scene_example().items()}
    objects = {name: np.repeat(value, SAMPLES, axis=0) for name, value in scene.items()}
    mine = _exactly(weights_folder() / "cjepa.yaml", device)
    with tempfile.TemporaryDirectory() as folder:
        patches = PatchPredictor(configuration.width, configuration.heads, configuration.depth)
        tokens = torch.randn(2, HISTORY * PATCHES, configuration.width)
        signature = Signature({"tokens": tokens}, ("next",), {"tokens": {0: "batch"}})
        path = export(patches, signature, Path(folder) / "patches.onnx").path
        theirs = gpu_kernels.session(path, device)
        batch = SAMPLES if device != "cpu" else 4  # a try needs no gigabytes
        seen = {"tokens": tokens[:1].repeat(batch, 1, 1).numpy()}
        one = latencies(lambda: theirs.run(None, seen), runs)

    def whole() -> None:
        for _ in range(steps if device != "cpu" else 1):
            mine.run(objects)

    patch_ms = round(steps * one["p50 (ms)"] * SAMPLES / batch, 1)
    return {
        "objects": latencies(whole, runs),
        "patches, p50 of a step times steps (ms)": patch_ms,
        "physics": attempt(lambda: physics(device, runs)),
    }


def physics(device: str, runs: int) -> dict[str, Any]:
    """A plan of the full budget by the planner's own graph, and its parity with the CPU."""
    moves = Moves()
    path = weights_folder() / "planner.yaml"
    mine, exact = NetworkRound(_exactly(path, device)), NetworkRound(load_network(path, "cpu"))
    situation, _ = table(0)
    blocks = blocks_of(situation.objects)
    chosen = np.eye(len(blocks.ids))[0]
    area = np.array([-0.5, -0.4, 0.5, 0.4])
    aim = Aim(chosen, np.array([0.1, 0.1, 0.5]), np.array(1.0), area, np.array(0.015))
    noise = np.random.default_rng(0).standard_normal((SAMPLES, moves.size))
    least = np.full(moves.size, 0.005)
    first = Search(np.zeros(moves.size), np.full(moves.size, 0.05))

    def whole() -> None:
        search = first
        for _ in range(ITERATIONS if device != "cpu" else 1):
            search = mine.draw(search, least, noise, blocks, aim, 0.015).following

    costs = [way.draw(first, least, noise, blocks, aim, 0.015).costs for way in (mine, exact)]
    return {
        **latencies(whole, runs),
        "largest relative difference": difference({"costs": costs[0]}, {"costs": costs[1]}),
    }


def torch_attention(calls: int) -> dict[str, Any]:
    """The same in torch on CUDA, in half precision: products and softmax, and its fused form."""
    rows: dict[str, Any] = {}
    for frames in KEY_FRAMES:
        inputs = forms.attention_inputs(HEADS, WIDTH, TOKENS, frames * TOKENS)
        q, k, v = (inputs[name].cuda().half() for name in ("query", "key", "value"))

        def plain() -> torch.Tensor:
            scores = torch.softmax(q @ k.transpose(-1, -2) / WIDTH**0.5, dim=-1)  # noqa: B023
            return scores @ v  # noqa: B023

        def fused() -> torch.Tensor:
            return torch.nn.functional.scaled_dot_product_attention(q, k, v)  # noqa: B023

        row: dict[str, Any] = {}
        for name, work in (("plain", plain), ("one", fused)):
            row[name] = latencies(lambda: (work(), torch.cuda.synchronize()), calls)  # noqa: B023
        row["difference"] = float((plain() - fused()).abs().max())
        row["times faster"] = round(row["plain"]["p50 (ms)"] / row["one"]["p50 (ms)"], 2)
        rows[str(frames)] = row
    return rows


def pipeline(device: str, calls: int) -> dict[str, Any]:
    """From camera images of 640x480 to object states, with the learned encoder."""
    network = _exactly(weights_folder() / "viewrope.yaml", device)
    whole = Pipeline(LearnedFinder(network), ObjectTracker())
    times = []
    scene = dataclasses.replace(generate(seed=1), width=640, height=480)
    for k, sample in enumerate(Simulator(scene)):
        began = time.perf_counter()
        whole.process(sample.frame)
        times.append(1e3 * (time.perf_counter() - began))
        if k + 1 >= min(FRAMES, calls):
            break
    kept = np.array(times[min(10, len(times) // 2) :])
    return {f"p{q} (ms)": round(float(np.percentile(kept, q)), 2) for q in (50, 95, 99)}


def attempt(part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a part measured, or why it could not: the others are worth having without it."""
    try:
        return part()
    except Exception as error:  # noqa: BLE001 - ONNX Runtime, CUDA: no common base class
        print(f"failed: {error}", file=sys.stderr)
        return {"failed": first_line(error)}


def _exactly(path: Path, device: str, precision: str = "single") -> OnnxNetwork:
    """A network on this device and no other, in this precision and no other."""
    network = load_network(path, device, precision=precision)
    if network.device != device:
        raise ModelError(f"{path.stem} does not run on {device}: {network.fallbacks[device]}")
    if network.precision != precision:
        raise ModelError(f"{path.stem} does not run in {precision}: {network.against_half}")
    return network


def _data_hash() -> str:
    """Of the networks that were measured; frames are simulated from a seed."""
    digest = hashlib.sha256()
    for path in sorted(weights_folder().glob("*.onnx")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _memory() -> float | None:
    return round(torch.cuda.mem_get_info()[0] / 2**30, 2) if torch.cuda.is_available() else None


PARTS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "models": models,
    "half": half,
    "kernels": kernels,
    "attention": attention,
    "pipeline": pipeline,
    "plan": plan,
}


def main() -> int:
    """Run the parts on each device that works."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("gpu", "cuda", "tensorrt", "cpu"), default="gpu")
    parser.add_argument("--part", choices=(*PARTS, "torch", "all"), default="all")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--tier", choices=("cpu", "full"), default="full", help="cpu: do nothing")
    args = parser.parse_args()
    if args.tier == "cpu":
        return 0
    devices = ("cuda", "tensorrt") if args.device == "gpu" else (args.device,)
    path = RESULTS / "gpu.json"
    figures = json.loads(path.read_text())["figures"] if path.exists() else {}
    figures |= {"gpu": str(find_gpu()), "networks": _data_hash()}
    done, failed = 0, list[str]()
    for device in devices:
        reason = why_not(onnxruntime(), device)
        if reason:
            print(f"{device} is left out: {reason}", file=sys.stderr)
            continue
        for name, part in PARTS.items():
            if args.part in (name, "all"):
                measured = figures.setdefault(device, {})
                measured[name] = attempt(lambda: part(device, args.calls))  # noqa: B023
                failed += [f"{device}: {name}"] * ("failed" in measured[name])
                measured["free memory after (GiB)"] = _memory()
                done += 1
                if device != "cpu":  # part by part, so that a crash or a time limit costs only one
                    write_result("gpu", figures)
    if args.part in ("torch", "all") and args.device != "cpu" and torch.cuda.is_available():
        figures["torch on CUDA"] = attempt(lambda: torch_attention(args.calls))
        failed += ["torch"] * ("failed" in figures["torch on CUDA"])
        done += 1
        write_result("gpu", figures)
    if not done:
        print("nothing was measured and nothing written", file=sys.stderr)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed) or not done)


if __name__ == "__main__":
    sys.exit(main())
