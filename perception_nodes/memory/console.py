"""What the memory's commands print: tables and JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from json import dumps
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from perception_nodes.memory.answers import Answer, LoggedEvent, deviation, duration, visibility_of
from perception_nodes.memory.explanation import Explanation
from perception_nodes.memory.outcomes import Outcomes
from perception_nodes.memory.rows import Record

_OBJECT_COLUMNS = ("id", "label", "state", "position [m]", "± [m]", "last seen", "existence")
_EVENT_COLUMNS = ("event", "t [s]", "kind", "what", "where [m]")
_SECOND = 1_000_000_000


def print_answer(
    answer: Answer, start: int | None, now: int | None, *, table: bool, json: bool
) -> None:
    """Print an answer as sentences, as a table or as JSON.

    Args:
        answer: What is printed.
        start: Stamp at which the recording began, ns.
        now: Newest message time of the memory, ns.
        table: Print the objects as a table instead of sentences.
        json: Print JSON instead of either.
    """
    if json:
        print(dumps(answer_as_json(answer), indent=2, ensure_ascii=False))
    elif table and answer.records:
        moment = answer.at if answer.at is not None else now or 0
        rows = [_object_cells(record, moment, answer.at) for record in answer.records]
        title = f"{answer.sentence} at t={(moment - (start or 0)) / _SECOND:.2f} s"
        print_table(title, _OBJECT_COLUMNS, rows)
    else:
        print(answer.sentence)
        if answer.evidence:
            print(f"  evidence: {', '.join(answer.evidence)}")


def print_explanation(found: Explanation, *, json: bool) -> None:
    """Print a chain of causes as sentences or as JSON."""
    if json:
        print(dumps(explanation_as_json(found), indent=2, ensure_ascii=False))
        return
    print(found.sentence)
    for link in found.others:
        print(f"  or because {link.event.text} (event {link.event.seq}, weight {link.weight:.2f})")
    if found.evidence:
        print(f"  evidence: {', '.join(found.evidence)}")


def print_outcomes(found: Outcomes, *, json: bool) -> None:
    """Print the statistics of an action as a sentence or as JSON."""
    if json:
        print(dumps(outcomes_as_json(found), indent=2, ensure_ascii=False))
        return
    print(found.sentence)
    if found.evidence:
        print(f"  evidence: {', '.join(found.evidence)}")


def print_events(events: Sequence[LoggedEvent], start: int, *, json: bool) -> None:
    """Print events as a table with times since `start` (ns), or as JSON."""
    if json:
        print(dumps([event_as_json(event) for event in events], indent=2, ensure_ascii=False))
        return
    rows = [
        [
            str(event.seq),
            f"{(event.stamp - start) / _SECOND:.2f}",
            event.kind,
            event.text,
            "" if event.place is None else "{:.2f} {:.2f} {:.2f}".format(*event.place),
        ]
        for event in events
    ]
    print_table(f"{len(rows)} events", _EVENT_COLUMNS, rows)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; cells are plain text, whatever characters they contain."""
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), no_wrap=column not in ("what", "label"))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # Into a file or a pipe, lines are not broken to the width of a terminal that is not there.
    width = None if sys.stdout.isatty() else 160
    Console(width=width, highlight=False).print(table)


def _object_cells(record: Record, now: int, at: int | None) -> list[str]:
    state = record.state
    x, y, z = state.position
    age = now - state.last_seen
    return [
        state.id,
        state.label,
        visibility_of(record, at),
        f"{x:7.2f} {y:7.2f} {z:7.2f}",
        f"{deviation(state):.2f}",
        f"{duration(age)} ago" if age >= 0 else "in an earlier session",
        f"{state.existence:.2f}",
    ]


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """An answer for other programs. Times are integer nanoseconds."""
    return {
        "known": answer.known,
        "sentence": answer.sentence,
        "at": answer.at,
        "objects": [object_as_json(record, answer.at) for record in answer.records],
        "events": [event_as_json(event) for event in answer.events],
        "evidence": list(answer.evidence),
    }


def object_as_json(record: Record, at: int | None = None) -> dict[str, Any]:
    """An object state for other programs."""
    state = record.state
    return {
        "id": state.id,
        "label": state.label,
        "stamp": state.stamp,
        "state": visibility_of(record, at),
        "frame": record.world_frame,
        "map": record.map_id,
        "position": state.position.tolist(),
        "quaternion": state.pose.quaternion().tolist(),
        "position_covariance": state.pose_covariance[:3, :3].tolist(),
        "size": state.size.tolist(),
        "existence": state.existence,
        "first_seen": state.first_seen,
        "last_seen": state.last_seen,
    }


def event_as_json(event: LoggedEvent) -> dict[str, Any]:
    """An event for other programs."""
    return {
        "event": event.seq,
        "stamp": event.stamp,
        "kind": event.kind,
        "subjects": list(event.subjects),
        "text": event.text,
        "evidence": list(event.evidence),
        "position": None if event.place is None else event.place.tolist(),
    }


def explanation_as_json(found: Explanation) -> dict[str, Any]:
    """An explanation for other programs: the last effect first."""
    return {
        "known": found.known,
        "sentence": found.sentence,
        "at": found.at,
        "chain": [{**event_as_json(k.event), "weight": k.weight} for k in found.chain],
        "others": [{**event_as_json(k.event), "weight": k.weight} for k in found.others],
        "evidence": list(found.evidence),
    }


def outcomes_as_json(found: Outcomes) -> dict[str, Any]:
    """The statistics of an action for other programs."""
    return {
        "known": found.known,
        "sentence": found.sentence,
        "action": found.action,
        "object": found.name,
        "times": found.times,
        "moved": found.moved,
        "probability": found.probability,
        "distances": list(found.distances),
        "others": dict(found.others),
        "prevented": found.prevented,
        "evidence": list(found.evidence),
    }
