"""Writes data/reference.json: runs with the figures that TrackEval gives for them.

Needs TrackEval 1.3.0, which brings an OpenCV of its own, so it runs in an environment of its own:

    python -m venv /tmp/reference && /tmp/reference/bin/pip install trackeval==1.3.0
    /tmp/reference/bin/python test/score/make_reference.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import trackeval


def make_run(seed: int, frames: int = 40, objects: int = 5) -> list[dict]:
    """Frames with ids and similarities: objects come and go, states drift, swap and double."""
    rng = np.random.default_rng(seed)
    names = {t: t for t in range(objects)}
    run = []
    for _ in range(frames):
        truths = [t for t in range(objects) if rng.random() < 0.9]
        if rng.random() < 0.1:
            a, b = rng.choice(objects, 2, replace=False)
            names[a], names[b] = names[b], names[a]
        if rng.random() < 0.05:
            names[rng.integers(objects)] = objects + int(rng.integers(20))
        states = [names[t] for t in truths if rng.random() < 0.85]
        states += [100 + int(rng.integers(3))] if rng.random() < 0.3 else []
        states = list(dict.fromkeys(states))
        table = rng.random((len(truths), len(states))) * 0.45
        for i, t in enumerate(truths):
            if names[t] in states:
                table[i, states.index(names[t])] = 0.4 + 0.6 * rng.random()
        # Some neighbors are close enough to be taken for each other.
        near = rng.random(table.shape) < 0.25
        table[near] = rng.random(int(near.sum()))
        run.append({"truths": truths, "states": states, "similarity": table.round(4).tolist()})
    return run


def evaluate(run: list[dict]) -> dict[str, float]:
    """What TrackEval says."""
    truths = sorted({t for f in run for t in f["truths"]})
    states = sorted({s for f in run for s in f["states"]})
    data = {
        "num_timesteps": len(run),
        "num_gt_ids": len(truths),
        "num_tracker_ids": len(states),
        "num_gt_dets": sum(len(f["truths"]) for f in run),
        "num_tracker_dets": sum(len(f["states"]) for f in run),
        "gt_ids": [np.array([truths.index(t) for t in f["truths"]], int) for f in run],
        "tracker_ids": [np.array([states.index(s) for s in f["states"]], int) for f in run],
        "similarity_scores": [
            np.array(f["similarity"], float).reshape(len(f["truths"]), len(f["states"]))
            for f in run
        ],
    }
    hota = trackeval.metrics.HOTA().eval_sequence(data)
    clear = trackeval.metrics.CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    identity = trackeval.metrics.Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    return {
        "hota": float(np.mean(hota["HOTA"])),
        "deta": float(np.mean(hota["DetA"])),
        "assa": float(np.mean(hota["AssA"])),
        "mota": float(clear["MOTA"]),
        "recall": float(clear["CLR_Re"]),
        "precision": float(clear["CLR_Pr"]),
        "id_switches": int(clear["IDSW"]),
        "idf1": float(identity["IDF1"]),
    }


if __name__ == "__main__":
    runs = [make_run(seed) for seed in range(4)]
    document = [{"frames": run, "trackeval": evaluate(run)} for run in runs]
    path = Path(__file__).with_name("data") / "reference.json"
    path.write_text(json.dumps(document))
    print([d["trackeval"] for d in document])
