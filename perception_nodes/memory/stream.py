"""Writing what the pipeline believes, frame by frame."""

from __future__ import annotations

import sqlite3
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.batch import Batch
from perception_nodes.memory.beliefs import BeliefTracker, Guess
from perception_nodes.memory.causes import CauseFinder
from perception_nodes.memory.consolidation import MOST_EVENTS, Consolidation
from perception_nodes.memory.contacts import ContactFinder
from perception_nodes.memory.entry import Entry
from perception_nodes.memory.gaze import gaze_of
from perception_nodes.memory.keyframes import cut
from perception_nodes.memory.observations import Due, Observations
from perception_nodes.memory.queries import MemoryQueries, MemoryStatus
from perception_nodes.memory.rows import clean
from perception_nodes.memory.store import Store, explain, explained
from perception_nodes.scene import Frame, ObjectState, SceneState

_JUMP = 1_000_000_000  # ns back in time that begin a new session; cameras differ by less
_PERIOD = 1_000_000_000  # ns of message time between notes of the time, or attempts to write
_MOST_PENDING = 1000  # events that wait while nothing can be written
_LONGEST_LABEL = 64


class StreamWriter(MemoryQueries):
    """The stream of scenes on its way into the file; base of `Memory`."""

    def __init__(
        self, path: Path | str, map_id: str = "map", most_events: int = MOST_EVENTS
    ) -> None:
        self._store = Store(Path(path))
        super().__init__(self._store.path, self._store.db)
        self._map_id = clean(map_id)
        self._session: int | None = None
        self._latest: SceneState | None = None
        self._frame: Frame | None = None
        self._written: int = 0
        self._refused_at: int | None = None
        self._refusal = ""
        self._pending: deque[Entry] = deque(maxlen=_MOST_PENDING)
        self._dropped = 0
        self._rejected = 0
        with explained(self.path):
            self._sequence = self._newest_seq() + 1
            self._consolidation = Consolidation.of(self._db, most_events)
            cameras = {record.state.id: record.seen_by for record in self.records()}
        self._observations = Observations(cameras)
        self._causes, self._contacts = CauseFinder(), ContactFinder()
        self._beliefs, self._guesses = self._known_beliefs(), list[Guess]()
        self._silent: set[str] = set()  # forgotten objects, whose names nobody gave again
        if self._store.loss is not None:
            self._pending.append(Entry(self.now or 0, "repaired", (), self._store.loss.text))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def next_sequence(self) -> int:
        """The number in the log of whatever is written next."""
        return self._sequence

    def write(self, state: SceneState, frame: Frame | None = None) -> None:
        """Keep what was believed after a frame: its events, and the observations worth a row.

        States with numbers that are not finite are left out and counted in `status`.

        Args:
            state: What was believed.
            frame: The image; with it, events get a small picture of their first subject.
        """
        self._frame = frame
        if self._latest is not None and state.stamp < self._latest.stamp - _JUMP:
            self._session, self._refused_at = None, None
            self._observations.forget()
            self._causes.restart()
            self._contacts.restart()
        self._latest = state
        self._causes.watch(state)
        for entry in (*(Entry.of(e, state) for e in state.events), *self._contacts.find(state)):
            self._wait(entry)
        gazes = [gaze for person in state.people if (gaze := gaze_of(person)) is not None]
        self._guesses += self._beliefs.update(gazes, state.objects)
        if self._refused_at is None or state.stamp - self._refused_at >= _PERIOD:
            self._commit(state, everything=False)

    def status(self) -> MemoryStatus:
        """How much is in the memory and whether it can be written."""
        status = super().status()
        problems = [self._refusal] if self._refusal else []
        if self._pending:
            problems.append(f"{len(self._pending)} events wait to be written")
        if self._dropped:
            problems.append(f"{self._dropped} events could not be kept")
        if self._rejected:
            problems.append(f"{self._rejected} object states had numbers that are not finite")
        if self._store.loss is not None:
            problems.append(self._store.loss.text)
        return replace(status, health="; ".join(problems) or status.health)

    def close(self) -> None:
        """Write what is still newer than its row, and let go of the file.

        Raises:
            MemoryStoreError: Events are lost because they could not be written.
        """
        if self._closed:
            return
        self._frame = None
        if self._latest is not None:
            self._commit(self._latest, everything=True)
        lost = len(self._pending) + self._dropped
        self._closed = True
        self._store.close()
        if lost and self._refusal:
            raise MemoryStoreError(f"{self._refusal}; {lost} events are lost")

    def _log(self, db: sqlite3.Connection, entry: Entry) -> None:
        """Write an event that does not come from a scene, inside a transaction."""
        newest = db.execute("SELECT max (id) FROM session").fetchone()[0]
        session = self._session or newest or Batch.new_session(db, self._map_id, entry.stamp)
        batch = Batch(db, session, self._sequence)
        batch.event(entry)
        self._sequence = batch.sequence

    def _known_beliefs(self) -> BeliefTracker:
        """What everybody believed when the memory was closed."""
        tracker = BeliefTracker()
        for agent in self.agents():
            for object_id in [record.state.id for record in self.records()]:
                belief = self.belief_of(agent, object_id)
                if belief is not None and belief.place is not None:
                    guess = Guess(agent, object_id, belief.stamp, belief.probability,
                                  belief.place, belief.how)  # fmt: skip
                    tracker.restore(guess)
        return tracker

    def _wait(self, entry: Entry) -> None:
        self._dropped += len(self._pending) == _MOST_PENDING
        self._pending.append(entry)

    def _commit(self, scene: SceneState, *, everything: bool) -> None:
        """One transaction with all that is due, or none."""
        subjects = {subject for event in scene.events for subject in event.subjects}
        due = self._observations.due(scene, subjects, everything=everything)
        for item in due:
            self._note_label(item.state)
        if not (due or self._pending or self._guesses or scene.stamp - self._written >= _PERIOD):
            return
        try:
            written = self._transact(scene, due)
        except sqlite3.Error as error:
            self._causes.undo(self._sequence)
            with suppress(sqlite3.Error):
                self._consolidation.reload(self._db)
            self._refused_at = scene.stamp
            self._refusal = str(explain(self.path, error))
            return
        self._written, self._refused_at, self._refusal = scene.stamp, None, ""
        self._pending.clear()
        self._guesses.clear()
        self._observations.written(written)

    def _transact(self, scene: SceneState, due: list[Due]) -> list[tuple[Due, int]]:
        durable = bool(self._pending) or any(item.new for item in due)
        written: list[tuple[Due, int]] = []
        with self._store.transaction(durable=durable) as db:
            session = self._session or Batch.new_session(db, self._map_id, scene.stamp)
            batch = Batch(db, session, self._sequence)
            batch.reach(scene.stamp)
            for item in due:
                if (seq := batch.observation(item)) is not None:
                    written.append((item, seq))
            entries = [(batch.event(entry), entry) for entry in self._pending]
            for target, edges in self._causes.find(scene.stamp, entries).items():
                batch.causes(target, edges)
            for guess in self._guesses:
                batch.guess(guess)
            for picture in () if self._frame is None else cut(self._frame, scene, entries):
                batch.picture(picture)
            self._consolidation.step(db, batch, len(entries))
            self._observations.thin(db, sum(item.seq is None for item in due))
        self._session, self._sequence = session, batch.sequence
        self._rejected += len(due) - len(written)
        return written

    def _note_label(self, state: ObjectState) -> None:
        """Log a label that came with a state, unless a surer one is known or it was forgotten."""
        if not state.label or state.id in self._silent:
            return
        object_id, label = clean(state.id), clean(state.label)
        waiting = any(e.label and e.subjects[:1] == (object_id,) for e in self._pending)
        known = self._label_of(object_id)
        if waiting or (known and (known[0] == label or known[1] > state.label_score)):
            return
        giver = "a person" if state.label_score >= 1.0 else "a classifier"
        self._wait(
            Entry.labeled(state.stamp, object_id, label, state.label_score, giver, state.position)
        )
