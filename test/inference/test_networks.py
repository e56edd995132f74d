"""Networks are checked, loaded on what works, and say why not on something faster."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_file import doubling, network, write_network

from perception_nodes.errors import ConfigurationError, ModelError
from perception_nodes.inference import cache, loading, providers, runtime
from perception_nodes.inference.cache import EngineCache
from perception_nodes.inference.loading import load_network
from perception_nodes.inference.network import OnnxNetwork, example_inputs
from perception_nodes.inference.sizes import is_static
from perception_nodes.model_cards import read_card, sha256

X = np.array([[1.0, -2.0, 3.0, 0.5]], np.float32)


@pytest.fixture(autouse=True)
def _needs_onnxruntime() -> None:
    pytest.importorskip("onnxruntime")


def test_a_network_computes_what_it_should_and_counts_its_calls(tmp_path: Path) -> None:
    loaded = load_network(write_network(tmp_path, doubling()), "cpu")
    assert np.array_equal(loaded.run({"x": X})["y"], 2 * X)
    assert loaded.latencies.count == 1, "warming up must not count"
    assert loaded.facts()["device"] == "cpu"
    assert "of 1 calls" in loaded.facts()["inference"]
    assert loaded.model_id == f"thing-{read_card(tmp_path / 'thing.yaml').sha256[:8]}"


def test_bound_buffers_give_the_same_and_results_outlive_the_next_call(tmp_path: Path) -> None:
    plain = load_network(write_network(tmp_path, doubling()), "cpu")
    bound = OnnxNetwork(plain.card, plain._session, "cpu", {}, bind=True)
    first = bound.run({"x": X})["y"]
    second = bound.run({"x": X + 1})["y"]
    assert np.array_equal(first, 2 * X)
    assert np.array_equal(second, 2 * X + 2)


def test_free_sizes_stay_free(tmp_path: Path) -> None:
    shape = ("batch", 4)
    loaded = load_network(write_network(tmp_path, doubling(shape), shape), "cpu")
    assert loaded.run({"x": np.repeat(X, 5, axis=0)})["y"].shape == (5, 4)
    assert example_inputs(loaded.card)["x"].shape == (1, 4)
    assert not is_static(loaded.card)


@pytest.mark.parametrize("value", [X[0], X[:, :3], np.zeros((2, 4))])
def test_an_input_of_another_shape_is_refused_by_name(tmp_path: Path, value: Any) -> None:
    loaded = load_network(write_network(tmp_path, doubling()), "cpu")
    with pytest.raises(ModelError, match=r"takes x of shape \[1, 4\]"):
        loaded.run({"x": value})
    with pytest.raises(ModelError, match="needs an input x"):
        loaded.run({})


def test_without_a_gpu_every_faster_device_has_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "find_gpu", lambda: "there is no NVIDIA driver here")
    loaded = load_network(write_network(tmp_path, doubling()), "auto")
    assert loaded.device == "cpu"
    assert set(loaded.fallbacks) == {"tensorrt", "cuda"}
    assert all(len(reason) > 10 for reason in loaded.fallbacks.values())
    assert loaded.facts()["not on cuda"] == loaded.fallbacks["cuda"]


def test_a_device_that_only_pretends_to_work_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As onnxruntime-gpu without CUDA does: the session quietly falls back to the CPU."""
    real = runtime.onnxruntime()

    class Pretending:
        __version__, SessionOptions = real.__version__, real.SessionOptions

        @staticmethod
        def InferenceSession(content: bytes, options: Any, providers: Any, **_: Any) -> Any:  # noqa: N802
            return real.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(loading, "onnxruntime", lambda: Pretending)
    monkeypatch.setattr(loading, "why_not", lambda _, device: "")
    loaded = load_network(
        write_network(tmp_path, doubling()), "auto", cache=EngineCache(tmp_path / "engines")
    )
    assert loaded.device == "cpu"
    assert "gave it up" in loaded.fallbacks["cuda"]
    assert "gave it up" in loaded.fallbacks["tensorrt"]
    assert not list((tmp_path / "engines").iterdir()), "an engine that doesn't work is not kept"


def test_a_read_only_cache_of_engines_is_said_and_the_next_device_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = tmp_path / "engines"
    engines.mkdir()

    def refuse(*_: Any, **__: Any) -> str:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(engines))

    monkeypatch.setattr(loading, "why_not", lambda _, device: "no GPU" * (device == "cuda"))
    monkeypatch.setattr(cache.tempfile, "mkdtemp", refuse)
    loaded = load_network(
        write_network(tmp_path, doubling()), "tensorrt", cache=EngineCache(engines)
    )
    assert loaded.device == "cpu"
    assert "the engine cache can't be used" in loaded.fallbacks["tensorrt"]
    assert "Read-only file system" in loaded.fallbacks["tensorrt"]
    np.testing.assert_allclose(loaded.run({"x": X})["y"], 2 * X)


def test_a_network_that_can_not_be_recorded_runs_on_the_gpu_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with nodes that CUDA leaves to the CPU: only the recording is given up."""
    real = runtime.onnxruntime()
    asked: list[str] = []

    class Session:
        def __init__(self, content: bytes, options: Any, providers: Any, **_: Any) -> None:
            asked.append(providers[0][1]["enable_cuda_graph"])
            if asked[-1] == "1":
                raise RuntimeError("not all nodes have been partitioned to CUDA")
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
    loaded = load_network(write_network(tmp_path, doubling()), "cuda")
    assert asked == ["1", "0"]
    assert loaded.device == "cuda"
    assert loaded.fallbacks == {}


def test_networks_of_free_sizes_are_not_recorded() -> None:
    assert loading.provider_options("cuda")["enable_cuda_graph"] == "0"
    assert loading.provider_options("cuda", graphs=True)["enable_cuda_graph"] == "1"


def test_an_unknown_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no device 'tpu'"):
        load_network(write_network(tmp_path, doubling()), "tpu")


def test_a_changed_or_shortened_file_is_refused(tmp_path: Path) -> None:
    card = write_network(tmp_path, doubling())
    content = (tmp_path / "thing.onnx").read_bytes()
    for damaged in (content[:-1], content[:-1] + b"\x00", b""):
        (tmp_path / "thing.onnx").write_bytes(damaged)
        with pytest.raises(ModelError, match="is not the network of its card"):
            load_network(card, "cpu")


def test_another_signature_than_the_cards_is_refused(tmp_path: Path) -> None:
    card = write_network(tmp_path, doubling((1, 5)))
    with pytest.raises(ModelError, match=r"input 0 of thing\.onnx is x"):
        load_network(card, "cpu")


def test_a_network_that_can_not_run_is_refused_with_the_reason(tmp_path: Path) -> None:
    content = network([("NoSuchOperator", ("x",), ("y",))], {"x": (1, 4)}, {"y": (1, 4)})
    with pytest.raises(ModelError, match="NoSuchOperator"):
        load_network(write_network(tmp_path, content), "cpu")


def test_a_part_of_a_network_is_refused_although_its_hash_fits(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no ONNX network"):
        load_network(write_network(tmp_path, doubling()[:-3]), "cpu")


def test_tensors_beside_the_network_are_used_if_the_card_names_them(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(np.array([2.0], np.float32).tobytes())
    hashes = {"weights.bin": sha256(tmp_path / "weights.bin")}
    content = doubling(external="weights.bin")
    loaded = load_network(write_network(tmp_path, content, external_data=hashes), "cpu")
    assert np.array_equal(loaded.run({"x": X})["y"], 2 * X)
    (tmp_path / "weights.bin").write_bytes(np.array([3.0], np.float32).tobytes())
    with pytest.raises(ModelError, match=r"weights\.bin is not the network"):
        load_network(tmp_path / "thing.yaml", "cpu")
    with pytest.raises(ModelError, match="does not mention"):
        load_network(write_network(tmp_path, content), "cpu")


@pytest.mark.parametrize("place", ["../weights.bin", "{outside}/weights.bin", "link/weights.bin"])
def test_tensors_outside_of_the_folder_are_refused(tmp_path: Path, place: str) -> None:
    folder, outside = tmp_path / "models", tmp_path / "elsewhere"
    folder.mkdir()
    outside.mkdir()
    for where in (outside, tmp_path):
        (where / "weights.bin").write_bytes(np.array([2.0], np.float32).tobytes())
    (folder / "link").symlink_to(outside)
    name = place.format(outside=outside)
    hashes = {name: sha256(outside / "weights.bin")}
    card = write_network(folder, doubling(external=name), external_data=hashes)
    with pytest.raises(ModelError, match="leads out of"):
        load_network(card, "cpu")


def test_a_card_that_names_a_network_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "thing.onnx").write_bytes(doubling())
    card = write_network(folder, doubling(), file="../thing.onnx")
    with pytest.raises(ModelError, match="leads out of"):
        load_network(card, "cpu")


def test_without_onnxruntime_the_remedy_names_both_extras() -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from perception_nodes.inference.runtime import onnxruntime\n"
        "from perception_nodes.errors import ModelError\n"
        "try:\n"
        "    onnxruntime()\n"
        "except ModelError as error:\n"
        "    assert 'permanence[cpu]' in error.remedy and '[gpu]' in error.remedy, error\n"
        "else:\n"
        "    raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_half_uninstalled_onnxruntime_is_called_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", sys)
    with pytest.raises(ModelError, match="broken") as caught:
        runtime.onnxruntime()
    assert "uninstall onnxruntime onnxruntime-gpu" in caught.value.remedy
