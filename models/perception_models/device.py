"""Where a training computes, in which precision, and what that machine is called."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from perception_nodes.errors import ConfigurationError

_PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "pytorch-optimizer")


def choose(name: str) -> torch.device:
    """The device called "cpu", "cuda" or "auto" (cuda where there is one).

    Raises:
        ConfigurationError: cuda is asked for and not there.
    """
    there = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if there else "cpu")
    if name == "cuda" and not there:
        raise ConfigurationError(
            "--device cuda: torch finds no CUDA device",
            "use --device cpu, or install a CUDA build of torch and the driver",
        )
    return torch.device(name)


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 products are built in (elsewhere they are emulated and slower)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def precision(choice: str, device: torch.device) -> str:
    """Resolve "auto" to "bf16" or "fp32"."""
    if choice == "auto":
        return "bf16" if has_bfloat16(device) else "fp32"
    return choice


def autocast(resolved: str, device: torch.device) -> AbstractContextManager[Any]:
    """Compute products in the resolved precision."""
    if resolved == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def describe(device: torch.device) -> dict[str, Any]:
    """Processor or GPU, usable cores and the versions that matter."""
    versions = {}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": versions,
    }
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
