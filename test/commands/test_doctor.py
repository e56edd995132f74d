"""`permanence doctor` and `permanence models bench`: what works here, and why the rest doesn't."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from pathlib import Path
from types import ModuleType

import pytest
from onnx_file import doubling, write_network

from perception_nodes.commands import doctor, models
from perception_nodes.commands.doctor import examine
from perception_nodes.doctor.finding import Finding
from perception_nodes.errors import ConfigurationError
from perception_nodes.inference import runtime


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of networks in place of the shipped one."""
    write_network(tmp_path, doubling())
    monkeypatch.setattr("perception_nodes.model_cards.weights_folder", lambda: tmp_path)
    return tmp_path


def found() -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine()}


def command(module: ModuleType, *words: str) -> int:
    parser = argparse.ArgumentParser()
    module.register(parser.add_subparsers(dest="command"))
    args = parser.parse_args(list(words))
    return int(args.run(args))


def test_this_installation_is_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(doctor, "doctor") == 0
    shown = capsys.readouterr().out
    assert "BAD" not in shown
    assert "network discs" in shown
    assert sys.version.split()[0] in shown


def test_every_device_is_either_tried_or_has_a_reason(weights: Path) -> None:
    pytest.importorskip("onnxruntime")
    findings = found()
    assert findings["on cpu"] == Finding("ok", "on cpu", "networks run (tried with thing)")
    for device in ("tensorrt", "cuda"):
        finding = findings[f"on {device}"]
        assert finding.level == "ok" or len(finding.text) > 20


def test_a_damaged_network_is_bad_and_fails_the_command(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (weights / "thing.onnx").write_bytes(b"something else")
    assert found()["network thing"].level == "BAD"
    assert command(doctor, "doctor") == 1
    assert "is not the network of its card" in capsys.readouterr().out


def test_two_distributions_of_onnxruntime_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"onnxruntime": "1.32.0", "onnxruntime-gpu": "1.31.1"}
    monkeypatch.setattr(doctor, "installed", lambda: both)
    finding = found()["ONNX Runtime"]
    assert finding.level == "BAD"
    assert "uninstall both" in finding.remedy


def test_without_onnxruntime_nothing_is_broken_but_networks_do_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(doctor, "installed", dict)
    findings = found()
    assert findings["ONNX Runtime"].level == "note"
    assert "permanence[cpu]" in findings["ONNX Runtime"].remedy
    assert "on cpu" not in findings


def test_a_broken_onnxruntime_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    monkeypatch.setattr(doctor, "installed", lambda: {"onnxruntime": "1.32.0"})
    assert found()["ONNX Runtime"].level == "BAD"


def test_two_packages_of_opencv_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda package: "5.0")
    assert "overwrite each other" in found()["OpenCV"].text


def test_an_opencv_without_odometry_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    old = ModuleType("cv2")
    old.__version__ = "4.6.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv2", old)
    finding = next(iter(doctor._opencv()))
    assert finding.level == "note"
    assert "4.6.0 has no RGB-D odometry" in finding.text


def test_installed_distributions_are_those_of_pip() -> None:
    for name, version in runtime.installed().items():
        assert importlib.metadata.version(name) == version


def test_bench_prints_quantiles_and_what_it_ran_on(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    words = ("models", "bench", "thing", "--folder", str(weights), "--runs", "7")
    assert command(models, *words, "--device", "cpu", "--threads", "1") == 0
    shown = capsys.readouterr().out
    assert "on cpu (threads: 1): p50" in shown
    assert "of 7 calls" in shown


def test_bench_refuses_numbers_that_make_no_sense(weights: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least one run"):
        command(models, "models", "bench", "thing", "--folder", str(weights), "--runs", "0")
