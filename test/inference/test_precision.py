"""Half precision is used where a card vouches for it, and every "no" has a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_file import doubling, network, scaling, write_network

from perception_nodes.errors import ConfigurationError, ModelError
from perception_nodes.inference import loading, runtime
from perception_nodes.inference.loading import load_network
from perception_nodes.inference.network import OnnxNetwork
from perception_nodes.inference.precision import against_half
from perception_nodes.model_cards import HalfCard, check_file, read_card, sha256

X = np.array([[1.0, -2.0, 3.0, 0.5]], np.float32)


@pytest.fixture(autouse=True)
def _needs_onnxruntime() -> None:
    pytest.importorskip("onnxruntime")


def write_both(folder: Path, half: bytes | None = None, difference: float = 0.001) -> Path:
    """A network that doubles; its "half" triples, so that one sees which of them ran."""
    path = folder / "thing.half.onnx"
    path.write_bytes(scaling(3.0) if half is None else half)
    card = HalfCard(path.name, sha256(path), difference, 0.002)
    return write_network(folder, doubling(), half=card)


@pytest.fixture
def _a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA that works, as far as a CPU can play it."""
    real = runtime.onnxruntime()

    class Session:
        def __init__(self, content: bytes, options: Any, **_: Any) -> None:
            self._real = real.InferenceSession(content, options, providers=["CPUExecutionProvider"])

        def get_providers(self) -> list[str]:
            return ["CUDAExecutionProvider"]

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    class Runtime:
        __version__, SessionOptions, InferenceSession = (
            real.__version__, real.SessionOptions, Session,
        )  # fmt: skip

    monkeypatch.setattr(loading, "onnxruntime", lambda: Runtime)
    monkeypatch.setattr(loading, "why_not", lambda _, device: "")
    monkeypatch.setattr(loading, "OnnxNetwork", lambda *a: OnnxNetwork(*a[:4], bind=False))


def factor(loaded: OnnxNetwork) -> float:
    return float(loaded.run({"x": X})["y"][0, 0])


def test_the_cpu_stays_with_single_precision_unless_half_is_asked_for(tmp_path: Path) -> None:
    card = write_both(tmp_path)
    assert factor(load_network(card, "cpu")) == 2.0
    asked = load_network(card, "cpu", precision="half")
    assert factor(asked) == 3.0
    assert asked.facts()["precision"] == "half"


@pytest.mark.usefixtures("_a_gpu")
def test_a_gpu_takes_half_precision_of_itself(tmp_path: Path) -> None:
    card = write_both(tmp_path)
    assert factor(load_network(card, "cuda")) == 3.0
    single = load_network(card, "cuda", precision="single")
    assert factor(single) == 2.0
    assert single.facts()["precision"] == "single: single was asked for"


@pytest.mark.usefixtures("_a_gpu")
@pytest.mark.parametrize("difference", [0.0021, float("nan")])
def test_a_variant_that_differs_too_much_has_to_be_asked_for(
    tmp_path: Path, difference: float
) -> None:
    card = write_both(tmp_path, difference=difference)
    loaded = load_network(card, "cuda")
    assert factor(loaded) == 2.0
    assert "more than the 0.002 allowed" in loaded.facts()["precision"]
    assert factor(load_network(card, "cuda", precision="half")) == 3.0


@pytest.mark.usefixtures("_a_gpu")
def test_where_half_precision_fails_single_runs_on_the_same_device(tmp_path: Path) -> None:
    broken = network([("NoSuchOperator", ("x",), ("y",))], {"x": (1, 4)}, {"y": (1, 4)})
    loaded = load_network(write_both(tmp_path, broken), "cuda")
    assert (loaded.device, factor(loaded)) == ("cuda", 2.0)
    assert loaded.fallbacks == {}
    assert "NoSuchOperator" in loaded.facts()["precision"]


def test_a_network_without_a_variant_says_so(tmp_path: Path) -> None:
    loaded = load_network(write_network(tmp_path, doubling()), "cpu", precision="half")
    assert loaded.facts()["precision"] == "single: the network has no variant in half precision"


def test_a_changed_variant_is_refused(tmp_path: Path) -> None:
    card = write_both(tmp_path)
    (tmp_path / "thing.half.onnx").write_bytes(scaling(4.0))
    with pytest.raises(ModelError, match=r"thing\.half\.onnx is not the network of its card"):
        load_network(card, "cpu", precision="half")
    with pytest.raises(ModelError, match=r"thing\.half\.onnx"):
        check_file(read_card(card), tmp_path)


def test_a_variant_may_not_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "thing.onnx").write_bytes(scaling(3.0))
    said = HalfCard("../thing.onnx", sha256(tmp_path / "thing.onnx"), 0.0, 0.1)
    card = write_network(tmp_path / "models", doubling(), half=said)
    with pytest.raises(ModelError, match="leads out of"):
        load_network(card, "cpu", precision="half")


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    card = write_both(tmp_path)
    with pytest.raises(ConfigurationError, match="no precision 'double'"):
        load_network(card, "cpu", precision="double")
    assert against_half(read_card(card), "tensorrt", "auto") == ""
