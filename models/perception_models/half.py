"""Networks in half precision with islands in single: which operators are halved, and what it costs.

    python -m perception_models.half viewrope cjepa

As in mixed-precision training (Micikevicius et al. 2018, arXiv:1710.03740) only products are
halved, with what merely moves or clips their results. Sums, normalizations, softmax, geometry in
meters and deviations stay single. ONNX Runtime obeys the types in the file on CUDA and, unless its
own half precision is switched on, on TensorRT; run time takes the file where the card says that it
errs little enough.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper, shape_inference

from perception_models import registry
from perception_models.task import Signature
from perception_nodes.model_cards import (
    Card,
    HalfCard,
    network_bytes,
    read_card,
    sha256,
    weights_folder,
    write_card,
)

TOLERANCE = 2e-3
"""Largest difference of any output, as a part of that output's largest number. Halves are rounded
by 5e-4 (11 bits); several of them one after the other by a few times that."""
MOST_ISLANDS = 4
"""Products that stay single at most because halving them costs too much."""

_PRODUCTS = frozenset({"Conv", "MatMul", "Gemm"})
_EXACT = frozenset({"Relu", "Transpose", "Reshape"})
"""They give of halves exactly what they give of the same numbers in single."""


def halved(model: onnx.ModelProto, islands: frozenset[str] = frozenset()) -> onnx.ModelProto:
    """The same network with its products in half precision; inputs and outputs keep their types.

    Args:
        model: The network; it is changed.
        islands: Names of products that stay single.
    """
    model = shape_inference.infer_shapes(model, data_prop=True)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    known = (*graph.input, *graph.output, *graph.value_info)
    types = {value.name: value.type.tensor_type.elem_type for value in known}
    types |= {name: tensor.data_type for name, tensor in weights.items()}
    single = {name for name, kind in types.items() if kind == TensorProto.FLOAT}
    chosen = _chosen(graph, islands)
    asked = {name for node in graph.node if node.name not in chosen for name in node.input}
    asked |= {value.name for value in graph.output}
    nodes: list[onnx.NodeProto] = []
    made: set[str] = set()
    for node in graph.node:
        if node.name not in chosen:
            nodes.append(node)
            continue
        for k, name in enumerate(node.input):
            if name not in single:
                continue
            if _half(name) not in made:
                made.add(_half(name))
                if name in weights:
                    value = numpy_helper.to_array(weights[name]).astype(np.float16)
                    graph.initializer.append(numpy_helper.from_array(value, _half(name)))
                else:
                    nodes.append(_cast(name, _half(name), TensorProto.FLOAT16))
            node.input[k] = _half(name)
        nodes.append(node)
        for k, name in enumerate(node.output):
            made.add(_half(name))
            node.output[k] = _half(name)
            if name in asked:
                nodes.append(_cast(_half(name), name, TensorProto.FLOAT))
    _replace(graph.node, nodes)
    used = {name for node in nodes for name in node.input}
    _replace(graph.initializer, [t for t in graph.initializer if t.name in used])
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def add_half(card: Card, folder: Path, signature: Signature) -> Card:
    """Write `NAME.half.onnx` beside a card's network, measure it, and write the card anew.

    Raises:
        ModelError: The network is not that of the card.
    """
    content = network_bytes(card, folder)
    path = folder / f"{card.name}.half.onnx"
    half, difference = _within(content, signature)
    aside = path.with_suffix(".partial")
    aside.write_bytes(half)
    aside.replace(path)
    said = HalfCard(path.name, sha256(path), float(f"{difference:.1e}"), TOLERANCE)
    card = dataclasses.replace(card, half=said)
    write_card(card, folder / f"{card.name}.yaml")
    return card


def _within(content: bytes, signature: Signature) -> tuple[bytes, float]:
    """The halved network and its difference, with as many islands as the tolerance asks for.

    One after the other, the product becomes an island that leaves the smallest difference.
    """
    exact = _run(content, signature)

    def attempt(islands: frozenset[str]) -> tuple[float, bytes]:
        model = halved(onnx.load_from_string(content), islands)
        half = model.SerializeToString(deterministic=True)
        found = _run(half, signature)
        return max(_difference(a, b) for a, b in zip(exact, found, strict=True)), half

    islands: frozenset[str] = frozenset()
    difference, half = attempt(islands)
    nodes = onnx.load_from_string(content).graph.node
    products = [node.name for node in nodes if node.op_type in _PRODUCTS]
    while difference > TOLERANCE and len(islands) < MOST_ISLANDS:
        one_more = [islands | {name} for name in products if name not in islands]
        islands = min(one_more, key=lambda names: attempt(names)[0])
        difference, half = attempt(islands)
    return half, difference


def _chosen(graph: onnx.GraphProto, islands: frozenset[str]) -> set[str]:
    """Names of the nodes to compute in half: products, and what takes only their results."""
    chosen, halves = set(), set()
    for node in graph.node:
        moved = node.op_type in _EXACT and node.input[0] in halves
        product = node.op_type in _PRODUCTS and node.name not in islands
        if product or moved:
            chosen.add(node.name)
            halves.update(node.output)
    return chosen


def _run(content: bytes, signature: Signature) -> list[Any]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    inputs = {name: tensor.numpy() for name, tensor in signature.inputs.items()}
    return list(session.run(list(signature.outputs), inputs))


def _difference(exact: Any, found: Any) -> float:
    return float(np.abs(found - exact).max() / max(np.abs(exact).max(), 1e-6))


def _half(name: str) -> str:
    return f"{name}/half"


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"cast/{target}", to=kind)


def _replace(field: Any, values: list[Any]) -> None:
    copies = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(copies)


def main() -> None:
    """Add half precision to networks that come with the program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", help="of models that training knows")
    parser.add_argument("--folder", type=Path, default=weights_folder())
    args = parser.parse_args()
    for name in args.names:
        task, configuration = registry.find(name)
        signature = task(configuration(), torch.device("cpu")).signature()
        card = add_half(read_card(args.folder / f"{name}.yaml"), args.folder, signature)
        print(name, card.half)


if __name__ == "__main__":
    main()
