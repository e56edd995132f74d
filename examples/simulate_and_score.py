"""Track a simulated table and compare with the truth, without ROS: simulate_and_score.py [SEED]."""

import sys
from dataclasses import replace
from itertools import islice

from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.score.score import Score
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_simulation.generator import generate
from perception_simulation.simulator import Simulator

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
scene = replace(generate(seed, objects=4), width=240, height=180)
pipeline, score = Pipeline(DepthFinder(), ObjectTracker()), Score()
for sample in islice(Simulator(scene), 15):
    score.add(sample.truth, pipeline.process(sample.frame).objects)
figures = score.figures()["all"]
print(f"recall {figures['recall']:.2f}, precision {figures['precision']:.2f}")
