"""Half precision: products alone are halved, and the card tells what that costs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, shape_inference
from torch import Tensor, nn

import perception_models.half as half_module
from perception_models.export import OPSET, export
from perception_models.half import MOST_ISLANDS, TOLERANCE, add_half, halved
from perception_models.task import Signature
from perception_nodes.inference.loading import load_network
from perception_nodes.model_cards import (
    Card,
    check_file,
    read_card,
    sha256,
    signature,
    weights_folder,
)

X = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32))


class Small(nn.Module):
    """Geometry in millimeters that half could not tell apart, and a product."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.wide, self.last = nn.LayerNorm(16), nn.Linear(16, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        place = x * 1e-3 + 1000.0
        mixed = torch.relu(self.wide(self.norm(x)))
        return torch.softmax(self.last(mixed), dim=-1), place - 1000.0


SIGNATURE = Signature({"x": X}, ("chances", "place"), {})


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(Small(), SIGNATURE, tmp_path_factory.mktemp("half") / "small.onnx").path


def test_products_become_islands_until_the_tolerance_is_kept(
    single: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = halved(onnx.load(single)).SerializeToString(deterministic=True)
    content = single.read_bytes()
    half, difference = half_module._within(content, SIGNATURE)
    assert half == plain
    assert difference < TOLERANCE
    monkeypatch.setattr(half_module, "TOLERANCE", difference / 2)
    other, smaller = half_module._within(content, SIGNATURE)
    assert other != plain
    assert smaller < difference


def test_products_are_halved_and_islands_are_not(single: Path) -> None:
    model = shape_inference.infer_shapes(halved(onnx.load(single)), data_prop=True)
    graph = model.graph
    types = {v.name: v.type.tensor_type.elem_type for v in graph.value_info}
    types |= {t.name: t.data_type for t in graph.initializer}
    types |= {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)}
    seen = set()
    for node in graph.node:
        kinds = {types[name] for name in node.input if name in types}
        seen.add(node.op_type)
        if node.op_type in {"MatMul", "Gemm", "Conv"}:
            assert kinds == {TensorProto.FLOAT16}, node.op_type
        if node.op_type in {"LayerNormalization", "Softmax", "Mul", "Sub"}:
            assert TensorProto.FLOAT16 not in kinds, node.op_type
    assert {"LayerNormalization", "Softmax", "Cast"} < seen
    assert {types[v.name] for v in (*graph.input, *graph.output)} == {TensorProto.FLOAT}


def test_what_is_no_product_does_not_change_at_all(single: Path) -> None:
    outputs = [
        onnxruntime.InferenceSession(m.SerializeToString()).run(None, {"x": X.numpy()})
        for m in (onnx.load(single), halved(onnx.load(single)))
    ]
    assert np.array_equal(outputs[0][1], outputs[1][1])
    assert 0.0 < np.abs(outputs[0][0] - outputs[1][0]).max() < 1e-3


def test_a_card_gets_its_variant_with_the_difference_that_was_measured(single: Path) -> None:
    sides = signature(onnxruntime.InferenceSession(str(single)))
    card = Card("small", "s", "l", "Apache-2.0", single.name, sha256(single), OPSET, *sides)
    card = add_half(card, single.parent, SIGNATURE)
    assert card == read_card(single.parent / "small.yaml")
    assert card.half is not None
    assert 0.0 < card.half.difference < card.half.tolerance
    check_file(card, single.parent)
    again = add_half(dataclasses.replace(card, half=None), single.parent, SIGNATURE)
    assert again.half == card.half, "the same file each time"


@pytest.mark.parametrize("name", ["cjepa", "discs", "viewrope"])
def test_shipped_variants_are_within_what_is_allowed_and_run(name: str) -> None:
    loaded = load_network(weights_folder() / f"{name}.yaml", "cpu", threads=1, precision="half")
    assert loaded.card.half is not None
    assert loaded.card.half.difference <= loaded.card.half.tolerance
    assert loaded.precision == "half"
    model = onnx.load(weights_folder() / loaded.card.half.file)
    single = onnx.load(weights_folder() / loaded.card.file)
    islands = frozenset(
        node.name
        for node in model.graph.node
        if node.op_type in {"MatMul", "Gemm", "Conv"} and not node.input[0].endswith("/half")
    )
    assert len(islands) <= MOST_ISLANDS
    expected = halved(single, islands).SerializeToString(deterministic=True)
    assert model.SerializeToString(deterministic=True) == expected
