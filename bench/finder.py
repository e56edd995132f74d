"""The depth-only slot finder on real table tops: object F1 at IoU 0.5, against simpler ones.

Four scenes of mOSD (Kinect; boxes, stacked boxes, occlusion, mixed). Each label >= 20 is a ground
truth object; disjoint parts of one object have labels of their own there. Predicted masks are
brought to the size of the image and matched one to one to ground truth masks so that the sum of
their IoU is largest (Hungarian); a match with IoU >= 0.5 is a true positive, every other slot a
false positive, every other ground truth object a false negative. Precision, recall and F1 pool the
counts of all scenes. Pixels without depth belong to nothing.

    python bench/finder.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml
from common import SHARED_DATA, write_result
from scipy.optimize import linear_sum_assignment

from perception_nodes.arrays import Ints
from perception_nodes.geometry.camera import Camera
from perception_nodes.scene import Frame
from perception_nodes.viewrope.depth_finder import MAX_EXTENT, DepthFinder
from perception_nodes.viewrope.merging import merge
from perception_nodes.viewrope.pairs import find_pairs
from perception_nodes.viewrope.planes import find_background
from perception_nodes.viewrope.regions import outlines, plausible
from perception_nodes.viewrope.segmentation import CREASE, concavity, split
from perception_nodes.viewrope.surface import prepare

FIRST_OBJECT = 20
IOU = 0.5
REPEATS = 15


@dataclass
class Counts:
    """True positives, false positives, false negatives."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def add(self, other: Counts) -> None:
        """Pool."""
        self.tp, self.fp, self.fn = self.tp + other.tp, self.fp + other.fp, self.fn + other.fn

    def figures(self) -> dict[str, float]:
        """Precision, recall and F1."""
        found, there = self.tp + self.fp, self.tp + self.fn
        return {
            "precision": round(self.tp / max(found, 1), 4),
            "recall": round(self.tp / max(there, 1), 4),
            "f1": round(2 * self.tp / max(found + there, 1), 4),
            "objects": there,
            "slots": found,
        }


def load(scene: Path) -> tuple[Frame, Ints]:
    """The frame of a scene and its ground truth: (H, W), 0 for what is no object."""
    model = yaml.safe_load((scene / "camera.yaml").read_text())
    camera = Camera(*(model[k] for k in ("width", "height", "fx", "fy", "cx", "cy")))
    color, raw, label = (
        cv2.imread(str(next((scene / folder).iterdir())), cv2.IMREAD_UNCHANGED)
        for folder in ("color", "depth", "label")
    )
    depth = raw.astype(np.float32) * np.float32(model["depth_unit_m"])
    depth[raw == 0] = np.nan
    frame = Frame(0, "camera", "optical", camera, color[..., ::-1].copy(), depth, None)
    numbers = np.unique(np.where(label >= FIRST_OBJECT, label, 0), return_inverse=True)[1]
    return frame, numbers.reshape(label.shape)


def count(predicted: Ints, truth: Ints) -> Counts:
    """Match masks, both numbered from 1 without gaps."""
    height, width = truth.shape
    predicted = cv2.resize(predicted.astype(np.uint8), (width, height), interpolation=0)
    rows, columns = int(predicted.max()) + 1, int(truth.max()) + 1
    both = np.bincount(
        predicted.ravel().astype(int) * columns + truth.ravel(), minlength=rows * columns
    ).reshape(rows, columns)
    union = both.sum(axis=1)[:, None] + both.sum(axis=0)[None] - both
    iou = (both / np.maximum(union, 1))[1:, 1:]
    hits = int((iou[linear_sum_assignment(-iou)] >= IOU).sum())
    return Counts(hits, rows - 1 - hits, columns - 1 - hits)


def full(frame: Frame) -> Ints:
    """What the product does."""
    return DepthFinder().find(frame).labels.astype(int)


def reduced(*, creases: bool, merging: bool) -> Callable[[Frame], Ints]:
    """The same without some of its steps; without both, planes and connected components."""

    def find(frame: Frame) -> Ints:
        surface = prepare(frame.depth, frame.camera)
        background = find_background(surface, None, (), MAX_EXTENT)
        objects = surface.valid & ~background.mask
        pairs = find_pairs(surface, objects)
        bend = concavity(surface, objects)
        labels = split(surface, objects, (bend > CREASE) & creases)
        if merging:
            labels = merge(surface, background, pairs, labels, bend)
        good = plausible(surface, background, labels, outlines(pairs, labels))
        return np.asarray((np.cumsum(good) * good)[labels])

    return find


METHODS: dict[str, Callable[[Frame], Ints]] = {
    "full": full,
    "without merging": reduced(creases=True, merging=False),
    "planes and components": reduced(creases=False, merging=False),
}


def milliseconds(frame: Frame) -> dict[str, float]:
    """Time of a frame: CPU time of this thread (what one core needs) and wall time."""
    finder = DepthFinder()
    finder.find(frame)
    cpu, wall = [], []
    for _ in range(REPEATS):
        start = time.thread_time(), time.perf_counter()
        finder.find(frame)
        cpu.append(time.thread_time() - start[0])
        wall.append(time.perf_counter() - start[1])
    return {
        "cpu_ms_median": round(1000 * float(np.median(cpu)), 1),
        "cpu_ms_best": round(1000 * min(cpu), 1),
        "wall_ms_median": round(1000 * float(np.median(wall)), 1),
    }


def main() -> None:
    """Measure all methods and write the result."""
    cv2.setNumThreads(1)
    scenes = {path.name: load(path) for path in sorted((SHARED_DATA / "objects").glob("mosd_*"))}
    figures: dict[str, object] = {}
    for method, find in METHODS.items():
        pooled, rows = Counts(), {}
        for name, (frame, truth) in scenes.items():
            counts = count(find(frame), truth)
            pooled.add(counts)
            rows[name] = counts.figures()
            print(f"{method:22s} {name:14s} {rows[name]}")
        figures[method] = {"pooled": pooled.figures(), "scenes": rows}
        print(f"{method:22s} {'pooled':14s} {pooled.figures()}")
    times = {name: milliseconds(frame) for name, (frame, _) in scenes.items()}
    for name, row in times.items():
        print(f"640x480 {name:14s} {row}")
    figures["time_640x480"] = times
    write_result("finder", figures)


if __name__ == "__main__":
    main()
