"""Folders of images become recordings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from perception_nodes.bags.reader import open_bag
from perception_nodes.commands import convert
from perception_nodes.errors import BagError, InputError, PermanenceError
from perception_nodes.geometry.camera import Camera
from perception_nodes.ros.calibration import camera_from_info
from perception_nodes.ros.geometry_messages import time_from_msg, transform_from_msg
from perception_nodes.ros.images import color_image, depth_image

CAMERA = Camera(64, 48, 60.0, 60.0, 31.5, 23.5)
TILT = np.radians(40.0)
HEIGHT = 0.8  # of the camera above the plane


def plane_depth() -> Any:
    """What a camera that looks down by TILT sees of the plane below it, meters."""
    down = np.array([0.0, np.cos(TILT), np.sin(TILT)])
    with np.errstate(divide="ignore"):
        depth = HEIGHT / (CAMERA.rays() @ down)
    return np.where((depth > 0) & (depth < 5), depth, np.nan)


def plain(folder: Path, count: int = 3, *, poses: bool = True) -> Path:
    for name in ("color", "depth"):
        (folder / name).mkdir(parents=True)
    millimeters = np.nan_to_num(np.rint(plane_depth() * 1000)).astype(np.uint16)
    for i in range(count):
        color = np.full((48, 64, 3), (10 * i, 100, 200), np.uint8)  # OpenCV writes BGR
        cv2.imwrite(str(folder / "color" / f"{i:05d}.png"), color)
        cv2.imwrite(str(folder / "depth" / f"{i:05d}.png"), millimeters)
    numbers = {k: getattr(CAMERA, k) for k in ("width", "height", "fx", "fy", "cx", "cy")}
    numbers |= {"depth_unit_m": 0.001, "rate_hz": 10.0}
    (folder / "camera.yaml").write_text(yaml.safe_dump(numbers))
    if poses:
        rows = ["# time tx ty tz qx qy qz qw"]
        rows += [f"{0.1 * i:.4f} {0.01 * i} 0 0 0 0 0 1" for i in range(count)]
        (folder / "poses.txt").write_text("\n".join(rows) + "\n")
    return folder


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    convert.register(parser.add_subparsers())
    args = parser.parse_args(["convert", *map(str, arguments)])
    return int(args.run(args))


def contents(path: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    with open_bag(path) as bag:
        for message in bag.messages():
            found.setdefault(message.topic, []).append(message.data)
        assert bag.loss().clean
    return found


@pytest.mark.parametrize(
    ("options", "suffixes"),
    [
        (("-o", "out.mcap"), ("/compressed", "/compressedDepth")),
        (("-o", "out.mcap", "--raw"), ("", "")),
        (("-o", "out", "--storage", "sqlite3"), ("/compressed", "/compressedDepth")),
    ],
)
def test_images_camera_and_poses_arrive_in_the_recording(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    suffixes: tuple[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(plain(tmp_path / "desk"), *options) == 0
    topics = contents(Path(options[1]))
    colors = topics[f"/camera/color/image_raw{suffixes[0]}"]
    depths = topics[f"/camera/depth/image_raw{suffixes[1]}"]
    assert [len(topic) for topic in topics.values()] == [3] * 4
    assert camera_from_info(topics["/camera/color/camera_info"][0]) == CAMERA
    assert np.abs(color_image(colors[2]).astype(int) - [200, 100, 20]).max() <= 2
    np.testing.assert_allclose(depth_image(depths[0]), plane_depth(), atol=6e-4)
    stamps = [time_from_msg(m.header.stamp) for m in depths]
    assert stamps == [1_000_000_000, 1_100_000_000, 1_200_000_000]
    assert {m.header.frame_id for m in (*colors, *depths)} == {"camera_color_optical_frame"}


def test_a_world_that_is_the_first_camera_is_turned_upright(tmp_path: Path) -> None:
    run(plain(tmp_path / "desk"), "-o", tmp_path / "a.mcap")
    transforms = [transform_from_msg(m.transforms[0]) for m in contents(tmp_path / "a.mcap")["/tf"]]
    assert {(parent, child) for _, parent, child, _ in transforms} == {
        ("map", "camera_color_optical_frame")
    }
    points = CAMERA.rays() * plane_depth()[..., None].astype(np.float32)
    heights = transforms[0][3].apply(points[np.isfinite(points[..., 2])])[:, 2]
    assert np.abs(heights + HEIGHT).max() < 0.01
    step = transforms[1][3].translation - transforms[0][3].translation
    assert np.linalg.norm(step) == pytest.approx(0.01)
    assert abs(step[2]) < 1e-3


def test_a_world_of_its_own_is_kept(tmp_path: Path) -> None:
    folder = plain(tmp_path / "desk")
    x, y, z, w = Rotation.from_euler("z", 30, degrees=True).as_quat()
    rows = [f"{i} 1 2 3 {x} {y} {z} {w}" for i in range(3)]
    (folder / "poses.txt").write_text("\n".join(rows))
    run(folder, "-o", tmp_path / "a.mcap")
    stamp, _, _, pose = transform_from_msg(contents(tmp_path / "a.mcap")["/tf"][2].transforms[0])
    assert stamp == 3_000_000_000
    np.testing.assert_allclose(pose.translation, [1, 2, 3])
    np.testing.assert_allclose(pose.quaternion(), [x, y, z, w], atol=1e-12)


def test_scaled_images_keep_their_geometry(tmp_path: Path) -> None:
    run(plain(tmp_path / "desk"), "-o", tmp_path / "a.mcap", "--scale", "0.5")
    topics = contents(tmp_path / "a.mcap")
    camera = camera_from_info(topics["/camera/color/camera_info"][0])
    assert camera == CAMERA.scaled(32, 24)
    depth = depth_image(topics["/camera/depth/image_raw/compressedDepth"][0])
    pose = transform_from_msg(topics["/tf"][0].transforms[0])[3]
    points = camera.rays() * depth[..., None]
    heights = pose.apply(points[np.isfinite(depth)])[:, 2]
    assert np.abs(np.median(heights) + HEIGHT) < 0.02
    assert np.abs(heights + HEIGHT).max() < 0.05


def test_stride_and_range_select_frames(tmp_path: Path) -> None:
    folder = plain(tmp_path / "desk", 7)
    run(folder, "-o", tmp_path / "a.mcap", "--frames", "1:6", "--stride", "2")
    stamps = [m.transforms[0].header.stamp for m in contents(tmp_path / "a.mcap")["/tf"]]
    assert [s.nanosec // 100_000_000 for s in stamps] == [1, 3, 5]
    with pytest.raises(PermanenceError, match="selects none of the 7 frames"):
        run(folder, "-o", tmp_path / "b.mcap", "--frames", "7:")


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = plain(tmp_path / "desk")
    for name in ("a", "b"):
        run(folder, "-o", tmp_path / name / "out.mcap")
    results = [(tmp_path / name / "out.mcap").read_bytes() for name in ("a", "b")]
    assert results[0] == results[1]


def test_without_poses_there_are_no_transforms_and_the_rate_gives_the_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(plain(tmp_path / "desk", poses=False), "-o", tmp_path / "a.mcap") == 0
    topics = contents(tmp_path / "a.mcap")
    assert "/tf" not in topics
    stamps = [time_from_msg(m.header.stamp) for m in topics["/camera/color/camera_info"]]
    assert stamps == [1_000_000_000, 1_100_000_000, 1_200_000_000]
    assert "no poses.txt" in capsys.readouterr().out


def test_an_image_that_cannot_be_read_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = plain(tmp_path / "desk")
    (folder / "color" / "00001.png").write_bytes(b"broken")
    assert run(folder, "-o", tmp_path / "a.mcap") == 3
    assert f"{folder / 'color' / '00001.png'} can't be read" in capsys.readouterr().out
    assert len(contents(tmp_path / "a.mcap")["/tf"]) == 2


def test_images_without_a_counterpart_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = plain(tmp_path / "desk")
    cv2.imwrite(str(folder / "color" / "00009.png"), np.zeros((48, 64, 3), np.uint8))
    assert run(folder, "-o", tmp_path / "a.mcap") == 3
    assert "in color or depth were left out: 00009\n" in capsys.readouterr().out


def break_camera(folder: Path) -> None:
    (folder / "camera.yaml").unlink()


def break_number(folder: Path) -> None:
    path = folder / "camera.yaml"
    path.write_text(path.read_text().replace("fx: 60.0", "fx: wide"))


def break_focal_length(folder: Path) -> None:
    path = folder / "camera.yaml"
    path.write_text(path.read_text().replace("fx: 60.0", "fx: 0.0"))


def break_size(folder: Path) -> None:
    path = folder / "camera.yaml"
    path.write_text(path.read_text().replace("width: 64", "width: 640"))


def break_pose(folder: Path) -> None:
    (folder / "poses.txt").write_text("0 0 0 0 0 0 0 1\n1 0 0 0 0 0 0 9\n2 0 0 0 0 0 0 1\n")


def break_row(folder: Path) -> None:
    (folder / "poses.txt").write_text("0 0 0 0 0 0 0 1\n1 0 0\n2 0 0 0 0 0 0 1\n")


def break_count(folder: Path) -> None:
    (folder / "poses.txt").write_text("0 0 0 0 0 0 0 1\n")


def break_depth(folder: Path) -> None:
    for path in (folder / "depth").iterdir():
        cv2.imwrite(str(path), np.zeros((48, 64), np.uint8))


def break_names(folder: Path) -> None:
    for path in (folder / "depth").iterdir():
        path.rename(path.with_stem(f"x{path.stem}"))


@pytest.mark.parametrize(
    ("damage", "error", "reason"),
    [
        (break_camera, BagError, r"camera\.yaml is missing"),
        (break_number, BagError, r"camera\.yaml is incomplete or damaged"),
        (break_focal_length, InputError, "uncalibrated"),
        (break_size, BagError, "64x48 pixels, camera.yaml says 640x48"),
        (break_pose, BagError, r"poses\.txt, line 2: the quaternion"),
        (break_row, BagError, r"poses\.txt, line 2: it has 3 numbers instead of 8"),
        (break_count, BagError, "1 poses for 3 frames"),
        (break_depth, BagError, "uint8 .* instead of 16-bit depth"),
        (break_names, BagError, "no image of .* has a counterpart"),
    ],
)
def test_a_broken_folder_is_refused_by_name_and_nothing_is_written(
    tmp_path: Path, damage: Any, error: type[Exception], reason: str
) -> None:
    folder = plain(tmp_path / "desk")
    damage(folder)
    with pytest.raises(error, match=reason):
        run(folder, "-o", tmp_path / "a.mcap")
    assert [path.name for path in tmp_path.iterdir()] == ["desk"]


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="there is no folder"):
        run(tmp_path / "absent")


@pytest.mark.parametrize(
    "options", [("--scale", "2"), ("--scale", "x"), ("--stride", "0"), ("--frames", "5")]
)
def test_impossible_options_are_wrong_usage(tmp_path: Path, options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(tmp_path, *options)
    assert caught.value.code == 2


def test_the_shipped_recording_is_what_its_readme_says(request: pytest.FixtureRequest) -> None:
    path = request.config.rootpath / "examples" / "data" / "box.mcap"
    topics = contents(path)
    assert sorted(topics) == [
        "/camera/color/camera_info",
        "/camera/color/image_raw/compressed",
        "/camera/depth/image_raw/compressedDepth",
        "/tf",
    ]
    assert {len(messages) for messages in topics.values()} == {50}
    assert path.stat().st_size < 4_000_000
