"""Kernels in the forms that ONNX Runtime accelerates, to be compared with each other.

`plain_attention` is what the exporter makes of attention: products, softmax, products. In
`fused_attention` one contrib operator does these, which on CUDA is a flash kernel that never writes
the scores to memory.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from perception_models.export import export
from perception_models.task import Signature
from perception_models.viewrope.attention import attend
from perception_models.viewrope.encodings import (
    Encoding,
    Geometry,
    encode_key,
    encode_query,
    place_pairs,
)
from perception_models.viewrope.surface import points_and_normals

ENCODING = Encoding.VIEW_PLACE
_CONTRIB = "com.microsoft"
_FAR = 1e6  # m; ONNX Runtime pools no infinities


class _Attention(nn.Module):
    """All of it, or only queries, keys and values with their geometry put in."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        self._whole = whole

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        query_rays: Tensor,
        query_phases: Tensor,
        key_rays: Tensor,
        key_phases: Tensor,
    ) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """[B, H, L, d] from [B, H, L, d] that ask and [B, H, M, d] that answer.

        Otherwise what one operator takes, [B, L or M, H * d] each.
        """
        here, there = Geometry(query_rays, query_phases), Geometry(key_rays, key_phases)
        if self._whole:
            return attend(ENCODING, query, key, value, here, there)
        return (
            _joined(encode_query(ENCODING, query, here)),
            _joined(encode_key(ENCODING, key, there)),
            _joined(value),
        )


class _Surface(nn.Module):
    def forward(self, depth: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        """See `points_and_normals`."""
        return points_and_normals(depth, camera)


class _Shrunk(nn.Module):
    def __init__(self, factor: int) -> None:
        super().__init__()
        self._factor = factor

    def forward(self, depth: Tensor) -> Tensor:
        """[N, H // factor, W // factor] nearest readings of [N, H, W]; 0 where there is none."""
        far = torch.where(depth > 0, depth, _FAR)
        nearest = -nn.functional.max_pool2d(-far[:, None], self._factor)
        return torch.where(nearest < _FAR, nearest, 0.0)[:, 0]


def attention_inputs(heads: int, width: int, asking: int, answering: int) -> dict[str, Tensor]:
    """Random tokens and geometry for both forms."""
    rng = np.random.default_rng(answering)
    pairs = place_pairs(width)

    def tokens(count: int) -> Tensor:
        return torch.from_numpy(rng.normal(size=(1, heads, count, width)).astype(np.float32))

    def rays(count: int) -> Tensor:
        matrices, _ = np.linalg.qr(rng.normal(size=(1, count, 3, 3)))
        return torch.from_numpy(matrices.astype(np.float32))

    def phases(count: int) -> Tensor:
        angle = rng.uniform(0.0, 2.0 * np.pi, (1, count, pairs))
        return torch.from_numpy(np.stack((np.cos(angle), np.sin(angle)), -1).astype(np.float32))

    return {
        "query": tokens(asking),
        "key": tokens(answering),
        "value": tokens(answering),
        "query_rays": rays(asking),
        "query_phases": phases(asking),
        "key_rays": rays(answering),
        "key_phases": phases(answering),
    }


def plain_attention(inputs: dict[str, Tensor], path: Path) -> Path:
    """Write attention as the exporter makes it; its output is [B, H, L, d]."""
    return export(
        _Attention(whole=True), Signature(inputs, ("mixed",), {}, tolerance=1e-4), path
    ).path


def fused_attention(inputs: dict[str, Tensor], path: Path, *, half: bool = False) -> Path:
    """Write attention with one operator, in half precision or not; its output is [B, L, H * d]."""
    names = ("asked", "answers", "values")
    export(_Attention(whole=False), Signature(inputs, names, {}, tolerance=1e-4), path)
    model = onnx.load(path)
    heads, asking, width = inputs["query"].shape[1:]
    # `com.microsoft.MultiHeadAttention` divides by the root of the width by itself.
    given = [f"{name}/half" for name in names] if half else list(names)
    made = "mixed/half" if half else "mixed"
    nodes = [
        helper.make_node("MultiHeadAttention", given, [made], domain=_CONTRIB, num_heads=heads)
    ]
    if half:
        casts = [
            helper.make_node("Cast", [name], [short], to=TensorProto.FLOAT16)
            for name, short in zip(names, given, strict=True)
        ]
        last = helper.make_node("Cast", [made], ["mixed"], to=TensorProto.FLOAT)
        nodes = [*casts, *nodes, last]
    model.graph.node.extend(nodes)
    del model.graph.output[:]
    shape = [1, asking, heads * width]
    model.graph.output.append(helper.make_tensor_value_info("mixed", TensorProto.FLOAT, shape))
    model.opset_import.append(helper.make_opsetid(_CONTRIB, 1))
    onnx.save(model, path)
    return path


def surface(depth: Tensor, camera: Tensor, path: Path) -> Path:
    """Write points and normals from depth."""
    inputs = {"depth": depth, "camera": camera}
    return export(_Surface(), Signature(inputs, ("points", "normals"), {}, 5e-4), path).path


def shrunk(depth: Tensor, factor: int, path: Path) -> Path:
    """Write the nearest reading of each block of a depth image."""
    return export(_Shrunk(factor), Signature({"depth": depth}, ("nearest",), {}), path).path


def _joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
