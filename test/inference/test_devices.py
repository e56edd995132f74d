"""What is asked of the machine: its GPU and libraries; kept engines; how long calls take."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_file import doubling

from perception_nodes.errors import ModelError
from perception_nodes.inference import hardware, providers
from perception_nodes.inference.cache import EngineCache, key, trusted
from perception_nodes.inference.external import external_files
from perception_nodes.inference.hardware import Gpu, ask
from perception_nodes.inference.latency import Latencies
from perception_nodes.inference.providers import missing_libraries, order, why_not


class Driver:
    """The CUDA driver's functions, as ctypes calls them."""

    def __init__(self, count: int = 1, code: int = 0) -> None:
        self.count, self.code = count, code

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self.code

    def cuDeviceGetCount(self, count: Any) -> None:  # noqa: N802
        count._obj.value = self.count

    def cuDeviceGet(self, device: Any, number: int) -> None:  # noqa: N802
        device._obj.value = 7

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> None:  # noqa: N802
        assert device.value == 7
        name.value = b"A GPU"

    def cuDriverGetVersion(self, version: Any) -> None:  # noqa: N802
        version._obj.value = 12080

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> None:  # noqa: N802
        value._obj.value = {75: 8, 76: 9}[attribute]


def test_the_driver_tells_what_gpu_there_is_or_why_none() -> None:
    assert ask(Driver()) == Gpu("A GPU", "8.9", "12.8")
    assert ask(Driver(count=0)) == "the NVIDIA driver finds no GPU"
    assert "cuInit returned 999" in str(ask(Driver(code=999)))


def test_a_machine_without_a_driver_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_DRIVER", "libnosuchdriver.so.1")
    hardware.find_gpu.cache_clear()
    assert "no NVIDIA driver" in str(hardware.find_gpu())
    hardware.find_gpu.cache_clear()


def test_auto_begins_with_the_fastest_and_every_device_ends_with_the_cpu() -> None:
    assert order("auto") == ("tensorrt", "cuda", "cpu")
    assert order("cuda") == ("cuda", "cpu")
    assert order("cpu") == ("cpu",)


class Runtime:
    """The module onnxruntime as `onnxruntime-gpu` is."""

    __version__ = "1.0"

    def __init__(self, file: Path) -> None:
        self.__file__ = str(file)

    def get_available_providers(self) -> list[str]:
        return list(providers.PROVIDERS.values())


def test_a_listed_provider_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = Runtime(tmp_path / "__init__.py")
    monkeypatch.setattr(providers, "find_gpu", lambda: "the NVIDIA driver finds no GPU")
    assert why_not(module, "cuda") == "the NVIDIA driver finds no GPU"
    monkeypatch.setattr(providers, "find_gpu", lambda: Gpu("A GPU", "8.9", "12.8"))
    assert "libonnxruntime_providers_cuda.so" in why_not(module, "cuda")
    assert "tensorrt" in why_not(module, "tensorrt")
    assert why_not(module, "cpu") == ""


def test_missing_libraries_are_named_unless_they_are_loaded_already(tmp_path: Path) -> None:
    assert missing_libraries(Path(sys.executable)) == ()
    assert missing_libraries(tmp_path / "libabsent.so") == ("libabsent.so",)


def test_libraries_that_ldd_does_not_find_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shown:
        stdout = "\tlibcublas.so.13 => not found\n\tlibhere.so => /lib/libhere.so (0x1)\n"

    monkeypatch.setattr(providers.subprocess, "run", lambda *_, **__: Shown)

    def absent(name: str) -> object:
        raise OSError(name)

    assert missing_libraries(Path("x"), absent) == ("libcublas.so.13",)
    assert missing_libraries(Path("x"), lambda name: name) == ()


def build(cache: EngineCache, content: str = "an engine") -> Path:
    with cache.folder("abc") as folder:
        (folder / "x.engine").write_text(content)
    return cache.root / "abc"


def test_an_engine_is_kept_and_found_again(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / "engines")
    kept = build(cache)
    with cache.folder("abc") as folder:
        assert folder == kept
        assert (folder / "x.engine").read_text() == "an engine"
    assert [path.name for path in cache.root.iterdir()] == ["abc"]


def test_what_failed_while_building_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "x.engine").write_text("half an eng")
        raise RuntimeError

    cache = EngineCache(tmp_path)
    with pytest.raises(RuntimeError), cache.folder("abc") as folder:
        fail(folder)
    assert not list(tmp_path.iterdir())


def damage(folder: Path) -> None:
    (folder / "x.engine").write_text("another engine")


def add(folder: Path) -> None:
    (folder / "y.engine").write_text("not built here")


def share(folder: Path) -> None:
    folder.chmod(0o777)


def forget(folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps({}))


def replace_by_link(folder: Path) -> None:
    (folder / "x.engine").rename(folder.parent / "elsewhere")
    (folder / "x.engine").symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize("change", [damage, add, share, forget, replace_by_link])
def test_an_engine_that_somebody_changed_is_built_anew(tmp_path: Path, change: Any) -> None:
    cache = EngineCache(tmp_path / "engines")
    kept = build(cache)
    assert trusted(kept)
    change(kept)
    assert not trusted(kept)
    with cache.folder("abc") as folder:
        assert not list(folder.iterdir())
        (folder / "x.engine").write_text("new")
    assert trusted(kept)
    assert (kept / "x.engine").read_text() == "new"


def test_any_part_of_the_key_changes_it() -> None:
    parts = {"network": "a", "gpu": "b", "runtime": "1"}
    keys = {key(parts), *(key({**parts, name: "other"}) for name in parts)}
    assert len(keys) == 4
    assert key(dict(reversed(parts.items()))) == key(parts)


def test_quantiles_are_right_to_five_percent_and_take_no_more_room() -> None:
    random = np.random.default_rng(0)
    seconds = np.exp(random.normal(-5.0, 1.0, 5000))
    latencies = Latencies()
    size = latencies._counts.nbytes
    for value in seconds:
        latencies.add(float(value))
    for share in (0.5, 0.95, 0.99):
        wanted = float(np.quantile(seconds, share))
        assert wanted * 0.99 <= latencies.quantile(share) <= wanted * 1.06
    assert latencies.longest == seconds.max()
    assert latencies._counts.nbytes == size


def test_times_beyond_the_buckets_count() -> None:
    latencies = Latencies()
    assert np.isnan(latencies.quantile(0.5))
    for seconds in (0.0, 1e9):
        latencies.add(seconds)
    assert latencies.count == 2
    assert latencies.longest == 1e9


def test_external_files_are_found_and_none_where_there_are_none() -> None:
    assert external_files(doubling()) == frozenset()
    assert external_files(doubling(external="a/b.bin")) == {"a/b.bin"}


@pytest.mark.parametrize("length", [1, 5, 20, -1])
def test_a_part_of_a_network_is_no_network(length: int) -> None:
    with pytest.raises(ModelError, match="no ONNX network"):
        external_files(doubling()[:length])


def test_no_bytes_make_the_search_for_external_files_fail_otherwise() -> None:
    random = np.random.default_rng(1)
    good = doubling(external="x")
    for _ in range(300):
        data = bytearray(good)
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(256)
        try:
            external_files(bytes(data))
        except ModelError:
            continue
