"""Keypoints of the shipped network: on unseen rendered people, on real pictures without any; time.

Needs the training environment with the body model: pip install 'permanence[train,cpu,people]'.

.venv-train/bin/python bench/keypoints.py [--tier full]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from common import SHARED_DATA, write_result

from perception_models.keypoints import dataset
from perception_models.keypoints.pictures import VISIBLE, Picture
from perception_models.keypoints.scoring import compare
from perception_nodes.arrays import Bytes, Floats
from perception_nodes.embodmocap.keypoints import Decoding, decode
from perception_nodes.embodmocap.learned import NETWORK, fitted
from perception_nodes.inference.loading import load_network
from perception_nodes.inference.network import Network
from perception_nodes.model_cards import weights_folder

_SHARDS = {"cpu": 1, "full": 4}
_WAYS = {
    "offsets, then maps": Decoding(),
    "offsets alone": Decoding(refine=False),
    "maps alone": Decoding(group=False),
}
_DISTANCES = ((0.0, 1.5), (1.5, 3.0), (3.0, 7.0))
_SHOWN = ((0.0, 0.5), (0.5, 0.9), (0.9, 1.01))
_PCK = 0.2
_TRUNK = ((5, 6), (11, 12))
_REAL = ("apc_shelf", "box", "icl_livingroom1")
_WIDTH, _HEIGHT = 320, 240
_TIMED = 60


def main() -> None:
    """Measure, print a table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=tuple(_SHARDS), default="cpu")
    cv2.setNumThreads(1)
    shards = _SHARDS[parser.parse_args().tier]
    network = load_network(weights_folder() / f"{NETWORK}.yaml", "cpu", threads=1)
    shown = [dataset.picture("test", k) for k in range(shards * dataset.SHARD)]
    answers = [_answer(network, p.image) for p in shown]
    figures: dict[str, Any] = {"model": network.model_id, "pictures": len(shown), "ways": {}}
    for name, rule in _WAYS.items():
        found = [decode(*answer, rule) for answer in answers]
        figures["ways"][name] = _scored(shown, found)
        print(f"{name:20}", _said(figures["ways"][name]))
    found = [decode(*answer) for answer in answers]
    figures["distance"] = _bands(shown, found, "distance", _DISTANCES)
    figures["shown"] = _bands(shown, found, "shown", _SHOWN)
    figures["real"] = {name: row for name in _REAL if (row := _empty(network, name))}
    figures["milliseconds"] = _timed(network, [p.image for p in shown[:_TIMED]])
    for key in ("distance", "shown", "real", "milliseconds"):
        print(key, figures[key])
    write_result("keypoints", figures)


def _answer(network: Network, image: Bytes) -> tuple[Floats, Floats]:
    fit, _ = fitted(image, _WIDTH, _HEIGHT)
    out = network.run({"image": fit[None]})
    return out["maps"][0], out["offsets"][0]


def _scored(shown: list[Picture], found: list[tuple[Floats, Floats]]) -> dict[str, float]:
    rows = [_people(p, f) for p, f in zip(shown, found, strict=True)]
    people = [row for picture, _ in rows for row in picture]
    invented = [count for _, count in rows]
    return {**_summary(people), "invented": float(np.mean(invented)),
            "ap50": _average_precision(shown, found, 0.5)}  # fmt: skip


def _people(picture: Picture, found: tuple[Floats, Floats]) -> tuple[list[dict[str, Any]], int]:
    """What became of each true person, and how many found ones are nobody."""
    pixels, _ = found
    agreed = compare(pixels, picture.pixels, picture.seen)
    rows = []
    for k, match in enumerate(agreed.match):
        true, seen = picture.pixels[k], picture.seen[k] == VISIBLE
        trunk = np.linalg.norm(true[list(_TRUNK[0])].mean(axis=0)
                               - true[list(_TRUNK[1])].mean(axis=0))  # fmt: skip
        apart = np.full(len(true), np.inf)
        if match >= 0:
            apart = np.nan_to_num(np.linalg.norm(pixels[match] - true, axis=1), nan=np.inf)
        rows.append({
            "oks": agreed.oks[k], "apart": apart[seen], "near": apart[seen] < _PCK * trunk,
            "distance": picture.distance[k], "shown": picture.shown[k],
        })  # fmt: skip
    return rows, agreed.invented


def _summary(people: list[dict[str, Any]]) -> dict[str, Any]:
    if not people:
        return {"people": 0}
    apart = np.concatenate([p["apart"] for p in people])
    return {
        "people": len(people),
        "oks": float(np.mean([p["oks"] for p in people])),
        "missed": float(np.mean([p["oks"] == 0.0 for p in people])),
        "pck": float(np.concatenate([p["near"] for p in people]).mean()),
        "pixels": float(np.median(apart[np.isfinite(apart)])) if np.isfinite(apart).any() else None,
    }


def _bands(
    shown: list[Picture], found: list[tuple[Floats, Floats]], key: str,
    bands: Iterable[tuple[float, float]],
) -> list[dict[str, Any]]:  # fmt: skip
    people = [row for p, f in zip(shown, found, strict=True) for row in _people(p, f)[0]]
    return [
        {"from": low, "to": high, **_summary([p for p in people if low <= p[key] < high])}
        for low, high in bands
    ]


def _average_precision(
    shown: list[Picture], found: list[tuple[Floats, Floats]], least: float
) -> float:
    """Area under precision over recall, a found person being right from an OKS on."""
    scores, right, total = [], [], 0
    for picture, (pixels, confidence) in zip(shown, found, strict=True):
        agreed = compare(pixels, picture.pixels, picture.seen)
        total += len(picture.pixels)
        good = set(agreed.match[agreed.oks >= least].tolist())
        scores += confidence.mean(axis=1).tolist()
        right += [k in good for k in range(len(pixels))]
    if not scores:
        return 0.0
    hits = np.cumsum(np.array(right)[np.argsort(-np.array(scores), kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = np.concatenate([[0.0], hits / max(total, 1)])
    return float((np.diff(recall) * precision).sum())


def _empty(network: Network, name: str) -> dict[str, float] | None:
    """People found in real pictures that show none."""
    files = sorted((SHARED_DATA / "rgbd" / name / "color").glob("*"))
    if not files:
        return None
    counts = []
    for path in files:
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR))[..., ::-1]
        counts.append(len(decode(*_answer(network, np.ascontiguousarray(image)))[0]))
    return {"pictures": len(files), "invented": float(np.mean(counts))}


def _timed(network: Network, images: list[Bytes]) -> dict[str, float]:
    """Milliseconds of one core for an image, median."""
    running, decoding = [], []
    for image in images:
        began = time.process_time()
        answer = _answer(network, image)
        middle = time.process_time()
        decode(*answer)
        running.append(middle - began)
        decoding.append(time.process_time() - middle)
    return {
        "network": 1e3 * float(np.median(running)),
        "decoding": 1e3 * float(np.median(decoding)),
    }


def _said(row: dict[str, float]) -> str:
    return ", ".join(f"{key} {value:.3g}" for key, value in row.items())


if __name__ == "__main__":
    main()
