"""A recording that describes the robot: its links are no objects in replay either."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bags_for_replay import BOXES, FACTORY, START, Recorded, save, stamps, tabletop_messages
from bags_for_replay import transforms as tf

from perception_nodes.bags.reader import open_bag
from perception_nodes.frames.source import FrameSource
from perception_nodes.geometry.pose import Pose
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.viewrope.depth_finder import DepthFinder

ARM, OTHER = BOXES


def urdf(*links: str) -> str:
    size = " ".join(map(str, ARM.size))
    shape = f'<collision><geometry><box size="{size}"/></geometry></collision>'
    return f"<robot name='r'>{''.join(f'<link name={n!r}>{shape}</link>' for n in links)}</robot>"


def described(text: str) -> Recorded:
    return Recorded(
        "/robot_description", FACTORY.make("std_msgs/msg/String", data=text), START - 10
    )


def arm_at(place: tuple[float, float, float]) -> list[Recorded]:
    pose = Pose(np.eye(3), np.array(place))
    return [Recorded("/tf", tf((pose, stamp, "map", "arm")), stamp) for stamp in stamps(5)]


def states(folder: Path, *more: Recorded) -> tuple[set[float], tuple[str, ...]]:
    """On which side of the table objects are found, and what the source notes."""
    messages = sorted([*more, *tabletop_messages(stamps(5))], key=lambda m: m.log_time)
    pipeline = Pipeline(DepthFinder(), ObjectTracker())
    path = folder / f"{len(list(folder.iterdir()))}.mcap"
    with open_bag(save(path, messages)) as bag:
        source = FrameSource(bag)
        believed = [pipeline.process(sample.frame).objects for sample in source][-1]
    return {float(np.sign(item.position[1])) for item in believed}, source.notes


def test_a_described_link_is_no_object_and_the_rest_stays(tmp_path: Path) -> None:
    both, _ = states(tmp_path)
    assert both == {-1.0, 1.0}
    found, notes = states(tmp_path, described(urdf("arm")), *arm_at(ARM.center))
    assert found == {float(np.sign(OTHER.center[1]))}
    assert not [note for note in notes if "robot" in note]


def test_a_link_that_is_elsewhere_or_nowhere_masks_nothing_and_the_latter_is_told(
    tmp_path: Path,
) -> None:
    found, _ = states(tmp_path, described(urdf("arm")), *arm_at((0.0, 2.0, 0.5)))
    assert found == {-1.0, 1.0}
    found, notes = states(tmp_path, described(urdf("hand")))
    assert found == {-1.0, 1.0}
    assert [note for note in notes if "link hand of the robot is not masked" in note]


def test_a_description_that_can_not_be_read_is_told_and_costs_nothing(tmp_path: Path) -> None:
    found, notes = states(tmp_path, described("<robot"))
    assert found == {-1.0, 1.0}
    assert [note for note in notes if "the robot itself is not masked" in note]
