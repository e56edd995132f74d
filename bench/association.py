"""Matching the slots of a frame to known objects: 50 objects, 16 slots, all parts of the cost.

python bench/association.py
"""

from __future__ import annotations

import time

import numpy as np
from common import write_result

from perception_nodes.geometry.pose import Pose
from perception_nodes.objects.association import assign, cost_matrix, coverage
from perception_nodes.objects.parameters import TrackerParameters
from perception_nodes.objects.sighting import Sighting
from perception_nodes.objects.track import Track
from perception_nodes.scene import LATENT_SIZE, Slot

OBJECTS, SLOTS, ROUNDS = 50, 16, 200
TABLE = 1.0  # side of the square on which they stand, m


def slot(rng: np.random.Generator, latent: bool) -> Slot:
    """A slot somewhere on the table."""
    size = rng.uniform(0.04, 0.15, 3)
    center = np.array([*rng.uniform(-TABLE / 2, TABLE / 2, 2), size[2] / 2])
    return Slot(
        index=0,
        pose=Pose(np.eye(3), center),
        covariance=np.eye(3) * 0.004**2,
        size=size,
        pixels=500,
        score=1.0,
        cut=bool(rng.random() < 0.3),
        color=rng.uniform(0, 255, 3),
        points=(center + rng.uniform(-0.5, 0.5, (64, 3)) * size).astype(np.float32),
        latent=rng.normal(size=LATENT_SIZE).astype(np.float32) if latent else None,
    )


def main() -> None:
    """Measure with and without latents and write the result."""
    parameters, figures = TrackerParameters(), {}
    for name, latent in (("depth_only", False), ("with_latents", True)):
        rng = np.random.default_rng(0)
        sightings = [
            Sighting.from_slot(slot(rng, latent), Pose.identity(), 0.003) for _ in range(OBJECTS)
        ]
        tracks = [Track.start(i, 0, s, "m") for i, s in enumerate(sightings)]
        times = []
        for _ in range(ROUNDS):
            chosen = [sightings[i] for i in rng.choice(OBJECTS, SLOTS, replace=False)]
            start = time.perf_counter()
            cost = cost_matrix(tracks, chosen, "m", 0.033, parameters)
            pairs = assign(cost, parameters.birth_cost)
            coverage(tracks, chosen)
            times.append(1000 * (time.perf_counter() - start))
            assert len(pairs) == SLOTS
        figures[name] = {
            "objects": OBJECTS,
            "slots": SLOTS,
            "pairs_within_gates": int((cost < 1e6).sum()),
            "p50_ms": round(float(np.percentile(times, 50)), 3),
            "p99_ms": round(float(np.percentile(times, 99)), 3),
        }
        print(name, figures[name])
    write_result("association", figures)


if __name__ == "__main__":
    main()
