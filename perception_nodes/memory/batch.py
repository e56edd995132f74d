"""The statements of one transaction of the writer."""

from __future__ import annotations

import json
import sqlite3

import numpy as np

from perception_nodes.memory.beliefs import Guess
from perception_nodes.memory.entry import Entry
from perception_nodes.memory.graph import Edge
from perception_nodes.memory.keyframes import KeyFrame
from perception_nodes.memory.observations import Due
from perception_nodes.memory.rows import OBSERVATION_COLUMNS, clean, to_row
from perception_nodes.memory.schema import PLACE_SLACK as _SLACK
from perception_nodes.scene import WORLD_FRAME, EventKind

_INSERT_OBSERVATION = (
    f"INSERT INTO observation ({', '.join(OBSERVATION_COLUMNS)}) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(OBSERVATION_COLUMNS))})"
)
_UPDATE_OBSERVATION = (
    f"UPDATE observation SET {', '.join(f'{column} = ?' for column in OBSERVATION_COLUMNS)} "  # noqa: S608
    "WHERE seq = ?"
)
_INSERT_EVENT = (
    "INSERT INTO event (seq, session, stamp, kind, subjects, text, evidence, x, y, z) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SAVE_LATENT = (
    "INSERT INTO latent (object, model_id, stamp, vector) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (object, model_id) DO UPDATE SET stamp = excluded.stamp, vector = excluded.vector"
)


class Batch:
    """Writes rows of one session, numbered from `sequence` on.

    Args:
        db: A connection inside a transaction.
        session: Id of the session that the rows belong to.
        sequence: The first free number of the log.
    """

    def __init__(self, db: sqlite3.Connection, session: int, sequence: int) -> None:
        self._db = db
        self._session = session
        self.sequence = sequence

    @classmethod
    def new_session(cls, db: sqlite3.Connection, map_id: str, stamp: int) -> int:
        """Begin a session and return its id."""
        cursor = db.execute(
            "INSERT INTO session (map_id, world_frame, first_stamp, last_stamp, events) "
            "VALUES (?, ?, ?, ?, 0)",
            (map_id, WORLD_FRAME, stamp, stamp),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def reach(self, stamp: int) -> None:
        """The session has come to a message time."""
        self._db.execute(
            "UPDATE session SET last_stamp = max (last_stamp, ?) WHERE id = ?",
            (stamp, self._session),
        )

    def observation(self, due: Due) -> int | None:
        """Write an object state; its number, or None if it has numbers that are not finite."""
        state, object_id = due.state, clean(due.state.id)
        seq = self.sequence if due.seq is None else due.seq
        row = to_row(state, seq, self._session, due.grade, due.seen_by)
        if row is None:
            return None
        if due.new:
            self._db.execute(
                "INSERT OR IGNORE INTO object (id, session, first_seen) VALUES (?, ?, ?)",
                (object_id, self._session, state.first_seen),
            )
        if due.seq is None:
            self._db.execute(_INSERT_OBSERVATION, row)
        else:
            self._db.execute(_UPDATE_OBSERVATION, (*row, seq))
        if due.moved:
            ends = [end for v in state.position.tolist() for end in (v - _SLACK, v + _SLACK)]
            self._db.execute(
                "INSERT OR REPLACE INTO observation_place VALUES (?, ?, ?, ?, ?, ?, ?)",
                (seq, *ends),
            )
        self.sequence += due.seq is None
        if due.latent and state.latent is not None:
            vector = np.ascontiguousarray(state.latent, dtype="<f4").tobytes()
            self._db.execute(_SAVE_LATENT, (object_id, clean(state.model_id), state.stamp, vector))
        return seq

    def event(self, entry: Entry) -> int:
        """Write an event, its place in the indexes and the label that it gives; return its seq."""
        seq = self.sequence
        place = (None, None, None)
        if entry.place is not None and np.isfinite(entry.place).all():
            place = tuple(entry.place.tolist())
        lists = (json.dumps(entry.subjects), entry.text, json.dumps(entry.evidence))
        self._db.execute(
            _INSERT_EVENT, (seq, self._session, entry.stamp, entry.kind, *lists, *place)
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO event_subject VALUES (?, ?, ?, ?, ?)",
            [
                (subject, seq, position, entry.kind, entry.stamp)
                for position, subject in enumerate(entry.subjects)
            ],
        )
        self._db.execute("INSERT INTO event_text (rowid, text) VALUES (?, ?)", (seq, entry.text))
        if entry.kind == EventKind.REMOVED and entry.subjects:
            self._db.execute(
                "INSERT INTO removal VALUES (?, ?, ?)", (entry.subjects[0], seq, entry.stamp)
            )
        if entry.label is not None:
            self._db.execute(
                "INSERT INTO label (seq, object, label, score) VALUES (?, ?, ?, ?)",
                (seq, entry.subjects[0], *entry.label),
            )
        self._db.execute("UPDATE session SET events = events + 1 WHERE id = ?", (self._session,))
        self.sequence += 1
        return seq

    def picture(self, key: KeyFrame) -> None:
        """Write a key frame."""
        vector = None if key.vector is None else key.vector.astype("<f4").tobytes()
        self._db.execute(
            "INSERT INTO keyframe (event, object, shows, stamp, camera, x0, y0, x1, y1, jpeg, "
            "model_id, vector) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(key.event, key.object, json.dumps(key.shows), key.stamp, key.camera),
                *(*key.window, key.jpeg, key.model_id, vector),
            ),
        )

    def guess(self, guess: Guess) -> None:
        """Write what somebody believes."""
        place = (None, None, None) if guess.place is None else guess.place.tolist()
        self._db.execute(
            "INSERT INTO agent_belief (session, agent, object, stamp, probability, x, y, z, how) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(self._session, clean(guess.agent), clean(guess.object), guess.stamp),
                *(guess.probability, *place, guess.how),
            ),
        )

    def causes(self, target: int, edges: list[Edge]) -> None:
        """Write what leads to an event, in place of what was written before."""
        self._db.execute("DELETE FROM edge WHERE target = ? AND kind != 'part_of'", (target,))
        self._db.executemany(
            "INSERT INTO edge (kind, source, target, weight, evidence) VALUES (?, ?, ?, ?, ?)",
            [
                (edge.kind.value, edge.source, target, edge.weight, json.dumps(edge.evidence))
                for edge in edges
            ],
        )
