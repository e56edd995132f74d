"""What remembering costs: time a frame against the number of key frames, dense and selected.

One query frame of 64 tokens looks at N key frames of 64 tokens through the network of the encoding
study. Dense attention reads all of them. Selection keeps the 16 whose view cones overlap most, of
these the 5 of the greatest pooled affinity, and reads those. Processor time of one thread, so that
other processes matter little. Needs the training extra.

    python bench/viewrope_cost.py [--tier cpu]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from common import write_result
from scipy.spatial.transform import Rotation
from torch import Tensor

from perception_kernels.rays import ray_frames
from perception_models.cells import Batch
from perception_models.device import choose, describe
from perception_models.viewrope.encodings import Encoding
from perception_models.viewrope.revisits import PATCH_RAYS, TOKENS
from perception_models.viewrope.study import StudyNetwork
from perception_models.viewrope.study_retrieval import SELECTED, affinity, overlap

LENGTHS = (4, 8, 16, 32, 64, 128, 256)
NEAREST = 16
ROUNDS = 9


def made(frames: int) -> tuple[Batch, Tensor, Tensor]:
    """Random key frames and a query frame, with their rotations [1, N, 3, 3] and [1, 1, 3, 3]."""
    rng = np.random.default_rng(frames)
    rotations = Rotation.random(frames + 1, random_state=rng).as_matrix()
    rays = torch.from_numpy(ray_frames(PATCH_RAYS, rotations[:, None])).flatten(0, 1)[None]
    tokens = frames * TOKENS
    batch = {
        "asked": torch.tensor(PATCH_RAYS)[None],
        "content": torch.from_numpy(rng.normal(size=(1, tokens, 52)).astype(np.float32)),
        "key_pluecker": torch.zeros(1, tokens, 6),
        "query_pluecker": torch.zeros(1, TOKENS, 6),
        "key_rays": rays[:, :tokens],
        "query_rays": rays[:, tokens:],
    }
    poses = torch.from_numpy(rotations)[None]
    return batch, poses[:, :frames], poses[:, frames:]


def only(batch: Batch, frames: Tensor) -> Batch:
    """The batch with some key frames [k] alone."""
    kept = (frames[:, None] * TOKENS + torch.arange(TOKENS)).flatten()
    return {
        name: value if name == "asked" or name.startswith("query") else value[:, kept]
        for name, value in batch.items()
    }


def selected(network: StudyNetwork, batch: Batch, poses: Tensor, query: Tensor) -> Tensor:
    """The answer from the frames that two stages choose."""
    near = overlap(query, poses)[0, 0].topk(min(NEAREST, poses.shape[1])).indices
    batch = only(batch, near)
    best = affinity(network, batch)[0, 0].topk(min(SELECTED, len(near))).indices
    answer: Tensor = network(only(batch, best))
    return answer


def milliseconds(work: Callable[[], Tensor]) -> float:
    """Median processor time."""
    work()
    times = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        times.append(1e3 * (time.process_time() - begun))
    return round(statistics.median(times), 2)


@torch.no_grad()
def main() -> None:
    """Time both at every length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.parse_args()
    torch.set_num_threads(1)
    network = StudyNetwork(Encoding.VIEW).eval()
    rows = []
    for length in LENGTHS:
        batch, poses, query = made(length)
        row = {
            "frames": length,
            "dense": milliseconds(lambda: network(batch)),  # noqa: B023
            "selected": milliseconds(lambda: selected(network, batch, poses, query)),  # noqa: B023
        }
        print(row, flush=True)
        rows.append(row)
    write_result("viewrope_cost", {"machine": describe(choose("cpu")), "rows": rows})


if __name__ == "__main__":
    main()
