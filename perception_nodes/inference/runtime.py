"""ONNX Runtime as it is installed here, or why it can't be used."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

from perception_nodes.errors import ModelError

DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu")
"""They share one package folder, so that only one of them may be installed."""

_INSTALL = "pip install 'permanence[cpu]', or 'permanence[gpu]' for an NVIDIA GPU; never both"


def installed() -> dict[str, str]:
    """Versions of the installed distributions of ONNX Runtime, by name."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def onnxruntime() -> Any:
    """The module, its native libraries loaded where they come as wheels.

    Raises:
        ModelError: It is not installed, or two distributions of it have overwritten each other.
    """
    try:
        module: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ModelError("networks need ONNX Runtime, which is not installed", _INSTALL) from error
    if not hasattr(module, "InferenceSession"):
        raise ModelError(
            "the installation of ONNX Runtime is broken: its package folder is incomplete",
            f"pip uninstall onnxruntime onnxruntime-gpu, then {_INSTALL}",
        )
    return module
