"""A network with its card, made ready: checked, on the fastest device that works, warm."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from perception_nodes.errors import ModelError
from perception_nodes.inference.cache import EngineCache, key
from perception_nodes.inference.hardware import find_gpu
from perception_nodes.inference.latency import Latencies
from perception_nodes.inference.network import OnnxNetwork, example_inputs, first_line
from perception_nodes.inference.precision import against_half
from perception_nodes.inference.providers import PROVIDERS, THREADS, order, why_not
from perception_nodes.inference.runtime import onnxruntime
from perception_nodes.inference.sizes import is_static, profile, without_ranges
from perception_nodes.model_cards import (
    Card,
    check_signature,
    network_bytes,
    read_card,
    signature,
)

_WARM_UP = 2


def load_network(
    card_path: Path,
    device: str = "auto",
    threads: int = THREADS,
    cache: EngineCache | None = None,
    precision: str = "auto",
) -> OnnxNetwork:
    """Check a network against its card, load it on the first device that works, and warm it up.

    Args:
        card_path: `NAME.yaml`, the network beside it.
        device: "auto", "tensorrt", "cuda" or "cpu"; slower ones follow if it doesn't work.
        threads: Of the CPU.
        cache: Where TensorRT keeps its engines.
        precision: "auto", "single" or "half"; see `precision.against_half`.

    Raises:
        ModelError: The file is not that of the card, can't be loaded, or ONNX Runtime is missing.
        ConfigurationError: There is no such device or precision.
    """
    card = read_card(card_path)
    folder = card_path.parent
    single = network_bytes(card, folder)
    runtime = onnxruntime()
    fallbacks: dict[str, str] = {}
    for name in order(device):
        reason = why_not(runtime, name)
        if name == "tensorrt":
            reason = reason or without_ranges(card)
        against = against_half(card, name, precision)
        for half in (False,) if against else (True, False):
            if reason:
                break
            content = network_bytes(card, folder, half=True) if half else single
            loader = _Loader(runtime, card, content, folder, threads)
            try:
                network = loader.load(name, fallbacks, cache or EngineCache())
            except _UnusableError as error:
                against = f"in half precision it fails: {error}"
                reason = "" if half else str(error)
                continue
            network.precision = "half" if half else "single"
            network.against_half = "" if half else against
            return network
        fallbacks[name] = reason
    raise ModelError(f"{card_path.with_name(card.file)} can't be loaded: {fallbacks['cpu']}")


class _UnusableError(Exception):
    """A device can't run this network."""


class _Loader:
    def __init__(
        self, runtime: Any, card: Card, content: bytes, folder: Path, threads: int
    ) -> None:
        self._runtime = runtime
        self._card = card
        self._content = content
        self._folder = folder
        self._threads = threads

    def load(self, device: str, fallbacks: Mapping[str, str], cache: EngineCache) -> OnnxNetwork:
        """A warm network on one device; `_UnusableError` if it doesn't work there."""
        kept = cache.folder(self._engine_key()) if device == "tensorrt" else nullcontext(None)
        try:
            with kept as folder:
                bind = device != "cpu" and is_static(self._card)
                try:
                    return self._network(device, fallbacks, folder, bind, graphs=bind)
                except _UnusableError:
                    if not bind:
                        raise
                # CUDA records only graphs whose every node is its own.
                return self._network(device, fallbacks, folder, bind, graphs=False)
        except OSError as error:
            raise _UnusableError(f"the engine cache can't be used: {error}") from error

    def _network(
        self,
        device: str,
        fallbacks: Mapping[str, str],
        engines: Path | None,
        bind: bool,
        graphs: bool,
    ) -> OnnxNetwork:
        session = self._session(device, engines, graphs)
        check_signature(self._card, *signature(session))
        network = OnnxNetwork(self._card, session, device, fallbacks, bind)
        _warm_up(network)
        return network

    def _session(self, device: str, engines: Path | None, graphs: bool) -> Any:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 3 if device == "cpu" else 4
        # Threads that wait by spinning take a core from the rest of the robot.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(self._folder)
        )
        wanted = [(PROVIDERS[device], provider_options(device, engines, graphs))]
        if device == "tensorrt":
            wanted[0][1].update(profile(self._card))
            wanted.append((PROVIDERS["cuda"], provider_options("cuda", None)))
        try:
            session = self._runtime.InferenceSession(
                self._content, options, providers=wanted, enable_fallback=0
            )
        except Exception as error:  # ONNX Runtime's errors share no base class but Exception
            raise _UnusableError(first_line(error)) from error
        if session.get_providers()[0] != PROVIDERS[device]:
            raise _UnusableError("ONNX Runtime gave it up without saying why")
        return session

    def _engine_key(self) -> str:
        shapes = {t.name: t.shape for t in self._card.inputs}, self._card.ranges
        return key(
            {
                "network": hashlib.sha256(self._content).hexdigest(),
                "gpu": str(find_gpu()),
                "runtime": self._runtime.__version__,
                "tensorrt": tensorrt_version(),
                "shapes": repr(shapes),
            }
        )


def provider_options(
    device: str, engines: Path | None = None, graphs: bool = False
) -> dict[str, str]:
    """Options of a provider. Precision is as in the file: TensorRT's own half would ignore islands.

    Args:
        device: "tensorrt", "cuda" or "cpu".
        engines: Folder in which TensorRT keeps its engines.
        graphs: Record the calls as a CUDA graph; inputs and outputs must be bound.
    """
    if device == "cuda":
        return {"use_tf32": "0", "enable_cuda_graph": str(int(graphs))}
    if device == "tensorrt" and engines is not None:
        return {
            "trt_cuda_graph_enable": str(int(graphs)),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(engines),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(engines),
        }
    return {}


def tensorrt_version() -> str:
    """Version of the TensorRT library that can be loaded; empty without one."""
    try:
        return str(ctypes.CDLL("libnvinfer.so.10").getInferLibVersion())
    except (OSError, AttributeError):
        return ""


def _warm_up(network: OnnxNetwork) -> None:
    """First calls are slow, and show whether a device can run the network at all."""
    try:
        for _ in range(_WARM_UP):
            network.run(example_inputs(network.card))
    except ModelError as error:
        raise _UnusableError(error.message) from error
    network.latencies = Latencies()
