"""`permanence simulate` and `permanence demo`."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_scene import PUSH, small_scene, thing

from perception_nodes.bags.reader import open_bag
from perception_nodes.cli import main
from perception_nodes.frames.source import FrameSource
from perception_nodes.ros.conversion import events_from_msg
from perception_nodes.ros.images import label_image
from perception_simulation.scene_file import load_scene, save_scene
from perception_simulation.simulator import Simulator

pytestmark = pytest.mark.usefixtures("rendering")


@pytest.fixture
def scene_file(tmp_path: Path) -> Path:
    path = tmp_path / "scene.yaml"
    save_scene(small_scene(thing(), thing("b", position=(0.1, 0.2)), pushes=(PUSH,)), path)
    return path


def test_the_recording_replays_as_what_was_simulated(tmp_path: Path, scene_file: Path) -> None:
    bag = tmp_path / "a.mcap"
    assert main(["simulate", "-o", str(bag), "--scene", str(scene_file), "--raw"]) == 0
    simulated = list(Simulator(load_scene(scene_file)))
    with open_bag(bag) as recording:
        replayed = list(FrameSource(recording))
    assert len(replayed) == len(simulated) == 10
    for a, b in zip(simulated, replayed, strict=True):
        assert a.frame.stamp == b.frame.stamp
        np.testing.assert_array_equal(a.frame.color, b.frame.color)
        np.testing.assert_allclose(a.frame.depth, b.frame.depth, atol=0.0006)
        assert a.frame.pose is not None
        assert b.frame.pose is not None
        np.testing.assert_allclose(a.frame.pose.matrix(), b.frame.pose.matrix(), atol=1e-9)
        assert a.truth is not None
        assert b.truth is not None
        assert [o.id for o in a.truth.objects] == [o.id for o in b.truth.objects]
        for x, y in zip(a.truth.objects, b.truth.objects, strict=True):
            np.testing.assert_allclose(x.position, y.position)
            assert x.visibility is y.visibility


def test_the_recording_has_masks_events_and_a_clock(tmp_path: Path, scene_file: Path) -> None:
    bag = tmp_path / "a.mcap"
    main(["simulate", "-o", str(bag), "--scene", str(scene_file)])
    with open_bag(bag) as recording:
        found = {m.topic: m.data for m in reversed(list(recording.messages()))}
    assert {"/clock", "/tf", "/truth/objects", "/truth/masks", "/truth/events"} <= found.keys()
    assert set(np.unique(label_image(found["/truth/masks"]))) >= {0, 1, 2}
    assert [e.subjects for e in events_from_msg(found["/truth/events"])] == [("box",), ("b",)]


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    options = ["--seed", "4", "--objects", "4", "--duration", "0.4", "--size", "80x60"]
    a, b = tmp_path / "a" / "x.mcap", tmp_path / "b" / "x.mcap"
    for path in (a, b):
        assert main(["simulate", "-o", str(path), *options]) == 0
    assert a.read_bytes() == b.read_bytes()


def test_a_written_scene_can_be_simulated_again(tmp_path: Path) -> None:
    scene = tmp_path / "s.yaml"
    options = ["--duration", "0.2", "--size", "80x60"]
    a, b = tmp_path / "a" / "x.mcap", tmp_path / "b" / "x.mcap"
    main(["simulate", "-o", str(a), "--write-scene", str(scene), *options])
    main(["simulate", "-o", str(b), "--scene", str(scene)])
    assert a.read_bytes() == b.read_bytes()


def test_a_scene_file_and_a_random_scene_exclude_each_other(
    tmp_path: Path, scene_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = str(tmp_path / "a.mcap")
    assert main(["simulate", "-o", bag, "--scene", str(scene_file), "--objects", "5"]) == 1
    assert "--objects" in capsys.readouterr().err


def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    options = ["-o", "big.mcap", "--duration", "1", "--raw"]
    done = subprocess.run(
        [sys.executable, "-m", "perception_nodes.cli", "simulate", *options],
        cwd=tmp_path,
        env=dict(os.environ),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "big.mcap can't be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_demo_replays_a_recording_where_nothing_can_be_rendered(tmp_path: Path) -> None:
    code = (
        "import sys, perception_nodes.cli as cli\n"
        "import perception_simulation.commands.demo as demo\n"
        "from perception_simulation.gl import RenderingError\n"
        "def refuse(): raise RenderingError('no OpenGL', 'install libosmesa6')\n"
        "demo.require = refuse\n"
        "real, cli.main = cli.main, lambda arguments: print('REPLAY', *arguments) or 0\n"
        "sys.exit(real(['demo', '-o', 'results']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "libosmesa6" in done.stdout
    assert "REPLAY replay" in done.stdout
    assert "box.mcap" in done.stdout
