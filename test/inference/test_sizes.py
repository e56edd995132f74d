"""Networks of free sizes: TensorRT is given their ranges, or not given the network at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_file import doubling, write_network

from perception_nodes.errors import ModelError
from perception_nodes.inference import loading, runtime
from perception_nodes.inference.cache import EngineCache
from perception_nodes.inference.loading import load_network
from perception_nodes.inference.network import OnnxNetwork, example_inputs
from perception_nodes.inference.sizes import profile, without_ranges
from perception_nodes.model_cards import TensorCard, read_card, weights_folder

SHAPE = ("batch", 4)
RANGES = {"batch": (1, 3, 8)}


@pytest.fixture(autouse=True)
def _needs_onnxruntime() -> None:
    pytest.importorskip("onnxruntime")


def open_card(folder: Path, **fields: Any) -> Path:
    """A network with a free size."""
    return write_network(folder, doubling(SHAPE), SHAPE, **fields)


def test_options_name_each_input_that_has_a_free_size_and_no_other(tmp_path: Path) -> None:
    inputs = (
        TensorCard("a", "tensor(float)", ("batch", 3, "objects")),
        TensorCard("fixed", "tensor(float)", (5,)),
        TensorCard("b", "tensor(float)", ("objects", "objects")),
    )
    path = open_card(tmp_path, ranges={"batch": (1, 4, 64), "objects": (2, 6, 16)}, inputs=inputs)
    assert profile(read_card(path)) == {
        "trt_profile_min_shapes": "a:1x3x2,b:2x2",
        "trt_profile_opt_shapes": "a:4x3x6,b:6x6",
        "trt_profile_max_shapes": "a:64x3x16,b:16x16",
    }


def test_a_network_of_fixed_sizes_needs_no_options(tmp_path: Path) -> None:
    card = read_card(write_network(tmp_path, doubling()))
    assert profile(card) == {}
    assert without_ranges(card) == ""


@pytest.mark.parametrize("sizes", [[1, 2], [0, 1, 2], [3, 2, 4], [1, 5, 4], "1", [1, 2, "x"]])
def test_a_range_that_is_none_is_refused(tmp_path: Path, sizes: Any) -> None:
    path = open_card(tmp_path, ranges={"batch": sizes})
    with pytest.raises(ModelError, match="for the size batch"):
        read_card(path)


def test_a_network_whose_card_leaves_a_size_open_is_not_given_to_tensorrt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "why_not", lambda _, device: "none" * (device == "cuda"))
    loaded = load_network(open_card(tmp_path), "tensorrt", cache=EngineCache(tmp_path / "engines"))
    assert loaded.device == "cpu"
    assert "no range for the free sizes batch" in loaded.facts()["not on tensorrt"]
    assert not (tmp_path / "engines").exists()


def test_ranges_reach_tensorrt_and_it_is_warmed_up_at_the_usual_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = runtime.onnxruntime()
    options: dict[str, str] = {}
    sizes: list[int] = []

    class Session:
        def __init__(self, content: bytes, _: Any, providers: Any, **__: Any) -> None:
            options.update(providers[0][1])
            self._real = real.InferenceSession(content, providers=["CPUExecutionProvider"])

        def get_providers(self) -> list[str]:
            return ["TensorrtExecutionProvider"]

        def run(self, names: Any, given: Any) -> Any:
            sizes.append(len(given["x"]))
            return self._real.run(names, given)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    class Runtime:
        __version__, SessionOptions, InferenceSession = (
            real.__version__, real.SessionOptions, Session,
        )  # fmt: skip

    monkeypatch.setattr(loading, "onnxruntime", lambda: Runtime)
    monkeypatch.setattr(loading, "why_not", lambda _, device: "")
    card = open_card(tmp_path, ranges=RANGES)
    loaded = load_network(card, "tensorrt", cache=EngineCache(tmp_path / "engines"))
    assert loaded.device == "tensorrt"
    assert options["trt_profile_max_shapes"] == "x:8x4"
    assert set(sizes) == {3}
    with pytest.raises(ModelError, match="1 to 8 batch on TensorRT, but x has 9"):
        loaded.run({"x": np.zeros((9, 4))})
    assert len(loaded.run({"x": np.zeros((8, 4))})["y"]) == 8


def test_elsewhere_any_size_is_taken(tmp_path: Path) -> None:
    loaded = load_network(open_card(tmp_path, ranges=RANGES), "cpu")
    assert isinstance(loaded, OnnxNetwork)
    assert len(loaded.run({"x": np.zeros((9, 4))})["y"]) == 9
    assert example_inputs(loaded.card)["x"].shape == (3, 4)


def test_engines_of_other_ranges_are_other_engines(tmp_path: Path) -> None:
    runtime_module = runtime.onnxruntime()
    keys = set()
    for most in (8, 16):
        card = read_card(open_card(tmp_path, ranges={"batch": (1, 3, most)}))
        loader = loading._Loader(runtime_module, card, b"same", tmp_path, 1)
        keys.add(loader._engine_key())
    assert len(keys) == 2


def test_the_world_model_comes_with_ranges() -> None:
    card = read_card(weights_folder() / "cjepa.yaml")
    assert without_ranges(card) == ""
    assert "states:1x3x1x18" in profile(card)["trt_profile_min_shapes"]
