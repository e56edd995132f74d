"""A governor that keeps a budget online, beside a fixed rate that searches as many frames.

The sequences of days_gate.py one after the other; the governor goes on through all of them.

    python bench/days_governor.py [--sequences 10]    (about 2 minutes of one core)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from common import write_result
from days_gate import LONGEST, SHARES, WARM_UP, Film, at_share, gate, record, row, used

from perception_nodes.gate.governor import Governor


def governed(films: Sequence[Film], target: float) -> tuple[list[list[bool]], Governor]:
    """Which frames are searched."""
    governor, result = Governor(target), []
    for film in films:
        looks: list[bool] = []
        last = 0
        for k in range(len(film.frames)):
            forced = k < WARM_UP or k - last >= LONGEST
            look = forced or governor.worth(gate(film, last, k))
            governor.spent(float(look))
            last = k if look else last
            looks.append(look)
        result.append(looks)
    return result, governor


def main() -> None:
    """Record, govern, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=10)
    parser.add_argument("--tier", default="cpu")
    args = parser.parse_args()
    films = [record(seed) for seed in range(500, 500 + args.sequences)]
    figures: dict[str, Any] = {"sequences": args.sequences, "budgets": {}}
    for target in SHARES:
        looks, governor = governed(films, target)
        fixed = at_share(films, "fixed rate", used(looks))
        figures["budgets"][f"{target:g}"] = {
            "governor": row(films, looks), "fixed rate": row(films, fixed),
            "ticks": governor.ticks, "of_all": sum(map(sum, looks)) / sum(map(len, looks)),
        }  # fmt: skip
        print(target, figures["budgets"][f"{target:g}"], flush=True)
    write_result("days_governor", figures)


if __name__ == "__main__":
    main()
