"""The memory of a running robot or replay: the one program that writes to the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from perception_nodes.errors import MemoryStoreError
from perception_nodes.geometry.pose import Pose
from perception_nodes.memory.entry import Entry
from perception_nodes.memory.forgetting import (
    FORGOTTEN,
    Forgotten,
    Span,
    copies_of,
    erase,
    purge,
)
from perception_nodes.memory.gaze import Gaze
from perception_nodes.memory.rows import Record, clean, pack_pose, unpack_pose
from perception_nodes.memory.store import explained
from perception_nodes.memory.stream import StreamWriter

_LONGEST_LABEL = 64


class Memory(StreamWriter):
    """Writes what the pipeline believes, and answers questions.

    Facts (events, new objects, labels) survive a power loss and observations the end of the
    process, both from the moment in which `write` or `label` returns. A full or failing disk
    never stops the pipeline: `status` says so, events wait, questions are still answered. Use
    it from one thread at a time; other threads and programs open a `MemoryReader`.

    Args:
        path: The file; created where missing. A damaged one is repaired: see `status`.
        map_id: Names the map in which positions are valid.
        most_events: How many events are told one by one; older ones become episodes.

    Raises:
        MemoryStoreError: Another program writes to it, it can't be written, it is of a newer
            schema or of another program.
    """

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

    def pin(self, name: str = "", event: int | None = None) -> None:
        """Keep an object's events, or one event, and what caused them, for ever.

        Args:
            name: Id or label of an object.
            event: Number of an event in the log.

        Raises:
            MemoryStoreError: There is no such object or event, or it could not be written.
        """
        if event is not None and self.event(event) is None:
            raise MemoryStoreError(f"there is no event {event}", "`permanence history` lists them")
        rows = [(event, None)] if event is not None else [(None, key) for key in self._named(name)]
        with explained(self.path), self._store.transaction(durable=True) as db:
            db.executemany("INSERT OR IGNORE INTO pin (event, object) VALUES (?, ?)", rows)
            self._consolidation.reload(db)

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

    def correct_map(self, transform: Pose, map_id: str = "") -> str:
        """The map was corrected, as by a loop closure: what is stored moves with it.

        Rows are not rewritten; their sessions get the transform, the log says by how much, and a
        new session begins.

        Args:
            transform: Takes positions on the map as it was so far to the corrected one. What is
                written from now on has to be on the corrected one.
            map_id: Which map; empty for the one that is written.

        Returns:
            A sentence that says what was done.

        Raises:
            MemoryStoreError: Nothing is known on that map, or it could not be written.
        """
        if self._latest is not None:
            self._commit(self._latest, everything=True)
        map_id = clean(map_id) or self._map_id
        with explained(self.path), self._store.transaction(durable=True) as db:
            query = "SELECT id, transform FROM session WHERE map_id = ?"
            sessions = db.execute(query, (map_id,)).fetchall()
            if not sessions:
                known = ", ".join(
                    row[0] for row in db.execute("SELECT DISTINCT map_id FROM session")
                )
                raise MemoryStoreError(
                    f"nothing is known on a map {map_id!r}", f"known maps: {known or 'none'}"
                )
            for key, blob in sessions:
                whole = transform if blob is None else transform @ unpack_pose(blob)
                db.execute("UPDATE session SET transform = ? WHERE id = ?", (pack_pose(whole), key))
            entry = Entry.map_corrected(self.now or 0, map_id, transform)
            self._log(db, entry)
        self._session, self._latest, self._frame = None, None, None
        self._observations.forget()
        self._causes.restart()
        self._contacts.restart()
        return entry.text

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
            self._consolidation.reload(db)
            self._forget_lately(set(span.names))
            with self._store.alone():
                erased = purge(db)
        if self._sequence == seq:
            seq = 0
        return Forgotten(objects, events, observations, beliefs, seq, erased, copies_of(self.path))

    def _existing(self, object_id: str) -> Record:
        record = self.record(object_id)
        if record is None:
            raise MemoryStoreError(
                f"there is no object {clean(object_id)!r} in the memory {self.path}",
                "`permanence recall` lists the objects and their ids",
            )
        return record

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


def existing_memory(path: Path) -> Memory:
    """Open a memory for writing that must be there already.

    Raises:
        MemoryStoreError: There is none, or as for `Memory`.
    """
    if not path.is_file():
        raise MemoryStoreError(
            f"there is no memory {path}",
            "`permanence replay` writes one; name another with --memory",
        )
    return Memory(path)
