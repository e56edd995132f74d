"""Networks that look at one person at a time: cuts, heat maps and SimCC."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_file import doubling, network
from people_views import LENS, toward

from perception_nodes.embodmocap.skeleton import COUNT
from perception_nodes.embodmocap.topdown import TopDownKeypoints, load_topdown
from perception_nodes.errors import ModelError
from perception_nodes.scene import Frame

WIDTH, HEIGHT = 48, 64
SPOT = (401, 203)


def frame() -> Frame:
    """Black, with one bright spot."""
    color = np.zeros((LENS.height, LENS.width, 3), np.uint8)
    color[SPOT[1] - 3 : SPOT[1] + 4, SPOT[0] - 3 : SPOT[0] + 4] = 255
    depth = np.ones(color.shape[:2], np.float32)
    return Frame(5, "camera_b", "optical", LENS, color, depth, toward(0.0))


def boxes(_: Frame) -> np.ndarray:
    bad = [[10.0, 10.0, 10.0, 90.0], [np.nan, 0.0, 1.0, 1.0]]
    return np.array([[393.0, 100.0, 493.0, 300.0], *bad])


def heat_file(folder: Path) -> Path:
    """A heat map a joint that is highest where the cut is brightest."""
    weights = np.full((COUNT, 3, 1, 1), 0.1, np.float32)
    content = network(
        [("Conv", ("x", "w"), ("y",))], {"x": (1, 3, HEIGHT, WIDTH)},
        {"y": (1, COUNT, HEIGHT, WIDTH)}, {"w": weights},
    )  # fmt: skip
    path = folder / "mine.onnx"
    path.write_bytes(content)
    return path


class SimCC:
    """Scores over columns and rows of half a pixel, from the brightest place."""

    model_id = "simcc-0"
    inputs: Mapping[str, tuple[int | str, ...]] = {"input": ("batch", 3, HEIGHT, WIDTH)}
    outputs: Mapping[str, tuple[int | str, ...]] = {
        "simcc_x": ("batch", COUNT, 2 * WIDTH), "simcc_y": ("batch", COUNT, 2 * HEIGHT)
    }  # fmt: skip

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        bright = inputs["input"][0].sum(axis=0)
        across, along = (np.repeat(bright.max(axis=k), 2) / bright.max() for k in (0, 1))
        scores = {
            "simcc_x": np.tile(across, (1, COUNT, 1)),
            "simcc_y": np.tile(along, (1, COUNT, 1)),
        }
        scores["simcc_x"][0, 3] = np.nan
        return scores

    def facts(self) -> Mapping[str, str]:
        return {}


def test_heat_maps_of_an_onnx_file_are_read_in_the_pixels_of_the_image(tmp_path: Path) -> None:
    source = load_topdown(heat_file(tmp_path), boxes, "cpu")
    found = source.find(frame())
    assert found.pixels.shape == (1, COUNT, 2)
    assert np.abs(found.pixels[0] - SPOT).max() < 6.0
    assert (found.confidence > 0.3).all()
    assert (tmp_path / "mine.yaml").exists()
    assert source.model_id.startswith("mine-")


def test_another_file_under_the_name_of_a_known_one_is_refused(tmp_path: Path) -> None:
    path = heat_file(tmp_path)
    load_topdown(path, boxes, "cpu")
    path.write_bytes(doubling())
    with pytest.raises(ModelError, match="not the network of its card"):
        load_topdown(path, boxes, "cpu")


def test_simcc_is_read_and_a_joint_of_no_numbers_is_not_found() -> None:
    found = TopDownKeypoints(SimCC(), boxes).find(frame())
    known = np.arange(COUNT) != 3
    assert np.abs(found.pixels[0, known] - SPOT).max() < 6.0
    assert np.isnan(found.pixels[0, 3]).all()
    assert found.confidence[0, 3] == 0.0


def test_a_network_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(doubling())
    with pytest.raises(ModelError, match="no top-down network of 17 joints"):
        load_topdown(path, boxes, "cpu")


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"hello")
    with pytest.raises(ModelError, match="can't be loaded"):
        load_topdown(path, boxes, "cpu")
