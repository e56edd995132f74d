"""The section on learned slots: objects found, objects known again, time."""

from __future__ import annotations

from typing import Any

import numpy as np

from evidence.statistics import Interval, paired_difference, wilson
from evidence.tables import table

_FIGURES = ("f1", "precision", "recall", "objects", "slots")


def section(figures: dict[str, Any], _files: dict[str, str]) -> str:
    """From the figures of bench/slots.py."""
    real, made = figures["real"], figures["synthetic"]
    return "\n".join(
        (
            _OBJECTS,
            _table({name: row["pooled"] for name, row in real.items()}, "mOSD, 4 real pictures"),
            _table(made["objects"], f"{len(made['scenes']['depth'])} synthetic test scenes"),
            _differences(made["scenes"]),
            _default(real),
            _IDENTITY,
            _identity(made["identity"]),
            _time(real, figures["model"]),
        )
    )


def _table(rows: dict[str, Any], title: str) -> str:
    header = [title, "F1", "precision", "recall", "objects", "slots"]
    return table(header, [[name, *(row[k] for k in _FIGURES)] for name, row in rows.items()])


def _differences(scenes: dict[str, list[float]]) -> str:
    def apart(a: str, b: str) -> Interval:
        return paired_difference(np.array([scenes[a]]), np.array([scenes[b]]))

    rows = [
        ["learned - depth", str(apart("learned", "depth"))],
        ["with - without key frames", str(apart("learned, memory", "learned"))],
    ]
    text = table(["difference of F1, mean over synthetic scenes", "95 % interval"], rows)
    if apart("learned, memory", "learned").excludes(0.0):
        return text
    return text + "\nFor finding objects, key frames make no difference that was measured.\n"


def _default(real: dict[str, Any]) -> str:
    learned, depth = (real[name]["pooled"]["f1"] for name in ("learned", "depth"))
    objects = real["depth"]["pooled"]["objects"]
    if learned < depth:
        return (
            f"On real pictures the learned slots (F1 {learned:.2f}) are not as good as those of "
            f"the depth-only finder ({depth:.2f}), which therefore stays the default; "
            "`--slots learned` is for experiments.\n"
        )
    than = "as good as" if learned == depth else "better than"
    return (
        f"On real pictures the learned slots (F1 {learned:.2f}) are {than} those of the depth-only "
        f"finder ({depth:.2f}); {objects} objects are too few to tell them apart. The default "
        "stays the depth-only finder, which takes half the time and needs no network.\n"
    )


def _identity(found: dict[str, Any]) -> str:
    rows: list[list[object]] = [["guessing", found["chance"], ""]]
    for name in sorted(found["right"], key=_order):
        share = wilson(found["right"][name], found["asked"])
        rows.append([_named(name), share.value, f"{share.low:.2f} to {share.high:.2f}"])
    return table([f"{found['asked']} questions", "right", "95 % interval"], rows)


def _order(name: str) -> tuple[float, str]:
    _, _, error = name.partition(" ")
    return (float(error) if error else -1.0, name)


def _named(name: str) -> str:
    way, _, error = name.partition(" ")
    ways = {"place": "nearest center", "both": "latent and center"}
    return f"{ways[way]}, pose wrong by {error} m" if error else "latent alone"


def _time(real: dict[str, Any], model: str) -> str:
    times = {name: row["cpu_ms_median"] for name, row in real.items()}
    return (
        f"A picture of 640 x 480 takes the learned source {times['learned']:.0f} ms of one core "
        f"and the depth-only finder {times['depth']:.0f} ms ({model}).\n"
    )


_OBJECTS = """\
One network, trained once on simulated scenes; how long is on its card. Objects are found if a mask
has an IoU of 0.5 or more with theirs. Real pictures are those of mOSD, on which nothing was
trained; but packages in rows and stacks were added to the training scenes after an earlier network
(F1 0.50) had been seen to fail on these four pictures, so they are not held out. Synthetic test
scenes have unseen seeds and also show shapes that training never did; each
has six views, taken one by one, or (memory) in a row with key frames.
"""
_IDENTITY = """\
Objects known again from another side: both views found the object, their optical axes are 60
degrees or more apart, and the question is which of the objects of the first view it is. The pose of
the second camera is wrong by a normal error of some size in each coordinate. Questions about one
scene are not independent, so the intervals are narrower than they should be.
"""
