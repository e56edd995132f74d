"""Kernels in numpy, torch and ONNX Runtime give the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto

from perception_kernels.attention import TokenGeometry, ray_rotary_attention_reference
from perception_kernels.shrink import shrink_depth_reference
from perception_kernels.unproject import normals, unproject
from perception_models.forms import (
    attention_inputs,
    fused_attention,
    plain_attention,
    shrunk,
    surface,
)
from perception_nodes.geometry.camera import Camera

HEADS, WIDTH, ASKING, FRAMES, TOKENS = 2, 32, 6, 3, 5
INPUTS = attention_inputs(HEADS, WIDTH, ASKING, FRAMES * TOKENS)


def run(path: Path, **inputs: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, inputs)
    return found


def expected() -> np.ndarray:
    """[H, L, d] by the reference kernel."""
    given = {name: value[0].numpy() for name, value in INPUTS.items()}
    frames = {name: given[name].reshape(HEADS, FRAMES, TOKENS, WIDTH) for name in ("key", "value")}
    there = TokenGeometry(
        given["key_rays"].reshape(FRAMES, TOKENS, 3, 3),
        given["key_phases"].reshape(FRAMES, TOKENS, -1, 2),
    )
    here = TokenGeometry(given["query_rays"], given["query_phases"])
    return ray_rotary_attention_reference(
        given["query"], frames["key"], frames["value"], here, there, np.arange(FRAMES)
    )


def test_attention_as_the_exporter_makes_it_is_that_of_the_kernel(tmp_path: Path) -> None:
    path = plain_attention(INPUTS, tmp_path / "plain.onnx")
    (found,) = run(path, **{name: value.numpy() for name, value in INPUTS.items()})
    np.testing.assert_allclose(found[0], expected(), atol=1e-5)


def test_attention_in_one_operator_is_that_of_the_kernel(tmp_path: Path) -> None:
    path = fused_attention(INPUTS, tmp_path / "fused.onnx")
    (found,) = run(path, **{name: value.numpy() for name, value in INPUTS.items()})
    found = found[0].reshape(ASKING, HEADS, WIDTH).transpose(1, 0, 2)
    np.testing.assert_allclose(found, expected(), atol=1e-5)


def test_attention_in_one_operator_has_a_form_in_half_precision(tmp_path: Path) -> None:
    """Which no CPU can run, so only its types are checked."""
    model = onnx.load(fused_attention(INPUTS, tmp_path / "half.onnx", half=True))
    onnx.checker.check_model(model)
    made = {name: node for node in model.graph.node for name in node.output}
    assert made["mixed"].op_type == "Cast"
    operator = made[made["mixed"].input[0]]
    assert operator.op_type == "MultiHeadAttention"
    for name in operator.input:
        assert made[name].op_type == "Cast"
        assert made[name].attribute[0].i == TensorProto.FLOAT16


@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_points_and_normals_in_the_graph_are_those_of_the_kernels(
    tmp_path: Path, holes: float
) -> None:
    rng = np.random.default_rng(1)
    camera = Camera(24, 18, 20.0, 21.0, 11.0, 9.5)
    v, u = np.mgrid[:18, :24]
    depth = (1.0 + 0.01 * u + 0.02 * v + 0.4 * (u > 12)).astype(np.float32)
    depth[rng.random(depth.shape) < holes] = np.nan
    given = np.nan_to_num(depth)[None]
    numbers = np.array([[20.0, 21.0, 11.0, 9.5]], np.float32)
    path = surface(torch.from_numpy(given), torch.from_numpy(numbers), tmp_path / "surface.onnx")
    points, facing = run(path, depth=given, camera=numbers)
    exact = unproject(depth, camera.rays())
    np.testing.assert_allclose(points[0], np.nan_to_num(exact), atol=1e-6)
    np.testing.assert_allclose(facing[0], np.nan_to_num(normals(exact)), atol=1e-4)


@pytest.mark.parametrize("factor", [1, 3])
def test_depth_shrunk_in_the_graph_is_that_of_the_kernel(tmp_path: Path, factor: int) -> None:
    rng = np.random.default_rng(2)
    depth = rng.uniform(0.5, 3.0, (13, 17)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.4] = np.nan
    depth[:4, :7] = np.nan
    given = np.nan_to_num(depth)[None]
    (found,) = run(shrunk(torch.from_numpy(given), factor, tmp_path / "shrunk.onnx"), depth=given)
    np.testing.assert_array_equal(found[0], np.nan_to_num(shrink_depth_reference(depth, factor)))
    assert (found[0] == 0).any()
