"""The page of the memory: causes, crashes, speed, a week, beliefs of others."""

from __future__ import annotations

import re
from textwrap import fill
from typing import Any

import numpy as np

from evidence.statistics import Interval, paired_difference, wilson
from evidence.tables import table
from perception_nodes.arrays import Floats

MEASURE = (
    *("robocausalqa.py", "memory_crash.py", "memory_scale.py", "memory_week.py"),
    "memory_beliefs.py",
)
_NOT_YET = "Not measured yet; `make evidence RUN=1` does.\n"
_ARMS = (
    *("recency", "BM25", "embedding", "eMEM", "adjacent events", "time proximity", "time + aim"),
    *("contact", "contact + counterfactual", "contact + counterfactual, cut", "`explain`"),
    *("shuffled", "oracle"),
)
_TYPES = {"A": "recall", "B": "causes", "C": "now", "D": "abstraction"}
_GAIN = 0.10
"""By how much causal edges must raise "why" over time proximity."""
_TARGETS = {"fact": 20.0, "observation of one object": 2.0,
            "structured": {100_000: 5.0, 1_000_000: 50.0}, "hybrid": 50.0}  # fmt: skip
"""Milliseconds at the 99th percentile."""


def page(results: dict[str, Any]) -> dict[str, str]:
    """docs/evidence/memory.md."""
    parts = [_INTRODUCTION]
    for name, title, write in (
        ("robocausalqa", "Does it know why? RoboCausalQA", _causes),
        ("memory_crash", "Is anything lost?", _crash),
        ("memory_scale", "Is it fast enough?", _scale),
        ("memory_week", "Does it stay small?", _week),
        ("memory_beliefs", "Does it know what others believe?", _beliefs),
    ):
        parts.append(f"## {title}\n")
        result = results[name]
        parts += [_NOT_YET] if result is None else write(result["figures"])
    return {"memory.md": "\n".join(parts)}


def _text(paragraph: str) -> str:
    return fill(paragraph, 99) + "\n"


_AGES = (
    "And by how many events ago that was what is asked about (at k = 10); C and D are about now or "
    "all the time:"
)


def _by(right: dict[str, Any], columns: dict[str, str]) -> str:
    """Shares of right answers, a row for each memory that has some of the columns."""
    rows = [
        [arm, *(_share(found, key) for key in columns)]
        for arm, found in right.items()
        if any(key in found for key in columns)
    ]
    return table(["memory", *columns.values()], rows)


def _causes(figures: dict[str, Any]) -> list[str]:
    right = {arm: figures["right"][arm] for arm in _ARMS if arm in figures["right"]}
    text = _text(
        f"{figures['questions']} questions about {figures['episodes']} simulated episodes "
        f"({figures['events']} events). A robot pushes, a person carries at the same time or lays "
        "a hand on what is pushed, objects run into others, the camera looks away. Who caused "
        "what is found by running each step again without an action or an object. One program "
        "answers from at most k retrieved events; memories differ in what they retrieve, and in "
        "their causal edges. Share of right answers at k = 10:"
    )
    header = ["memory", *(f"{key} {name}" for key, name in _TYPES.items()), "why", "without it?"]
    rows = [
        [arm, *(_share(rows, f"{key} k=10") for key in _TYPES), _share(rows, "B why"),
         _share(rows, "B without")]
        for arm, rows in right.items()
    ]  # fmt: skip
    budgets = {f"{key} k={k}": f"{key}, k = {k}" for key in _TYPES for k in (5, 20)}
    ages = {"0": "< 50", "50": "50 to 149", "150": "more"}
    later = {
        f"{key} from {since} events": f"{key}, {age}"
        for key in _TYPES
        for since, age in ages.items()
        if any(f"{key} from {since} events" in rows for rows in right.values())
    }
    return [
        text,
        table(header, rows),
        "The same by how many events may be retrieved:\n",
        _by(right, budgets),
        _text(_AGES),
        _by(right, later),
        _claims(right),
        "Edges to motions in view, against re-simulation:\n",
        table(
            ["edges", "precision", "recall", "edges told", "true ones"],
            [
                [arm, q["precision"], q["recall"], q["edges"], q["true edges"]]
                for arm in _ARMS
                if (q := figures["edges"].get(arm))
            ],
        ),
        _CAUSES_LIMITS,
    ]


def _claims(right: dict[str, Any]) -> str:
    """The falsifiers, each with its interval over episodes."""

    def gain(one: str, other: str, kind: str) -> Interval:
        return paired_difference(_by_episode(right[one], kind), _by_episode(right[other], kind))

    best, contact, time = "contact + counterfactual", "contact", "time proximity"
    checks = [
        ("contacts raise causes over time proximity by 10 points",
         gain(contact, time, "B k=10"), lambda i: i.low >= _GAIN),
        ("and over the action that was aimed at the object",
         gain(contact, "time + aim", "B k=10"), lambda i: i.low > 0),
        ("the counterfactual raises them further", gain(best, contact, "B k=10"),
         lambda i: i.low > 0),
        ("cut as the world model tells it, the counterfactual still raises them",
         gain(f"{best}, cut", contact, "B k=10"), lambda i: i.low > 0),
        ("causal edges do not change plain recall", gain(best, time, "A k=10"),
         lambda i: not i.excludes(0)),
        ("shuffled edges lose the gain", gain("shuffled", time, "B k=10"), lambda i: i.high < 0),
        ("the gap to word search grows with age",
         _growth(right, best, "BM25"), lambda i: i.low > 0),
    ]  # fmt: skip
    rows = [[text, str(found), "holds" if holds(found) else "does not hold"]
            for text, found, holds in checks]  # fmt: skip
    return "Claims, as differences of the share with 95 % intervals over episodes:\n\n" + table(
        ["claim", "difference", ""], rows
    )


def _growth(right: dict[str, Any], one: str, other: str) -> Interval:
    """How much larger the gap is for old events than for new ones."""
    gaps = [
        _by_episode(right[one], kind) - _by_episode(right[other], kind)
        for kind in ("B from 150 events", "B from 0 events")
    ]
    return paired_difference(*gaps)


def _by_episode(rows: dict[str, list[list[int]]], kind: str) -> Floats:
    counts = np.array(rows[kind], dtype=np.float64)
    return (counts[:, 0] / np.maximum(counts[:, 1], 1.0))[None]


def _share(rows: dict[str, list[list[int]]], kind: str) -> str:
    if kind not in rows:
        return ""
    good, count = np.sum(rows[kind], axis=0)
    return f"{good / count:.3f}"


def _crash(figures: dict[str, Any]) -> list[str]:
    lost = wilson(figures["events lost"], figures["events acknowledged"])
    return [
        _text(
            "A process that writes as fast as it can, and every fourth time closes and opens the "
            f"file again and again, was killed (`kill -9`) {figures['kills']} times at random "
            f"moments, {figures['kills before the first frame']} of them while it opened the file "
            "for the first time, always over the same file. Of "
            f"{figures['events acknowledged']} events that it had acknowledged "
            f"{figures['events lost']} were lost "
            f"(at most {100 * lost.high:.3f} % at 95 %); {figures['damaged']} times the file was "
            "damaged. After each kill the newest acknowledged events, which are no part of "
            "episodes yet, were looked up and the whole file checked. Power loss at every frame "
            "of the log, full and read-only disks, damaged pages, newer schemas and second "
            "writers are tests (`test/memory/test_durability.py`, `test_memory_faults.py`)."
        )
    ]


def _scale(figures: dict[str, Any]) -> list[str]:
    sizes = sorted(int(key) for key in figures if key.isdigit())
    parts = [
        _text(
            "Milliseconds, median and 99th percentile, with the bound on events lifted and 200 "
            f"objects; load average {figures['load']} on the machine's two cores. Facts are "
            "synced to the disk; the processor's share does not depend on it. At the bound the "
            "oldest events become episodes while new ones are written."
        )
    ]
    header = ["", *(f"{size:,} events" for size in sizes), "target (p99)", "met at"]
    first = figures[str(sizes[0])]
    rows = []
    for group in ("writes", "structured", "hybrid"):
        for name in first[group]:
            found = [figures[str(size)][group].get(name) for size in sizes]
            limits = [_limit(group, name, size) for size in sizes]
            met = [f"{size:,}" for size, row, limit in zip(sizes, found, limits, strict=True)
                   if limit is not None and row is not None and row["p99"] <= limit]  # fmt: skip
            told = " / ".join(f"{v:g}" for v in dict.fromkeys(limits) if v is not None)
            shown = ("; ".join(met) or "none") if told else ""
            times = [f"{r['p50']} / {r['p99']}" if r else "" for r in found]
            rows.append([name, *times, told, shown])
    parts.append(table(header, rows))
    told = [
        f"{size:,} events: {figures[str(size)]['memory']['bytes an event']} bytes an event with "
        f"all indexes, {figures[str(size)]['memory']['edges']} causal edges"
        for size in sizes
    ]
    parts.append(_text(f"{'; '.join(told)}."))
    return [*parts, *_vectors(figures["vectors"])]


def _vectors(figures: dict[str, Any]) -> list[str]:
    rows = [
        [name, f"{row['vectors']:,}", row["recall at 10"], f"{row['p50']} / {row['p99']}",
         row["exact"]["p50"] if "exact" in row else "", row["first, ms"]]
        for name, row in figures.items()
    ]  # fmt: skip
    return [
        "Search by appearance, 128 numbers each, always among vectors of one model:\n",
        table(["", "vectors", "recall at 10", "ms", "exact, ms", "first time, ms"], rows),
        _text(
            "Up to 100,000 every vector is compared; beyond, those of 6 % of the cells. Recall is "
            "against the exact search, for looks that nearly repeat one of 2,000 things. Vectors "
            "without any structure show the limit: there the others of the ten nearest are as far "
            "as any, and cells do not find them."
        ),
    ]


def _limit(group: str, name: str, size: int) -> float | None:
    if group == "writes":
        found = _TARGETS.get(name.removesuffix(", at the bound"))
        return found if isinstance(found, float) else None
    found = _TARGETS[group]
    return found.get(size) if isinstance(found, dict) else found


def _week(figures: dict[str, Any]) -> list[str]:
    days = list(zip(figures["bounded"], figures["unbounded"], strict=True))
    rows = [
        [number, one["events"], one["megabytes"], other["events"], other["megabytes"],
         one["ticks by day"], one["ticks by night"]]
        for number, (one, other) in enumerate(days, 1)
    ]  # fmt: skip
    answers = figures["answers"]
    return [
        _text(
            "Ten busy hours and fourteen quiet ones a day, with a bound of "
            f"{figures['bound']} events and without one. Ticks are what subjective time counts: "
            "quiet hours cost little."
        ),
        table(
            ["day", "events", "MB", "events, unbounded", "MB, unbounded", "ticks by day",
             "ticks by night"],
            rows,
        ),
        _text(f"After the week {answers['same causes']} of {answers['objects']} objects have the "
        f"same chain of causes as without a bound ({answers['causes known']} known), and "
        f"{answers['pinned with the same causes']} of {answers['pinned']} pinned events. Places "
        f"differ by {answers['largest difference of a place, m']:.3f} m at most. What usually "
        "follows an action is counted in what is left: its probability differs by "
        f"{answers['largest difference of a what-if']:.3f} at most."),
    ]  # fmt: skip


def _gaze_order(name: str) -> tuple[int, ...]:
    """Exact first, then what is missing, then by angle."""
    angle = "degrees" in name
    return (angle, "missing" in name, *map(int, re.findall(r"\d+", name)), "word" in name)


def _beliefs(figures: dict[str, Any]) -> list[str]:
    rows = [
        [name, row["right"], row["right where false"], row["omniscient"],
         row["omniscient where false"], row["log loss"]]
        for name, row in sorted(figures.items(), key=lambda item: _gaze_order(item[0]))
        if isinstance(row, dict)
    ]  # fmt: skip
    return [
        _text(
            f"{figures['episodes']} scenes after Sally and Anne: two people look here and there, "
            "three objects are moved meanwhile, a wall hides a part. Share of right answers to "
            "where somebody believes an object to be, also where that belief is false. The "
            "omniscient baseline says where the object is. A gaze is off by an angle drawn anew "
            "for each look."
        ),
        table(
            ["gaze", "right", "right where false", "omniscient", "where false", "log loss"], rows
        ),
        _text(
            "A tracker that takes a noisy gaze at its word is often surer than it may be: its log "
            "loss is worse. One that knows how noisy it is says more often that it does not know, "
            "which costs right answers where beliefs are false."
        ),
    ]


_CAUSES_LIMITS = """\
How to read it: influences come from re-simulation, so "contact + counterfactual" shows what a
perfect world model would add: in "cut" told as `cjepa.influence` tells it, with nothing below its
threshold and strengths instead of shares, through the same field (`SceneState.influences`). How
well the learned model does it is in [cjepa.md](cjepa.md). Contacts of hands and pusher are told to
the memory exactly, those between objects are found from boxes with 2 mm of noise. "time + aim"
knows for whom an action is meant, as the memory does. Memories with edges do not walk them for
questions of recall, so that these are the same by construction. That the gap would grow with age
was expected and is not so: all memories but "recency" are told the time that a question is about,
and then age costs little. The text encoder of "embedding" and eMEM is hashed TF-IDF, not a learned
one, since none can be installed without a network: both would be better with one. Only `explain` is
the product's own answer; the other rows share one program.
"""

_INTRODUCTION = """\
# Evidence: memory

What is claimed of `perception_nodes/memory` and how it was tried to refute it. How it works:
[docs/memory.md](../memory.md).

What is *not* claimed: that causes are right where contacts are not seen, that a memory without a
world model can tell a bystander's hand from the one that pushes, or that anything is known of rooms
whose walls are no objects (`minds.py` looks through them).
"""
