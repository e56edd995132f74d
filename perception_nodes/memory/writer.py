"""The memory of a running robot or replay: the one program that writes to the file."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from perception_nodes.errors import MemoryStoreError
from perception_nodes.geometry.pose import Pose
from perception_nodes.memory.batch import Batch, Entry
from perception_nodes.memory.beliefs import BeliefTracker, Guess, Hypothesis
from perception_nodes.memory.causes import CauseFinder
from perception_nodes.memory.contacts import ContactFinder
from perception_nodes.memory.forgetting import (
    FORGOTTEN,
    Forgotten,
    Span,
    copies_of,
    erase,
    purge,
)
from perception_nodes.memory.gaze import Gaze, gaze_of
from perception_nodes.memory.keyframes import cut
from perception_nodes.memory.observations import Due, Observations, thin
from perception_nodes.memory.queries import MemoryQueries, MemoryStatus
from perception_nodes.memory.rows import Record, clean, pack_pose, unpack_pose
from perception_nodes.memory.store import Store, explain, explained
from perception_nodes.scene import Frame, ObjectState, SceneState

_JUMP = 1_000_000_000  # ns back in time that begin a new session; cameras differ by less
_PERIOD = 1_000_000_000  # ns of message time between notes of the time, or attempts to write
_MOST_PENDING = 1000  # events that wait while nothing can be written
_LONGEST_LABEL = 64


class Memory(MemoryQueries):
    """Writes what the pipeline believes, and answers questions.

    Facts (events, new objects, labels) survive a power loss and observations the end of the
    process, both from the moment in which `write` or `label` returns. A full or failing disk
    never stops the pipeline: `status` says so, events wait, questions are still answered. Use
    it from one thread at a time; other threads and programs open a `MemoryReader`.

    Args:
        path: The file; created where missing. A damaged one is repaired: see `status`.
        map_id: Names the map in which positions are valid.

    Raises:
        MemoryStoreError: Another program writes to it, it can't be written, it is of a newer
            schema or of another program.
    """

    def __init__(self, path: Path | str, map_id: str = "map") -> None:
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

    def watch(self, gazes: Sequence[Gaze]) -> None:
        """Others look: robots, or people whose gaze is known better than from their joints.

        What they could see of the scene that was written last becomes what they believe. People
        in `SceneState.people` need not be given.
        """
        if self._latest is not None:
            self._guesses += self._beliefs.update(gazes, self._latest.objects)

    def tell(self, agent: str, object_id: str) -> None:
        """Somebody was told where an object is, and believes it.

        Raises:
            MemoryStoreError: There is no such object.
        """
        record = self._existing(object_id)
        stamp = self.now or record.state.stamp
        self._guesses += self._beliefs.tell(agent, object_id, stamp, record.state.position)

    def label(self, object_id: str, name: str) -> None:
        """A person names an object.

        Raises:
            MemoryStoreError: There is no such object, the name can't be printed in a line, or
                it could not be written.
        """
        name = name.strip()
        if not name or len(name) > _LONGEST_LABEL or not name.isprintable():
            raise MemoryStoreError(
                f"a name has 1 to {_LONGEST_LABEL} printable characters", "choose another name"
            )
        record = self._existing(object_id)
        stamp = self.now or record.state.stamp
        place = record.state.position
        entry = Entry.labeled(stamp, object_id, name, 1.0, "a person", place)
        self._silent.discard(object_id)
        with explained(self.path), self._store.transaction(durable=True) as db:
            self._log(db, entry)

    def correct_map(self, transform: Pose) -> None:
        """The map was corrected, as by a loop closure: what is stored moves with it.

        Rows are not rewritten; their sessions get the transform, and a new session begins.

        Args:
            transform: Takes positions on the map as it was so far to the corrected one. What is
                written from now on has to be on the corrected one.

        Raises:
            MemoryStoreError: It could not be written.
        """
        if self._latest is not None:
            self._commit(self._latest, everything=True)
        moved = float(np.linalg.norm(transform.translation))
        turned = float(np.degrees(transform.angle_to(Pose.identity())))
        text = f"the map {self._map_id} was corrected by {moved:.3f} m and {turned:.2f} degrees"
        with explained(self.path), self._store.transaction(durable=True) as db:
            query = "SELECT id, transform FROM session WHERE map_id = ?"
            for key, blob in db.execute(query, (self._map_id,)).fetchall():
                whole = transform if blob is None else transform @ unpack_pose(blob)
                db.execute("UPDATE session SET transform = ? WHERE id = ?", (pack_pose(whole), key))
            self._log(db, Entry(self.now or 0, "map_corrected", (), text))
        self._session, self._latest, self._frame = None, None, None
        self._observations.forget()
        self._causes.restart()
        self._contacts.restart()

    def forget(
        self, name: str = "", since: int | None = None, until: int | None = None
    ) -> Forgotten:
        """Forget an object, a stretch of time, or an object within it, beyond recovery.

        Observations, events in which it took part, labels, causes, latents and what indexes and
        write-ahead log hold of them are erased; the file is written anew, which takes about a
        second for each 100 MB. Where all of an object is forgotten, its names are also replaced
        in the sentences of other events. The log keeps an event of the kind "forgotten" that says
        of whom (by id) and from when to when. Ids are not given again. An object that is still in
        view is known again from the next frame on, without its name.

        Args:
            name: Id or label of an object, or id of a person or robot; empty for all.
            since: First message time, ns; None for the beginning.
            until: Last message time, ns; None for now.

        Raises:
            MemoryStoreError: Neither a name nor a time is given, nothing has that name, or the
                file can't be written; then nothing is forgotten.
        """
        if not name.strip() and since is None and until is None:
            raise MemoryStoreError("nothing is named to be forgotten", "give a name or a time")
        span = Span(tuple(self._named(name)) if name.strip() else (), since, until)
        if self._latest is not None:  # what waits to be written could be about it as well
            self._commit(self._latest, everything=True)
        entry = Entry(self.now or 0, FORGOTTEN, (), span.text)
        seq = self._sequence
        with explained(self.path):
            with self._store.transaction(durable=True) as db:
                events, observations, beliefs, objects = erase(db, span)
                if events or observations or beliefs:
                    self._log(db, entry)
            self._forget_lately(set(span.names))
            erased = purge(db)
        if self._sequence == seq:
            seq = 0
        return Forgotten(objects, events, observations, beliefs, seq, erased, copies_of(self.path))

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

    def _existing(self, object_id: str) -> Record:
        record = self.record(object_id)
        if record is None:
            raise MemoryStoreError(
                f"there is no object {clean(object_id)!r} in the memory {self.path}",
                "`permanence recall` lists the objects and their ids",
            )
        return record

    def _known_beliefs(self) -> BeliefTracker:
        """What everybody believed when the memory was closed."""
        tracker = BeliefTracker()
        for agent in self.agents():
            for object_id in [record.state.id for record in self.records()]:
                belief = self.belief_of(agent, object_id)
                if belief is not None and belief.place is not None:
                    guess = Hypothesis(belief.place, belief.probability, 0.0, belief.how)
                    tracker.restore(agent, object_id, [guess])
        return tracker

    def _named(self, name: str) -> list[str]:
        """Ids of objects, or the id of whoever else took part in an event."""
        taking_part = """SELECT 1 FROM event_subject WHERE object = :name
            UNION SELECT 1 FROM agent_belief WHERE agent = :name LIMIT 1"""
        if found := self.find(name):
            return found
        if self._rows(taking_part, name=name.strip()):
            return [name.strip()]
        raise MemoryStoreError(
            f"nothing in the memory {self.path} is called {clean(name)!r}",
            "`permanence recall` lists the objects and their ids",
        )

    def _forget_lately(self, names: set[str]) -> None:
        """Keep nothing of the past in the process either."""
        self._frame = None
        self._observations.forget()
        self._causes.restart()
        self._contacts.restart()
        self._silent |= names
        self._beliefs.forget(names)
        self._guesses.clear()
        if self._latest is not None:
            kept = () if not names else self._latest.objects
            left = tuple(state for state in kept if state.id not in names)
            self._latest = replace(self._latest, objects=left, events=())

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
            self._transact(scene, due)
        except sqlite3.Error as error:
            self._causes.undo(self._sequence)
            self._refused_at = scene.stamp
            self._refusal = str(explain(self.path, error))
            return
        self._written, self._refused_at, self._refusal = scene.stamp, None, ""
        self._pending.clear()
        self._guesses.clear()
        self._observations.written(due)

    def _transact(self, scene: SceneState, due: list[Due]) -> None:
        durable = bool(self._pending) or any(item.new for item in due)
        rejected = 0
        with self._store.transaction(durable=durable) as db:
            session = self._session or Batch.new_session(db, self._map_id, scene.stamp)
            batch = Batch(db, session, self._sequence)
            batch.reach(scene.stamp)
            for item in due:
                rejected += not batch.observation(item)
            entries = [(batch.event(entry), entry) for entry in self._pending]
            for target, edges in self._causes.find(scene.stamp, entries).items():
                batch.causes(target, edges)
            for guess in self._guesses:
                batch.guess(guess)
            for picture in () if self._frame is None else cut(self._frame, scene, entries):
                batch.picture(picture)
            if (crowded := self._observations.crowded()) is not None:
                thin(db, clean(crowded))
        self._session, self._sequence = session, batch.sequence
        self._rejected += rejected

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
