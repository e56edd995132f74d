"""Where every object of a recording is, without ROS: track_a_recording.py RECORDING."""

import sys
from pathlib import Path

from perception_nodes.bags.reader import open_bag
from perception_nodes.frames.source import FrameSource
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.viewrope.depth_finder import DepthFinder

pipeline = Pipeline(DepthFinder(), ObjectTracker())
with open_bag(Path(sys.argv[1])) as bag:
    for sample in FrameSource(bag):
        state = pipeline.process(sample.frame)
for thing in state.objects:
    x, y, z = thing.position
    print(f"{thing.id} {thing.visibility.name.lower()} at {x:.2f}, {y:.2f}, {z:.2f} m")
