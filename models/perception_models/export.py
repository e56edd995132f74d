"""From a trained network to `NAME.onnx`, compared with it number by number."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from torch import Tensor, nn

from perception_models.errors import TrainingError
from perception_models.task import Signature
from perception_nodes.model_cards import TensorCard
from perception_nodes.model_cards import signature as session_signature

OPSET = 20
"""The newest that TensorRT 10's parser takes for certain."""
_OTHER_BATCH = 5


@dataclass(frozen=True)
class Exported:
    """A network file and what was found out about it."""

    path: Path
    inputs: tuple[TensorCard, ...]
    outputs: tuple[TensorCard, ...]
    difference: float


def export(network: nn.Module, signature: Signature, path: Path) -> Exported:
    """Write a network as ONNX and check that ONNX Runtime gives the same numbers.

    Args:
        network: As trained.
        signature: Its inputs and outputs.
        path: Of the file; replaced only once the check has passed.

    Raises:
        TrainingError: Its outputs differ.
        OSError: The file can't be written.
    """
    network = network.to("cpu", torch.float32).eval()
    aside = path.with_suffix(".partial.onnx")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(network, signature, aside)
        session = onnxruntime.InferenceSession(str(aside), providers=["CPUExecutionProvider"])
        difference = max(
            _difference(network, session, signature, inputs)
            for inputs in (signature.inputs, _resized(signature))
        )
        if not difference <= signature.tolerance:
            raise TrainingError(
                f"the exported network differs from the trained one by {difference:.1e} "
                f"(allowed: {signature.tolerance:.0e})",
                f"{path} was not written",
            )
        inputs, outputs = session_signature(session)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return Exported(path, inputs, outputs, difference)


def _write(network: nn.Module, signature: Signature, path: Path) -> None:
    shapes = tuple(
        {axis: torch.export.Dim(name, min=1) for axis, name in axes.items()} or None
        for axes in (signature.dynamic.get(name, {}) for name in signature.inputs)
    )
    with _quiet():
        program = torch.onnx.export(
            network,
            tuple(signature.inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(signature.inputs),
            output_names=list(signature.outputs),
            dynamic_shapes=shapes,
        )
    if program is None:
        raise TrainingError("torch exported nothing")
    # A recipe's hash must not depend on where it was trained: no paths of source files inside.
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
    program.save(path, external_data=False)


def _resized(signature: Signature) -> dict[str, Tensor]:
    """The example inputs with another size along their free axes."""
    inputs = {}
    for name, tensor in signature.inputs.items():
        for axis in signature.dynamic.get(name, {}):
            tensor = tensor.narrow(axis, 0, 1).repeat_interleave(_OTHER_BATCH, dim=axis)
        inputs[name] = tensor
    return inputs


@torch.no_grad()
def _difference(
    network: nn.Module, session: Any, signature: Signature, inputs: dict[str, Tensor]
) -> float:
    expected = network(*inputs.values())
    expected = expected if isinstance(expected, (tuple, list)) else (expected,)
    found = session.run(
        list(signature.outputs), {name: tensor.numpy() for name, tensor in inputs.items()}
    )
    return max(
        float((torch.from_numpy(b) - a).abs().max() / a.abs().max().clamp(min=1e-6))
        for a, b in zip(expected, found, strict=True)
    )


@contextlib.contextmanager
def _quiet() -> Any:
    """Without the exporter's own progress, which says nothing that a user could act on."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
