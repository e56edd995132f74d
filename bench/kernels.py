"""Every kernel: its plain reference, its fast form, and what ONNX Runtime makes of it.

The reference is timed on a small input, where the fast form is timed too (`times faster`); the fast
form and ONNX Runtime also at the size that the stack uses. Operations for which a library's call is
as good have no kernel; the call is timed instead. One thread; medians.

    .venv-train/bin/python bench/kernels.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch
from common import write_result
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from perception_kernels import attention, rays, shrink, sinks, transport, unproject
from perception_kernels.attention import TokenGeometry
from perception_models import forms
from perception_nodes.geometry.camera import Camera

HEADS, WIDTH, TOKENS = 4, 32, 300
FRAMES, SELECTED = 64, 4
SECONDS = 1.0


class Kernel(NamedTuple):
    """The two forms of a kernel and inputs of two sizes."""

    name: str
    reference: Callable[..., Any]
    fast: Callable[..., Any]
    small: tuple[Any, ...]
    large: tuple[Any, ...]


def milliseconds(work: Callable[[], Any]) -> float:
    """Median time of one call, over about a second."""
    work()
    times: list[float] = []
    while len(times) < 5 or (sum(times) < SECONDS and len(times) < 500):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(1e3 * np.median(times))


def depth(width: int, height: int) -> tuple[Any, Any]:
    """A depth image with holes and edges, and its camera's rays."""
    rng = np.random.default_rng(0)
    v, u = np.mgrid[:height, :width]
    image = (1.0 + u / width + 0.5 * (v > height // 2)).astype(np.float32)
    image[rng.random(image.shape) < 0.05] = np.nan
    return image, Camera(width, height, width, width, width / 2, height / 2).rays()


def remembered(asking: int, frames: int, tokens: int, selected: int) -> tuple[Any, ...]:
    """Inputs of attention over key frames."""
    given = {
        name: value[0].numpy()
        for name, value in forms.attention_inputs(HEADS, WIDTH, asking, frames * tokens).items()
    }
    there = TokenGeometry(
        given["key_rays"].reshape(frames, tokens, 3, 3),
        given["key_phases"].reshape(frames, tokens, -1, 2),
    )
    key, value = (given[n].reshape(HEADS, frames, tokens, WIDTH) for n in ("key", "value"))
    here = TokenGeometry(given["query_rays"], given["query_phases"])
    return given["query"], key, value, here, there, np.arange(selected)


def streamed(query: Any, key: Any, value: Any, first: int, recent: int) -> None:
    """Each step of a stream (heads, T, width), through the cache of fixed size."""
    cache = sinks.SinkCache(HEADS, WIDTH, first, recent)
    for step in range(query.shape[1]):
        cache.push(key[:, step], value[:, step])
        cache.attend(query[:, step])


def kernels() -> list[Kernel]:
    """All of `perception_kernels`."""
    small, small_rays = depth(40, 30)
    large, large_rays = depth(640, 480)
    patch_rays = Camera(20, 15, 20.0, 20.0, 9.5, 7.0).rays()
    turn = Rotation.from_euler("xyz", (0.1, 0.7, -0.4)).as_matrix()
    points = np.random.default_rng(1).normal(size=(TOKENS, 3))
    phases = points, np.zeros(3), rays.frequencies(0.2, 12.8, 2)
    points_small = unproject.unproject(small, small_rays)
    points_large = unproject.unproject(large, large_rays)
    rng = np.random.default_rng(3)
    entries = rng.normal(size=(3, HEADS, 100, WIDTH)).astype(np.float32)
    few = (*entries[:, :, :24], 4, 12)
    cost = rng.random((TOKENS, 32))
    a, b, s, u, t = attention, unproject, shrink, rays, transport
    return [
        Kernel("unproject", b.unproject_reference, b.unproject, (small, small_rays),
               (large, large_rays)),
        Kernel("normals", b.normals_reference, b.normals, (points_small,), (points_large,)),
        Kernel("shrink_depth", s.shrink_depth_reference, s.shrink_depth, (small, 2), (large, 2)),
        Kernel("ray_frames", u.ray_frames_reference, u.ray_frames, (patch_rays, turn),
               (patch_rays, turn)),
        Kernel("rotary_phases", u.rotary_phases_reference, u.rotary_phases, phases, phases),
        Kernel("ray_rotary_attention", a.ray_rotary_attention_reference, a.ray_rotary_attention,
               remembered(8, 4, 8, 2), remembered(TOKENS, FRAMES, TOKENS, SELECTED)),
        Kernel("sinkhorn", t.sinkhorn_reference, t.sinkhorn, (cost[:40, :8],), (cost,)),
        Kernel("sink_attention, 100 steps", sinks.sink_attention_reference, streamed, few,
               (*entries, 4, 60)),
    ]  # fmt: skip


def in_onnx_runtime(folder: Path) -> dict[str, float]:
    """Milliseconds of the forms in a graph, at the stack's sizes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1

    def session(path: Path, inputs: dict[str, torch.Tensor]) -> float:
        made = onnxruntime.InferenceSession(str(path), options)
        given = {name: value.numpy() for name, value in inputs.items()}
        return milliseconds(lambda: made.run(None, given))

    inputs = forms.attention_inputs(HEADS, WIDTH, TOKENS, SELECTED * TOKENS)
    image, _ = depth(640, 480)
    given = torch.from_numpy(np.nan_to_num(image))[None]
    camera = torch.tensor([[640.0, 640.0, 320.0, 240.0]])
    return {
        "attention, plain": session(forms.plain_attention(inputs, folder / "plain.onnx"), inputs),
        "attention, one operator": session(
            forms.fused_attention(inputs, folder / "fused.onnx"), inputs
        ),
        "unproject and normals": session(
            forms.surface(given, camera, folder / "surface.onnx"),
            {"depth": given, "camera": camera},
        ),
    }


def library_calls() -> dict[str, float]:
    """Milliseconds of the calls that make a kernel needless."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 17, 640 * 480)
    values = rng.random(640 * 480)
    cost = rng.random((50, 50))
    return {
        "mask pooling: numpy.bincount, 17 masks of 640x480": milliseconds(
            lambda: np.bincount(labels, values, 17) / np.bincount(labels, minlength=17)
        ),
        "matching: scipy linear_sum_assignment, 50x50": milliseconds(
            lambda: linear_sum_assignment(cost)
        ),
    }


def main() -> None:
    """Time all and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="both the same")
    parser.parse_args()
    torch.set_num_threads(1)
    rows = {}
    for kernel in kernels():
        plain = milliseconds(lambda: kernel.reference(*kernel.small))  # noqa: B023
        fast = milliseconds(lambda: kernel.fast(*kernel.small))  # noqa: B023
        large = milliseconds(lambda: kernel.fast(*kernel.large))  # noqa: B023
        rows[kernel.name] = {"times_faster": round(plain / fast, 1), "ms": round(large, 3)}
        print(f"{kernel.name:<24} {plain / fast:8.1f}x  {large:8.3f} ms", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        graph = {name: round(ms, 3) for name, ms in in_onnx_runtime(Path(folder)).items()}
    calls = {name: round(ms, 3) for name, ms in library_calls().items()}
    for name, ms in {**graph, **calls}.items():
        print(f"{name:<52} {ms:8.3f} ms")
    write_result("kernels", {"kernels": rows, "onnx_runtime_ms": graph, "library_ms": calls})


if __name__ == "__main__":
    main()
