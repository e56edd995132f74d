"""Writes the round of CEM as one ONNX graph: head, a Scan over the steps of a plan, tail.

    python -m perception_models.planner.build [FOLDER]

The three parts are traced by torch. The loop is put together here: unrolled, the graph would take a
minute to load. Nothing is trained, so the card has no metrics but the parity with NumPy.
"""

from __future__ import annotations

import argparse
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from perception_models.planner.graph import Body, Head, Tail
from perception_nodes.model_cards import Card, sha256, signature, weights_folder, write_card
from perception_nodes.planner.candidates import Moves
from perception_nodes.planner.cost import Weights
from perception_nodes.planner.network_round import ELITES, FILE, NAME, PARTS
from perception_nodes.planner.prior import Physics

OPSET = 20
_OBJECTS, _SAMPLES = 3, 16
_CONSTANTS = ("heights", "parts", "friction", "turning", "load", "carriers", "level")
_SHAPES: dict[str, tuple[int | str, ...]] = {
    "mean": ("size",),
    "deviation": ("size",),
    "least": ("size",),
    "noise": ("samples", "size"),
    "poses": ("objects", 3),
    "velocities": ("objects", 3),
    "spread": ("objects",),
    "heights": ("objects", 2),
    "parts": ("objects", PARTS, 5),
    "friction": ("objects",),
    "turning": ("objects",),
    "load": ("objects",),
    "carriers": ("objects", "objects"),
    "level": ("objects", "objects"),
    "chosen": ("objects",),
    "goal": (3,),
    "turn": (1,),
    "area": (4,),
    "clearance": (1,),
    "height": (1,),
}


def build(moves: Moves | None = None) -> onnx.ModelProto:
    """The graph."""
    moves = moves or Moves()
    example = _example(moves)
    head_in = ("mean", "deviation", "noise", "height", "poses", "velocities", "spread")
    start = ("start_poses", "start_velocities", "start_spread")
    head_out = ("candidates", "tip_before", "tip_after", *start)
    head = _traced(Head(moves), example, head_in, head_out)
    now = ("now_poses", "now_velocities", "now_spread", "before", "after")
    after = ("next_poses", "next_velocities", "next_spread")
    body = _traced(Body(moves, Physics()), example, (*now, *_CONSTANTS), after)
    kept = ("candidates", "tip_before", "tip_after", "start_poses", "start_spread")
    aim = ("chosen", "goal", "turn", "area", "clearance", "least")
    tail_in = (*kept, "course_poses", "course_spread", *_CONSTANTS, *aim)
    tail_out = ("costs", "next_mean", "next_deviation")
    tail = _traced(Tail(moves, Weights(), ELITES), example, tail_in, tail_out)
    scan = _scan(body, now, after, start)
    nodes = [*_renamed(head, "head/"), scan, *_renamed(tail, "tail/")]
    inputs = [_value(name, _sized(shape, moves)) for name, shape in _SHAPES.items()]
    outputs = [
        _value("candidates", ("samples", moves.size)),
        _value("costs", ("samples",)),
        _value("next_mean", (moves.size,)),
        _value("next_deviation", (moves.size,)),
    ]
    graph = helper.make_graph(nodes, NAME, inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model


def _scan(
    body: onnx.GraphProto, now: Sequence[str], after: Sequence[str], start: Sequence[str]
) -> onnx.NodeProto:
    """The loop: three states are carried, the tips come step by step, poses and spread are kept.

    The body reads the constants from the graph around it.
    """
    kept = ("kept_poses", "kept_spread")
    nodes = _renamed(body, "body/")
    nodes += [
        helper.make_node("Identity", [a], [b])
        for a, b in zip(("next_poses", "next_spread"), kept, strict=True)
    ]
    loop = helper.make_graph(
        nodes,
        "step",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in now],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (*after, *kept)],
    )
    outputs = ["end_poses", "end_velocities", "end_spread", "course_poses", "course_spread"]
    given = [*start, "tip_before", "tip_after"]
    return helper.make_node("Scan", given, outputs, "steps", body=loop, num_scan_inputs=2)


def _traced(
    module: nn.Module, example: Mapping[str, Tensor], inputs: Sequence[str], outputs: Sequence[str]
) -> onnx.GraphProto:
    axes = {
        name: dict(enumerate("abcd"[: example[name].dim()]))
        for name in inputs
        if example[name].dim()
    }
    target = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(example[name] for name in inputs),
            target,  # type: ignore[arg-type]  # the tracing exporter writes to files as well
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={n: {i: f"{n}{i}" for i in a} for n, a in axes.items() if n not in _FIXED},
        )
    return onnx.load_from_string(target.getvalue()).graph


_FIXED = ("mean", "deviation", "least", "goal", "turn", "area", "clearance", "height")


def _renamed(graph: onnx.GraphProto, prefix: str) -> list[onnx.NodeProto]:
    """The nodes of a part, its inner names made unique, its weights as constants."""
    public = {value.name for value in (*graph.input, *graph.output)}

    def name(text: str) -> str:
        return text if not text or text in public else prefix + text

    nodes = [
        helper.make_node("Constant", [], [name(item.name)], value=item)
        for item in graph.initializer
    ]
    for node in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = prefix + node.name
        copy.doc_string = ""
        del copy.metadata_props[:]
        for names in (copy.input, copy.output):
            changed = [name(text) for text in names]
            del names[:]
            names.extend(changed)
        nodes.append(copy)
    return nodes


def _example(moves: Moves) -> dict[str, Tensor]:
    """Values to trace with: their sizes tell free axes from fixed ones."""
    sizes = {"objects": _OBJECTS, "samples": _SAMPLES, "size": moves.size}
    generator = torch.Generator().manual_seed(0)

    def value(*shape: int | str) -> Tensor:
        return torch.rand(
            [s if isinstance(s, int) else sizes[s] for s in shape], generator=generator
        )

    example = {name: value(*shape) for name, shape in _SHAPES.items()}
    b, n, t = "samples", "objects", moves.steps
    for stem in ("start", "now"):
        example |= {
            f"{stem}_poses": value(b, n, 3),
            f"{stem}_velocities": value(b, n, 3),
            f"{stem}_spread": value(b, n),
        }
    example |= {"candidates": value(b, "size"), "before": value(b, 3), "after": value(b, 3)}
    example |= {"tip_before": value(t, b, 3), "tip_after": value(t, b, 3)}
    example |= {"course_poses": value(t, b, n, 3), "course_spread": value(t, b, n)}
    return example


def _sized(shape: tuple[int | str, ...], moves: Moves) -> tuple[int | str, ...]:
    return tuple(moves.size if s == "size" else s for s in shape)


def _value(name: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def write(folder: Path) -> Card:
    """Write the graph and its card."""
    path = folder / FILE
    onnx.save(build(), path)
    session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs, outputs = signature(session)
    card = Card(
        name=NAME,
        summary="One round of the planner's sampling: candidates, roll-outs by physics, costs.",
        limits="Computed, not trained: it says what the physics prior of docs/planner.md says.",
        license="Apache-2.0",
        file=FILE,
        sha256=sha256(path),
        opset=OPSET,
        inputs=inputs,
        outputs=outputs,
        metrics={},
    )
    write_card(card, folder / f"{NAME}.yaml")
    return card


def main() -> None:
    """Build into the folder of the networks that come with the program, or another one."""
    parser = argparse.ArgumentParser(description="Write the planner's network.")
    parser.add_argument("folder", type=Path, nargs="?", default=weights_folder())
    print(write(parser.parse_args().folder).sha256)


if __name__ == "__main__":
    main()
