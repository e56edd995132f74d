"""Which object states are worth a row, and which old rows may go.

Between two rows of an object nothing happened for more than a tenth of a second that its
covariance does not explain. Time is subjective: while nothing happens to an object, its newest row
is brought up to date every second in place, and a new one comes only when the quiet time has
doubled, so that an hour of rest costs a dozen rows. The numbers of the log are the ticks of that
clock. An object keeps some `MOST_ROWS`
rows whose spacing grows in proportion to their age, so that a memory stays small however long an
object is watched.
"""

from __future__ import annotations

import math
import sqlite3
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.memory.rows import clean
from perception_nodes.memory.schema import PLACE_SLACK
from perception_nodes.scene import ObjectState, SceneState, Visibility

ROUTINE, MOVED, SEEN_DIFFERENTLY = 0, 1, 2

MOST_ROWS = 512
_THINNED_AT_ONCE = 16
_WORTH = np.array([1.0, 2.0, 8.0])  # of a row by its grade, when rows are thinned
_SMALLEST_MOVE = 0.01  # m
_SHORTEST_MOVE = 100_000_000  # ns between rows of an object that moves on and on
_PERIOD = 1_000_000_000  # ns
_MOST_ROUTINE = 8  # rows a frame, so that no frame pays for all objects at once
_LATENT_PERIOD = 10_000_000_000  # ns


@dataclass(slots=True)
class _Trace:
    """What was written last of an object."""

    stamp: int
    position: Floats
    visibility: Visibility
    rows: int
    latent_stamp: int | None
    seq: int  # of its newest row
    since: int  # when it was found at rest
    inserted: int  # when its newest row was new
    place: Floats  # where the index of places has that row


@dataclass(frozen=True, slots=True, eq=False)
class Due:
    """An object state to be written.

    Attributes:
        state: It.
        grade: Why: ROUTINE, MOVED or SEEN_DIFFERENTLY.
        seen_by: The camera of the image at `state.last_seen`.
        new: Whether the object may be new to the memory.
        latent: Whether its latent is due too.
        seq: The row that is brought up to date; None for a new one.
        moved: Whether the index of places has to learn where it is.
    """

    state: ObjectState
    grade: int
    seen_by: str
    new: bool
    latent: bool
    seq: int | None = None
    moved: bool = True


class Observations:
    """Decides for each scene state what to write; `written` confirms that it was.

    Args:
        cameras: Which camera saw each known object last.
    """

    def __init__(self, cameras: Mapping[str, str]) -> None:
        self._traces: dict[str, _Trace] = {}
        self._cameras = dict(cameras)
        # Objects that may have too many rows, and rows that may go: few a frame, not all in one.
        self._crowded: deque[str] = deque()
        self._surplus: deque[int] = deque()

    def thin(self, db: sqlite3.Connection, added: int) -> None:
        """Delete rows that are most crowded for their age, about as many as were `added`."""
        for _ in range(1 + added // _THINNED_AT_ONCE):
            if self._crowded and len(self._surplus) <= added:
                self._surplus += _surplus(db, clean(self._crowded.popleft()))
        count = min(len(self._surplus), 1 + added)
        keys = [(self._surplus.popleft(),) for _ in range(count)]
        db.executemany("DELETE FROM observation WHERE seq = ?", keys)
        db.executemany("DELETE FROM observation_place WHERE seq = ?", keys)

    def due(self, scene: SceneState, subjects: set[str], *, everything: bool) -> list[Due]:
        """The states of a scene that deserve a row, in the scene's order.

        Args:
            scene: What was believed after a frame.
            subjects: Ids that have an event in this frame.
            everything: Whether every state newer than its row is wanted, as on closing.
        """
        self._look(scene)
        graded = [(state, self._grade(state, subjects)) for state in scene.objects]
        newest = scene.stamp - (1 if everything else _PERIOD)
        waiting = [
            state.id
            for state, grade in graded
            if grade == ROUTINE and self._traces[state.id].stamp <= newest
        ]
        if not everything:
            waiting.sort(key=lambda key: self._traces[key].stamp)
            del waiting[_MOST_ROUTINE:]
        chosen = set(waiting)
        return [
            self._due(state, grade)
            for state, grade in graded
            if grade > ROUTINE or state.id in chosen
        ]

    def written(self, rows: Iterable[tuple[Due, int]]) -> None:
        """The rows are in the file, with these numbers."""
        for due, seq in rows:
            state, old = due.state, self._traces.get(due.state.id)
            latent_stamp = state.stamp if due.latent else (old.latent_stamp if old else None)
            added = due.seq is None
            rows_now = (old.rows if old else 0) + added
            if added and rows_now % _THINNED_AT_ONCE == 1:
                self._crowded.append(state.id)
            rests = old is not None and due.grade == ROUTINE
            since = old.since if old is not None and rests else state.stamp
            inserted = state.stamp if added or old is None else old.inserted
            self._traces[state.id] = _Trace(
                *(state.stamp, state.position.copy(), state.visibility, rows_now, latent_stamp),
                *(seq, since, inserted),
                state.position.copy() if due.moved or old is None else old.place,
            )

    def forget(self) -> None:
        """Write everything anew, as when the clock jumped back."""
        self._traces.clear()
        self._surplus.clear()

    def _look(self, scene: SceneState) -> None:
        """Note who sees what, and drop what is no longer an object."""
        present = {state.id for state in scene.objects}
        self._traces = {key: trace for key, trace in self._traces.items() if key in present}
        self._cameras = {key: name for key, name in self._cameras.items() if key in present}
        for state in scene.objects:
            if state.last_seen == scene.stamp:
                self._cameras[state.id] = scene.slots.camera_name

    def _grade(self, state: ObjectState, subjects: set[str]) -> int:
        trace = self._traces.get(state.id)
        if trace is None or trace.visibility != state.visibility:
            return SEEN_DIFFERENTLY
        if state.id in subjects:
            return MOVED
        if state.stamp - trace.stamp < _SHORTEST_MOVE:
            return ROUTINE
        distance = math.dist(state.position.tolist(), trace.position.tolist())
        if not distance > _SMALLEST_MOVE:
            return ROUTINE
        deviation = float(np.sqrt(max(0.0, np.trace(state.pose_covariance[:3, :3]) / 3.0)))
        return MOVED if distance > deviation else ROUTINE

    def _due(self, state: ObjectState, grade: int) -> Due:
        trace = self._traces.get(state.id)
        seen_by = self._cameras.get(state.id, "")
        since = trace.latent_stamp if trace else None
        latent = state.latent is not None and (
            grade == SEEN_DIFFERENTLY or since is None or state.stamp - since >= _LATENT_PERIOD
        )
        quiet = trace is not None and grade == ROUTINE and trace.inserted > trace.since
        if (
            trace is None
            or not quiet
            or state.stamp - trace.since >= 2 * (trace.inserted - trace.since)
        ):
            return Due(state, grade, seen_by, trace is None, latent)
        moved = float(np.abs(state.position - trace.place).max()) > PLACE_SLACK / 2
        return Due(state, grade, seen_by, False, latent, trace.seq, moved)


def _surplus(db: sqlite3.Connection, object_id: str) -> list[int]:
    """The rows of an object that are most crowded for their age, if it has too many.

    The first and the newest row always stay. Age is counted in the log's sequence, because
    stamps start again when a recording is repeated.
    """
    rows = db.execute(
        "SELECT seq, grade FROM observation WHERE object = ? ORDER BY seq", (object_id,)
    ).fetchall()
    if len(rows) < MOST_ROWS:
        return []
    seq = np.array([row["seq"] for row in rows], dtype=np.float64)
    worth = _WORTH[[row["grade"] for row in rows]]
    inner = np.arange(1, len(rows) - 1, 2)  # every second one, so that no two neighbors go
    spacing = (seq[inner + 1] - seq[inner - 1]) / (seq[-1] - seq[inner])
    victims = inner[np.argsort(spacing * worth[inner], kind="stable")[:_THINNED_AT_ONCE]]
    return [int(seq[i]) for i in victims]
