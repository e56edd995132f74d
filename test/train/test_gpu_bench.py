"""The benchmark that only a GPU can run, tried on the CPU: every part comes to its end."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import Any

import gpu
import gpu_kernels
import pytest
from evidence import page_inference

from perception_models import forms
from perception_nodes.errors import ModelError

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


def test_every_part_is_tried_or_known_to_be_slow() -> None:
    assert set(TRIED) | {"attention", "pipeline"} == set(gpu.PARTS)


def test_a_device_that_is_not_there_is_not_measured_on_the_cpu_instead(tmp_path: Path) -> None:
    inputs = forms.attention_inputs(1, 32, 4, 8)
    path = forms.plain_attention(inputs, tmp_path / "plain.onnx")
    with pytest.raises(ModelError, match="does not run on cuda"):
        gpu_kernels.session(path, "cuda")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["gpu.py", *arguments])
    return gpu.main()


def test_a_part_that_fails_is_told_and_the_others_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(device: str, calls: int) -> dict[str, Any]:
        raise RuntimeError(f"no room on {device}\nand more")

    written: dict[str, Any] = {}
    monkeypatch.setattr(gpu, "PARTS", {"models": fails, "half": lambda *_: {"works": {}}})
    monkeypatch.setattr(gpu, "RESULTS", tmp_path)
    monkeypatch.setattr(gpu, "why_not", lambda *_: "")
    monkeypatch.setattr(gpu, "write_result", lambda _, figures: written.update(figures))
    assert run(monkeypatch, "--device", "cuda") == 1
    assert written["cuda"]["models"] == {"failed": "no room on cuda"}
    assert written["cuda"]["half"] == {"works": {}}


def test_without_cuda_in_torch_its_part_says_that_nothing_was_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "RESULTS", tmp_path)
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    assert run(monkeypatch, "--part", "torch") == 1
    assert "nothing was measured" in capsys.readouterr().err


def test_the_page_shows_every_figure_with_a_bar_and_what_is_missing() -> None:
    row = dict.fromkeys(("p50 (ms)", "p95 (ms)", "p99 (ms)", "Max. End-to-End Latency (ms)"), 7.5)
    cuda = {
        "models": {"viewrope": {**row, "largest relative difference": 1e-5}},
        "pipeline": {"failed": "no room"},
        "plan": {"objects": row},
        "attention": {"64": {"times faster, half": 4.5, "one, half": {"difference": 2e-4}}},
    }
    page = "\n".join(page_inference._gpu({"gpu": "a GPU", "cuda": cuda}))
    assert "pipeline failed: no room" in page
    assert all(text in page for text in ("4.5", "0.0002", "viewrope, models"))
    assert re.search(r"camera to object states, p50 \(ms\) \| +not measured", page, re.IGNORECASE)
    assert "tensorrt: not measured" in page
