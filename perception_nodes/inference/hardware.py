"""Which NVIDIA GPU this machine has, asked of the driver itself."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

_DRIVER = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


@dataclass(frozen=True, slots=True)
class Gpu:
    """The first GPU.

    Attributes:
        name: As the driver calls it.
        capability: Compute capability, such as "9.0".
        driver: The newest CUDA version that the driver knows, such as "13.0".
    """

    name: str
    capability: str
    driver: str

    def __str__(self) -> str:
        return f"{self.name}, compute capability {self.capability}, driver for CUDA {self.driver}"


@functools.cache
def find_gpu() -> Gpu | str:
    """The first GPU, or why there is none."""
    try:
        return ask(ctypes.CDLL(_DRIVER))
    except OSError as error:
        return f"there is no NVIDIA driver here ({error})"


def ask(driver: Any) -> Gpu | str:
    """Ask a driver library (CUDA driver API)."""
    code = driver.cuInit(0)
    if code:
        return f"the NVIDIA driver does not start (cuInit returned {code})"
    count, device, version = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    if not count.value:
        return "the NVIDIA driver finds no GPU"
    driver.cuDeviceGet(ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDriverGetVersion(ctypes.byref(version))
    numbers = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        numbers.append(value.value)
    return Gpu(
        name.value.decode(errors="replace"),
        f"{numbers[0]}.{numbers[1]}",
        f"{version.value // 1000}.{version.value % 1000 // 10}",
    )
