from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from beliefs import scene, state

from perception_nodes.commands import score as command
from perception_nodes.errors import BagError
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.recorder import Recorder
from perception_nodes.scene import Frame, Sample, SceneState, Truth, Visibility
from perception_nodes.score.sink import ScoreSink

START = 1_700_000_000_000_000_000
STEP = 100_000_000


def steps(with_truth: bool) -> list[tuple[Sample, SceneState]]:
    """An object that is hidden and pushed by 4 cm in the middle of two seconds."""
    camera = Camera(8, 6, 8.0, 8.0, 3.5, 2.5)
    run = []
    for k in range(20):
        stamp = START + k * STEP
        hidden = 5 <= k < 15
        visibility = Visibility.OCCLUDED if hidden else Visibility.VISIBLE
        true = state("mug", stamp, (0.04 if k >= 10 else 0.0, 0.0, 0.5), visibility)
        believed = state("o1", stamp, (0.0 if k < 15 else 0.04, 0.0, 0.5), visibility)
        color, depth = np.zeros((6, 8, 3), np.uint8), np.ones((6, 8), np.float32)
        frame = Frame(stamp, "camera", "optical", camera, color, depth, Pose.identity())
        truth = Truth(stamp, (true,)) if with_truth else None
        run.append((Sample(frame, truth), scene(stamp, believed)))
    return run


def record(path: Path, run: list[tuple[Sample, SceneState]]) -> None:
    with Recorder(path) as recorder:
        for sample, belief in run:
            recorder.write(sample, belief, {})


def arguments(path: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())
    return parser.parse_args(["score", str(path), "--json"])


def test_a_recording_scores_like_the_run_that_wrote_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "run.mcap", steps(with_truth=True))
    live = ScoreSink()
    for sample, belief in steps(with_truth=True):
        live.write(sample, belief, {"slots": 0.01})
    assert command.run(arguments(tmp_path / "run.mcap")) == 0
    figures = json.loads(capsys.readouterr().out)
    expected = live.figures()
    expected.pop("latency_ms")
    assert figures == json.loads(json.dumps(expected))
    assert figures["hidden"]["pushed_kept"] == 1
    assert figures["position"]["hidden_pushed"]["count"] == 5


def test_frames_without_object_states_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = [
        (sample, replace(belief, stamp=belief.stamp + 1) if k < 3 else belief)
        for k, (sample, belief) in enumerate(steps(with_truth=True))
    ]
    record(tmp_path / "run.mcap", run)
    assert command.run(arguments(tmp_path / "run.mcap")) == 0
    assert "3 frames with truth have no object states" in capsys.readouterr().err


def test_a_recording_without_truth_is_refused_with_a_remedy(tmp_path: Path) -> None:
    record(tmp_path / "run.mcap", steps(with_truth=False))
    with pytest.raises(BagError, match="no topic 'truth/objects'") as caught:
        command.run(arguments(tmp_path / "run.mcap"))
    assert caught.value.remedy
