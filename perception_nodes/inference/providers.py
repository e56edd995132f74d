"""What ONNX Runtime can compute on here: TensorRT, CUDA, the CPU; and why something can't be used.

`onnxruntime.get_available_providers()` lists what the package was built with, whether or not it
works on this machine, and a session quietly falls back to the CPU. So the libraries are looked for
first, and afterwards the session is asked what it uses.
"""

from __future__ import annotations

import contextlib
import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perception_nodes.errors import ConfigurationError
from perception_nodes.inference.hardware import Gpu, find_gpu

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
DEVICES = ("auto", *PROVIDERS)

THREADS = 2
"""Of the CPU. Fixed, so that results do not depend on the machine; more rarely pays for networks
this small."""

_LDD_TIMEOUT_S = 20.0


def order(device: str) -> tuple[str, ...]:
    """Which devices to try, one after the other.

    Args:
        device: One of `DEVICES`; "auto" begins with the fastest.

    Raises:
        ConfigurationError: There is no such device.
    """
    if device not in DEVICES:
        raise ConfigurationError(
            f"there is no device {device!r}", f"choose one of {', '.join(DEVICES)}"
        )
    names = tuple(PROVIDERS)
    return names if device == "auto" else names[names.index(device) :]


def why_not(runtime: Any, device: str) -> str:
    """Why a device can't be used here, as far as can be told without loading a network.

    Args:
        runtime: The module `onnxruntime`.
        device: "tensorrt", "cuda" or "cpu".

    Returns:
        One sentence; empty if nothing speaks against it.
    """
    if PROVIDERS[device] not in runtime.get_available_providers():
        return (
            f"ONNX Runtime {runtime.__version__} as installed was built without it: uninstall "
            "onnxruntime and install 'permanence[gpu]'"
        )
    if device == "cpu":
        return ""
    gpu = find_gpu()
    if not isinstance(gpu, Gpu):
        return gpu
    _preload(runtime)
    library = Path(runtime.__file__).parent / "capi" / f"libonnxruntime_providers_{device}.so"
    missing = missing_libraries(library)
    if missing:
        hint = "tensorrt-cu13>=10.13,<11" if device == "tensorrt" else "onnxruntime-gpu[cuda,cudnn]"
        return f"{', '.join(missing)} can't be loaded: install {hint}"
    return ""


def missing_libraries(
    library: Path, load: Callable[[str], object] = ctypes.CDLL
) -> tuple[str, ...]:
    """Names of the libraries that a library needs and that are neither found nor loaded already.

    The library itself is not loaded: ONNX Runtime's providers crash outside of it.
    """
    try:
        shown = subprocess.run(
            ["ldd", str(library)],
            capture_output=True,
            text=True,
            timeout=_LDD_TIMEOUT_S,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return () if library.exists() else (library.name,)
    absent = [line.split()[0] for line in shown.splitlines() if "not found" in line]
    return tuple(name for name in absent if not _loads(name, load))


def _loads(name: str, load: Callable[[str], object]) -> bool:
    try:
        load(name)
    except OSError:
        return False
    return True


def _preload(runtime: Any) -> None:
    """Load the libraries of CUDA and cuDNN that come as wheels."""
    with contextlib.suppress(AttributeError, OSError):
        runtime.preload_dlls()
