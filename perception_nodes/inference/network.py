"""A loaded network: inputs in, outputs out, by name; how long it takes and on what."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from perception_nodes.errors import ModelError
from perception_nodes.inference.latency import Latencies
from perception_nodes.inference.providers import PROVIDERS
from perception_nodes.inference.runtime import onnxruntime
from perception_nodes.model_cards import Card

Array = NDArray[Any]
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


class Network(Protocol):
    """What the parts of the program ask of a network; tests put a function in its place."""

    @property
    def model_id(self) -> str:
        """Name and version: latents of different ids are not comparable."""
        ...

    @property
    def inputs(self) -> Mapping[str, tuple[int | str, ...]]:
        """Shapes of the inputs."""
        ...

    @property
    def outputs(self) -> Mapping[str, tuple[int | str, ...]]:
        """Shapes of the outputs."""
        ...

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, for all inputs by name."""
        ...

    def facts(self) -> Mapping[str, str]:
        """What it runs on, why not on something faster, how long it takes; for diagnostics."""
        ...


class OnnxNetwork:
    """A network in an ONNX Runtime session; made by `loading.load_network`.

    Attributes:
        card: What it is.
        device: What it runs on: "tensorrt", "cuda" or "cpu".
        fallbacks: Devices that were tried before, and why they can't be used.
        precision: "single" or "half"; of half, only products (see `perception_models.half`).
        against_half: Why it is not half.
        latencies: Of the calls of `run`.
    """

    def __init__(
        self, card: Card, session: Any, device: str, fallbacks: Mapping[str, str], bind: bool
    ) -> None:
        self.card = card
        self.device = device
        self.fallbacks = dict(fallbacks)
        self.precision = "single"
        self.against_half = ""
        self.latencies = Latencies()
        self._session = session
        self._types = {tensor.name: _DTYPES.get(tensor.dtype) for tensor in card.inputs}
        self._bound = _Bound(session) if bind else None

    @property
    def model_id(self) -> str:
        """Name and the beginning of the hash."""
        return f"{self.card.name}-{self.card.sha256[:8]}"

    @property
    def inputs(self) -> Mapping[str, tuple[int | str, ...]]:
        """Shapes of the inputs."""
        return {tensor.name: tensor.shape for tensor in self.card.inputs}

    @property
    def outputs(self) -> Mapping[str, tuple[int | str, ...]]:
        """Shapes of the outputs."""
        return {tensor.name: tensor.shape for tensor in self.card.outputs}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name.

        Args:
            inputs: By name, in the shapes of the card; converted to its types.

        Raises:
            ModelError: An input is missing or has another shape, or the device failed.
        """
        began = time.perf_counter()
        given = {name: self._fit(name, shape, inputs) for name, shape in self.inputs.items()}
        try:
            values = (
                self._session.run(None, given) if self._bound is None else self._bound.run(given)
            )
        except Exception as error:  # ONNX Runtime's errors share no base class but Exception
            raise ModelError(
                f"{self.card.name} failed on {self.device}: {first_line(error)}"
            ) from error
        self.latencies.add(time.perf_counter() - began)
        return dict(zip(self.outputs, values, strict=True))

    def facts(self) -> Mapping[str, str]:
        """What it runs on, why not on something faster, how long it takes."""
        precision = self.precision + (f": {self.against_half}" if self.against_half else "")
        facts = {
            "device": self.device,
            "precision": precision,
            "inference": str(self.latencies),
        }
        for device, reason in self.fallbacks.items():
            facts[f"not on {device}"] = reason
        return facts

    def _fit(self, name: str, shape: tuple[int | str, ...], inputs: Mapping[str, Array]) -> Array:
        if name not in inputs:
            raise ModelError(f"{self.card.name} needs an input {name}")
        value = np.ascontiguousarray(inputs[name], dtype=self._types[name])
        fits = value.ndim == len(shape) and all(
            isinstance(size, str) or size == given
            for size, given in zip(shape, value.shape, strict=True)
        )
        if not fits:
            raise ModelError(
                f"{self.card.name} takes {name} of shape {list(shape)}, not {list(value.shape)}"
            )
        if self.device == "tensorrt":
            self._check_sizes(name, shape, value)
        return value

    def _check_sizes(self, name: str, shape: tuple[int | str, ...], value: Array) -> None:
        """Engines are made for a range of sizes; a size outside would have another one built."""
        for free, given in zip(shape, value.shape, strict=True):
            least, _, most = self.card.ranges.get(str(free), (given, given, given))
            if not least <= given <= most:
                raise ModelError(
                    f"{self.card.name} takes {least} to {most} {free} on TensorRT, but {name} "
                    f"has {given}",
                    f"give fewer, widen `ranges` in {self.card.name}.yaml, or use device: cuda",
                )


class _Bound:
    """Inputs and outputs of fixed shapes that stay at their place on the device between calls.

    What a CUDA graph has recorded reads and writes the same addresses at each call.
    """

    def __init__(self, session: Any) -> None:
        runtime = onnxruntime()
        self._session = session
        self._binding = session.io_binding()
        place = "cpu" if session.get_providers()[0] == PROVIDERS["cpu"] else "cuda"
        self._inputs = {}
        for tensor in session.get_inputs():
            empty = np.zeros(tensor.shape, _DTYPES[tensor.type])
            self._inputs[tensor.name] = runtime.OrtValue.ortvalue_from_numpy(empty, place, 0)
            self._binding.bind_ortvalue_input(tensor.name, self._inputs[tensor.name])
        self._outputs = []
        for tensor in session.get_outputs():
            value = runtime.OrtValue.ortvalue_from_shape_and_type(
                tensor.shape, _DTYPES[tensor.type], place, 0
            )
            self._binding.bind_ortvalue_output(tensor.name, value)
            self._outputs.append(value)

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        for name, value in inputs.items():
            self._inputs[name].update_inplace(value)
        self._session.run_with_iobinding(self._binding)
        return [np.array(value.numpy()) for value in self._outputs]


def example_inputs(card: Card) -> dict[str, Array]:
    """Zeros in the shapes of a network's inputs; free sizes are the usual ones, or 1."""
    usual = {name: sizes[1] for name, sizes in card.ranges.items()}
    return {
        tensor.name: np.zeros(
            [usual.get(size, 1) if isinstance(size, str) else size for size in tensor.shape],
            _DTYPES.get(tensor.dtype, np.float32),
        )
        for tensor in card.inputs
    }


def first_line(error: Exception) -> str:
    """What an error of ONNX Runtime says, without the trace of its source files."""
    return (str(error).splitlines() or [type(error).__name__])[0]
