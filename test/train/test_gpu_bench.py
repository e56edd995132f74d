"""The benchmark that only a GPU can run, tried on the CPU: every part comes to its end."""

from __future__ import annotations

import math
from typing import Any

import gpu
import pytest

TRIED = ("models", "half", "kernels", "plan")


def numbers(found: dict[str, Any], name: str) -> list[float]:
    return [
        value
        for key, inner in found.items()
        for value in (
            numbers(inner, name)
            if isinstance(inner, dict)
            else [inner] * (key.startswith(name) and isinstance(inner, float))
        )
    ]


@pytest.mark.parametrize("part", TRIED)
def test_a_part_comes_to_its_end_and_differs_little_from_the_reference(part: str) -> None:
    found = gpu.PARTS[part]("cpu", 1)
    apart = [*numbers(found, "difference"), *numbers(found, "largest relative difference")]
    assert apart
    assert max(apart) < (2e-3 if part == "half" else 1e-4)
    assert all(math.isfinite(value) and value > 0 for value in numbers(found, "p50"))


def test_every_kernel_and_network_is_in_a_part() -> None:
    assert set(TRIED) | {"attention", "pipeline"} == set(gpu.PARTS)
