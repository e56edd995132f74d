"""The part of `gpu.py` on kernels: parity with their references, and attention at many key frames.

Rays and phases have no form of their own: they are computed outside of networks in double
precision. Mask pooling and matching are calls of a library; the step of the cross-entropy method is
the planner's graph, in the part `plan`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from kernels import depth
from perception_kernels.shrink import shrink_depth
from perception_kernels.unproject import normals, unproject
from perception_models import forms
from perception_models.half import halved
from perception_nodes.errors import ModelError
from perception_nodes.inference.loading import provider_options
from perception_nodes.inference.providers import PROVIDERS
from perception_nodes.inference.runtime import onnxruntime

Latencies = Callable[[Callable[[], Any], int], dict[str, float]]

HEADS, WIDTH, TOKENS = 4, 32, 300
KEY_FRAMES = (1, 4, 16, 64)
QUICK_KEY_FRAMES = (1, 4)
SHRINK = 2


def session(path: Path, device: str) -> Any:
    """A network on this device; never quietly on the CPU instead.

    Raises:
        ModelError: ONNX Runtime took another one.
    """
    options = [(PROVIDERS[device], provider_options(device))]
    made = onnxruntime().InferenceSession(str(path), providers=options)
    if made.get_providers()[0] != PROVIDERS[device]:
        raise ModelError(f"{path.stem} does not run on {device}, only on {made.get_providers()[0]}")
    return made


def apart(found: Any, exact: Any) -> float:
    """The largest difference, as a part of the largest number."""
    return float(np.abs(found - exact).max() / max(np.abs(exact).max(), 1e-6))


def surfaces(device: str, calls: int, latencies: Latencies) -> dict[str, Any]:
    """Points, normals and smaller depth images of 640x480, against the kernels."""
    image, rays = depth(640, 480)
    given = np.nan_to_num(image)[None]
    camera = np.array([[640.0, 640.0, 320.0, 240.0]], np.float32)
    points = unproject(image, rays)
    with tempfile.TemporaryDirectory() as name:
        folder, tensor = Path(name), torch.from_numpy(given)
        whole = forms.surface(tensor, torch.from_numpy(camera), folder / "surface.onnx")
        small = forms.shrunk(tensor, SHRINK, folder / "shrunk.onnx")
        seen, shrunk = session(whole, device), session(small, device)
        found, facing = seen.run(None, {"depth": given, "camera": camera})
        (nearest,) = shrunk.run(None, {"depth": given})
        return {
            "unproject and normals": {
                **latencies(lambda: seen.run(None, {"depth": given, "camera": camera}), calls),
                "difference of points": apart(found[0], np.nan_to_num(points)),
                "difference of normals": apart(facing[0], np.nan_to_num(normals(points))),
            },
            "shrink_depth": {
                **latencies(lambda: shrunk.run(None, {"depth": given}), calls),
                "difference": apart(nearest[0], np.nan_to_num(shrink_depth(image, SHRINK))),
            },
        }


def attention(device: str, calls: int, latencies: Latencies, *, quick: bool) -> dict[str, Any]:
    """Attention as exported and in one operator, in both precisions, by the number of key frames.

    Differences are from the exported form in single precision on the CPU. ONNX Runtime has no half
    precision of that operator on a CPU, and TensorRT does not know the operator at all: it would be
    timed on the CPU.
    """
    rows: dict[str, Any] = {}
    for frames in QUICK_KEY_FRAMES if quick else KEY_FRAMES:
        inputs = forms.attention_inputs(HEADS, WIDTH, TOKENS, frames * TOKENS)
        given = {name: value.numpy() for name, value in inputs.items()}
        row: dict[str, Any] = {}
        with tempfile.TemporaryDirectory() as folder:
            paths = _written(inputs, Path(folder), half=device != "cpu", one=device != "tensorrt")
            (exact,) = session(paths["plain"], "cpu").run(None, given)
            for name, path in paths.items():
                made = session(path, device)
                row[name] = latencies(lambda: made.run(None, given), calls)  # noqa: B023
                (found,) = made.run(None, given)
                if name.startswith("one"):
                    found = found.reshape(1, TOKENS, HEADS, WIDTH).transpose(0, 2, 1, 3)
                row[name]["difference"] = apart(found, exact)
        for name in ("", ", half"):
            if f"one{name}" in row:
                plain, one = (row[f"{form}{name}"]["p50 (ms)"] for form in ("plain", "one"))
                row[f"times faster{name}"] = round(plain / one, 2)
        rows[str(frames)] = row
        print(f"{device}: {frames} key frames: {row}", flush=True)
    return rows


def _written(
    inputs: dict[str, torch.Tensor], folder: Path, *, half: bool, one: bool
) -> dict[str, Path]:
    """Files of the forms, by name."""
    plain = forms.plain_attention(inputs, folder / "plain.onnx")
    paths = {"plain": plain}
    if one:
        paths["one"] = forms.fused_attention(inputs, folder / "one.onnx")
    if half:
        paths["plain, half"] = folder / "plain_half.onnx"
        onnx.save(halved(onnx.load(plain)), paths["plain, half"])
    if half and one:
        paths["one, half"] = forms.fused_attention(inputs, folder / "one_half.onnx", half=True)
    return paths
