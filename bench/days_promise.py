"""Does the gate keep its promise: a stated error in nine of ten frames that are not searched?

The sequences of days_gate.py, one after the other as one stream of a robot. Three ways to choose
how far an outline may move: a threshold calibrated on the skips of other sequences as if all were
exchangeable, one calibrated by sequence (Lee, Barber, Willett, arXiv 2306.06342), and online from
audited skips. The error of a skip is how far searching that frame would have moved a visible
object; here it is computed for every skip, the online way sees that of one in seven.

    python bench/days_promise.py [--sequences 30]    (about 12 minutes of one core)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from common import write_result
from days_gate import WORST, Film, record

from perception_nodes.gate.calibration import THRESHOLDS, Known, errors_of_skips
from perception_nodes.gate.conformal import choose_threshold
from perception_nodes.gate.promise import RISK, Promise
from perception_nodes.gate.source import GatedSource

TOLERANCES = (0.02, 0.03, 0.05)


def skips(film: Film, rule: float | Promise) -> tuple[list[float], int]:
    """Errors of the frames that are not searched, and how many are searched."""
    looks = list(zip(film.frames, film.slots, strict=True))
    gate = GatedSource(Known(looks))
    if isinstance(rule, Promise):
        gate.promise = rule
    else:
        gate.threshold = rule
    errors = [min(WORST, error) for error in errors_of_skips(looks, gate)]
    return errors, gate.frames - gate.rested


def told(found: Sequence[tuple[list[float], int]], frames: int, tolerance: float) -> dict[str, Any]:
    """What a way kept, in all and by sequence."""
    errors = np.concatenate([np.array(e) for e, _ in found])
    by_sequence = [float(np.mean(np.array(e) <= tolerance)) for e, _ in found if e]
    return {
        "covered": float(np.mean(errors <= tolerance)) if len(errors) else None,
        "covered_by_sequence": float(np.mean(by_sequence)) if by_sequence else None,
        "skips": len(errors),
        "searched": sum(n for _, n in found) / frames,
    }


def main() -> None:
    """Calibrate on some sequences, stream through others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calibration", type=int, default=10)
    parser.add_argument("--sequences", type=int, default=30)
    parser.add_argument("--tier", default="cpu")
    args = parser.parse_args()
    calibration: dict[float, list[list[float]]] = {t: [] for t in THRESHOLDS}
    frames = 0
    results: dict[tuple[str, float], list[tuple[list[float], int]]] = {}
    for seed in range(600, 600 + args.calibration):
        film = record(seed)
        for threshold, rows in calibration.items():
            rows.append(skips(film, threshold)[0])
        print(seed, flush=True)
    rules: dict[tuple[str, float], float | Promise] = {}
    for tolerance in TOLERANCES:
        alone = {t: [[e] for row in rows for e in row] for t, rows in calibration.items()}
        single = choose_threshold(alone, tolerance, RISK)
        grouped = choose_threshold(calibration, tolerance, RISK)
        rules["one sample", tolerance] = single
        rules["by sequence", tolerance] = grouped
        rules["online", tolerance] = Promise(tolerance, threshold=max(single, THRESHOLDS[0]))
    for seed in range(500, 500 + args.sequences):
        film = record(seed)
        frames += len(film.frames)
        fixed: dict[float, tuple[list[float], int]] = {}
        for key, rule in rules.items():
            if isinstance(rule, Promise):
                found = skips(film, rule)
            else:
                found = fixed[rule] = fixed.get(rule) or skips(film, rule)
            results.setdefault(key, []).append(found)
        print(seed, flush=True)
    rows = []
    for (way, tolerance), found_by_film in results.items():
        rule = rules[way, tolerance]
        threshold = rule.threshold if isinstance(rule, Promise) else rule
        rows.append({"way": way, "tolerance_mm": 1e3 * tolerance, "threshold_mm":
                     1e3 * threshold, **told(found_by_film, frames, tolerance)})  # fmt: skip
        if isinstance(rule, Promise):
            rows[-1] |= {"audits": rule.audits, "broken": rule.broken}
        print(rows[-1], flush=True)
    write_result(
        "days_promise",
        {"sequences": args.sequences, "calibration": args.calibration, "risk": RISK, "rows": rows},
    )


if __name__ == "__main__":
    main()
