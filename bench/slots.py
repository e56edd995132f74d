"""Learned slots against the depth-only finder: objects found, objects known again, time.

Real: the four scenes of mOSD (see finder.py), on which nothing was trained. Synthetic: test scenes
of the training program (unseen seeds; bottles and capsules are shapes that training never showed),
six views each; objects of at least 100 of 320x240 pixels count. Matching and F1 as in finder.py.

Known again: objects that learned slots hold in two views of a scene whose optical axes are at least
60 degrees apart. Of the objects found in the first view, which one is it? By latent, by the
distance of box centers, and by both, where the second camera's pose is wrong by some centimeters.

    .venv-train/bin/python bench/slots.py [--card FILE]
"""

from __future__ import annotations

import argparse
import time
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from common import SHARED_DATA, write_result
from finder import FIRST_OBJECT, IOU, Counts, count, load

from perception_models.viewrope.samples import frames
from perception_models.viewrope.scenes import VIEWS
from perception_nodes.arrays import Floats, Ints
from perception_nodes.inference.loading import load_network
from perception_nodes.model_cards import weights_folder
from perception_nodes.scene import Frame, Slots
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.learned import LearnedFinder

SCENES = range(100)
MIN_PIXELS = 100
APART = np.cos(np.deg2rad(60.0))
POSE_ERRORS = (0.0, 0.1, 0.3)
"""Standard deviation of each coordinate, m."""
REPEATS = 15

_PAUSE = 10**10  # ns between the views of a scene: cameras that jump are no moving camera
_TEMPERATURE, _SLACK = 0.1, 0.05


class Found(NamedTuple):
    """An object that a view shows and a slot holds: latent, center in the world, number."""

    latent: Floats
    center: Floats
    number: int


class Answers(NamedTuple):
    """Right answers by way of asking, questions asked, and how many guessing would get right."""

    right: dict[str, int]
    asked: int
    chance: float


def truth(labels: Ints) -> Ints:
    """Objects that are large enough, numbered from 1 without gaps."""
    counts = np.bincount(labels.ravel())
    kept = np.flatnonzero((counts >= MIN_PIXELS) & (np.arange(len(counts)) > 0))
    table = np.zeros(len(counts), int)
    table[kept] = np.arange(1, len(kept) + 1)
    return np.asarray(table[labels])


def matched(frame: Frame, slots: Slots, labels: Ints) -> list[Found]:
    """The slots that hold an object at IoU 0.5."""
    assert frame.pose is not None
    shape = labels.shape[1], labels.shape[0]
    shown = cv2.resize(slots.labels, shape, interpolation=cv2.INTER_NEAREST)
    found = []
    for item in slots.items:
        mask = shown == item.index + 1
        number = int(np.bincount(labels[mask], minlength=1).argmax()) if mask.any() else 0
        same = labels == number
        if number and item.latent is not None and (mask & same).sum() >= IOU * (mask | same).sum():
            center = frame.pose.apply(item.pose.translation)
            found.append(Found(item.latent, center, number))
    return found


def known_again(views: list[tuple[Frame, list[Found]]], rng: np.random.Generator) -> Answers:
    """Ask for each object of a view which one of another view it is."""
    right: dict[str, int] = {}
    asked, chance = 0, 0.0
    for (a, first), (b, second) in permutations(views, 2):
        assert a.pose is not None
        assert b.pose is not None
        if a.pose.rotation[:, 2] @ b.pose.rotation[:, 2] > APART or len(first) < 2:
            continue
        numbers = [item.number for item in first]
        errors = {error: error * rng.standard_normal(3) for error in POSE_ERRORS}
        for item in second:
            if item.number not in numbers:
                continue
            asked, chance = asked + 1, chance + 1.0 / len(first)
            alike = np.array([item.latent @ other.latent for other in first])
            answers = {"latent": alike}
            for error, moved in errors.items():
                apart = np.array([item.center + moved - other.center for other in first])
                near = -np.square(apart).sum(axis=1) / (2 * (2 * error**2 + _SLACK**2))
                answers[f"place {error}"] = near
                answers[f"both {error}"] = near + alike / _TEMPERATURE
            for name, score in answers.items():
                hit = numbers[int(score.argmax())] == item.number
                right[name] = right.get(name, 0) + hit
    return Answers(right, asked, chance)


def synthetic(learned: LearnedFinder) -> dict[str, Any]:
    """Both finders on the views of test scenes."""
    depth = DepthFinder()
    pooled = {name: Counts() for name in ("depth", "learned", "learned, memory")}
    rows: dict[str, list[float]] = {name: [] for name in pooled}
    rng = np.random.default_rng(0)
    right: dict[str, int] = {}
    asked, chance = 0, 0.0
    for scene in SCENES:
        views = frames("test", scene, list(range(VIEWS)))
        mine = {name: Counts() for name in pooled}
        seen = []
        for frame, labels, _ in views:
            true = truth(labels.astype(int))
            depth.reset()
            mine["depth"].add(count(depth.find(frame).labels.astype(int), true))
            learned.reset()
            slots = learned.find(frame)
            mine["learned"].add(count(slots.labels.astype(int), true))
            seen.append((frame, matched(frame, slots, true_numbers(labels, true))))
        learned.reset()
        for k, (frame, labels, _) in enumerate(views):
            later = Frame(
                k * _PAUSE, frame.camera_name, frame.frame_id, frame.camera, frame.color,
                frame.depth, frame.pose,
            )  # fmt: skip
            slots = learned.find(later)
            mine["learned, memory"].add(count(slots.labels.astype(int), truth(labels.astype(int))))
        for name, counts in mine.items():
            pooled[name].add(counts)
            rows[name].append(counts.figures()["f1"])
        answers, questions, guessed = known_again(seen, rng)
        asked, chance = asked + questions, chance + guessed
        for name, value in answers.items():
            right[name] = right.get(name, 0) + value
        print(f"scene {scene}: " + "  ".join(f"{n} {v[-1]:.2f}" for n, v in rows.items()))
    identity = {"asked": asked, "chance": round(chance / max(asked, 1), 4), "right": right}
    found = {name: counts.figures() for name, counts in pooled.items()}
    return {"objects": found, "scenes": rows, "identity": identity, "views": VIEWS}


def true_numbers(labels: Ints, kept: Ints) -> Ints:
    """The scene's own numbers of the objects that count: the same in all views."""
    return np.asarray(np.where(kept > 0, labels, 0), int)


def real(learned: LearnedFinder) -> dict[str, Any]:
    """Both finders on mOSD, and how long a frame takes them."""
    scenes = {path.name: load(path) for path in sorted((SHARED_DATA / "objects").glob("mosd_*"))}
    if not scenes:
        raise SystemExit(f"no scenes in {SHARED_DATA / 'objects'} (labels from {FIRST_OBJECT})")
    figures: dict[str, Any] = {}
    for name, finder in (("depth", DepthFinder()), ("learned", learned)):
        pooled, rows, times = Counts(), {}, []
        for scene, (frame, true) in scenes.items():
            finder.reset()
            counts = count(finder.find(frame).labels.astype(int), true)
            pooled.add(counts)
            rows[scene] = counts.figures()
            print(f"{name:8s} {scene:14s} {rows[scene]}")
            for _ in range(REPEATS):
                start = time.process_time()
                finder.find(frame)
                times.append(1000.0 * (time.process_time() - start))
        figures[name] = {
            "pooled": pooled.figures(),
            "scenes": rows,
            "cpu_ms_median": round(float(np.median(times)), 1),
        }
        print(f"{name:8s} pooled {figures[name]['pooled']}")
    return figures


def main() -> None:
    """Measure both and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--card", type=Path, default=weights_folder() / "viewrope.yaml")
    parser.add_argument("--precision", choices=("single", "half"), default="single")
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="both the same")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    learned = LearnedFinder(load_network(args.card, "cpu", threads=1, precision=args.precision))
    figures = {"model": learned.model_id, "real": real(learned), "synthetic": synthetic(learned)}
    for name, row in figures["synthetic"]["objects"].items():
        print(f"{name:16s} {row}")
    print(figures["synthetic"]["identity"])
    write_result("slots" if args.precision == "single" else "slots_half", figures)


if __name__ == "__main__":
    main()
