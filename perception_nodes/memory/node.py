"""Node `memory`: object states and events in, answers out; it owns the memory file.

Subscribes, publishes, offers: see `perception_nodes.ros.interfaces`. Where color images come, what
happened gets a small picture (parameter `pictures`). Writing happens in a thread;
questions are answered from a second connection and never wait for the disk. Forgetting rewrites
the file and keeps the writer waiting meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from perception_nodes.errors import MemoryStoreError, PermanenceError
from perception_nodes.gate.governor import Part
from perception_nodes.memory.answers import LoggedEvent
from perception_nodes.memory.question import recall
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.ros.allowance import Allowance
from perception_nodes.ros.conversion import (
    events_from_msg,
    influences_from_msg,
    object_state_to_msg,
    object_states_from_msg,
    people_from_msg,
)
from perception_nodes.ros.geometry_messages import (
    header_to_msg,
    pose_from_transform,
    time_from_msg,
    time_to_msg,
    vector_from_msg,
)
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.managed import ManagedNode
from perception_nodes.ros.parameters import NAME, PATH, NodeParameters, switch, text
from perception_nodes.ros.picture_input import Picture, PictureInput, frame_of
from perception_nodes.ros.rclpy_factory import RclpyFactory
from perception_nodes.ros.run import main as run_node
from perception_nodes.scene import (
    Event,
    EventKind,
    Influence,
    Person,
    PlanStatus,
    SceneState,
    Slots,
)

_T = TypeVar("_T")

TRANSPORTS = ("raw", "compressed")
_QUEUE = 100
_STATUS_PERIOD_S = 2.0
_RECENT_NS = 200_000_000
_NEVER = -(1 << 62)
_DEFAULT_ANSWERS = 10
_ACTION_NS = 8_000_000_000  # less than an action lasts, see `causes`
ROBOT = "robot"
"""Who acts when the planner pushes something."""


@dataclass(frozen=True)
class MemoryParameters(NodeParameters):
    """Parameters of the node."""

    file: str = text("~/.ros/permanence/memory.db", "the memory file; made where missing", PATH)
    map_id: str = text("map", "name of the map in which positions are valid", NAME)
    pictures: bool = switch(
        True, "keep small pictures of objects to which something happened", read_only=True
    )
    private: bool = switch(
        False, "keep a picture only while the newest `people` tell that nobody is in sight"
    )
    image_transport: str = text("raw", "how color images travel", choices=TRANSPORTS)


class MemoryNode(ManagedNode[MemoryParameters]):
    """Keeps what was believed and happened, for days."""

    def __init__(self, **options: Any) -> None:
        self._memory: Memory | None = None
        self._reader: MemoryReader | None = None
        super().__init__(node("memory"), MemoryParameters, **options)

    def load(self) -> None:
        """Open the file and connect."""
        path = Path(self.parameters.file).expanduser()
        _make_folder(path.parent)
        self._memory = Memory(path, self.parameters.map_id)
        self._reader = MemoryReader(path)
        self._factory = RclpyFactory()
        self._events: deque[Event] = deque(maxlen=_QUEUE)
        self._influences: tuple[int, tuple[Influence, ...]] = (_NEVER, ())
        self._people: tuple[int, tuple[Person, ...]] = (_NEVER, ())
        self._pushed: tuple[str, int] = ("", 0)
        self._told = -_STATUS_PERIOD_S
        self.facts["memory file"] = str(path)
        self._status = self.endpoints.advertise(self.spec.gives("memory_status"))
        self._writing = threading.Lock()
        for name, answer in (
            ("recall", self._recall),
            ("explain", self._explain),
            ("what_if", self._what_if),
            ("forget", self._forget),
            ("snapshot", self._snapshot),
            ("restore", self._restore),
            ("correct_map", self._correct_map),
        ):
            self.endpoints.offer(self.spec.offers(name), answer)
        self._worker = self.employ(self._write, _QUEUE)
        self.listen("objects", self._take_objects, required=True)
        self.listen("events", lambda message: self._events.extend(events_from_msg(message)))
        self.listen("influences", self._take_influences)
        self.listen("people", self._take_people)
        self.listen("plan_status", self._take_plan_status)
        self._allowance = Allowance(Part.MEMORY)
        self.listen("compute_pressure", self._allowance.take)
        self._pictures = PictureInput()
        if self.parameters.pictures:
            compressed = self.parameters.image_transport == "compressed"
            color = f"camera/color/image_raw{'/compressed' if compressed else ''}"
            self.listen(color, self._pictures.take_color)
            self.listen("camera/color/camera_info", self._pictures.take_info)
            self.listen("slots", self._pictures.take_slots)

    def forget(self) -> None:
        """The clock jumped back: images from before show nothing of what comes."""
        self._pictures.reset()

    def unload(self) -> None:
        """Write what waits and let go of the file."""
        reader, memory = self._reader, self._memory
        self._reader = self._memory = None
        if reader is not None:
            reader.close()
        if memory is not None:
            memory.close()

    def _take_objects(self, message: Any) -> None:
        """Events that came so far belong to this scene or an earlier one."""
        stamp = time_from_msg(message.header.stamp)
        events = tuple(self._events.popleft() for _ in range(len(self._events)))
        if not self._allowance.due() and not events:  # what happened is always written
            self.health.dropped("slowed down")
            return
        slots = _no_slots(stamp, message.camera_name)
        scene = SceneState(
            stamp,
            slots,
            object_states_from_msg(message),
            events,
            people=_recent(self._people, stamp),
            influences=_recent(self._influences, stamp),
        )
        kept = bool(events) and not (self.parameters.private and self._somebody(stamp))
        picture = self._pictures.picture(stamp, message.camera_name) if kept else None
        self.health.dropped("too many wait", self._worker.offer((scene, picture)))

    def _take_influences(self, message: Any) -> None:
        self._influences = time_from_msg(message.header.stamp), influences_from_msg(message)

    def _take_people(self, message: Any) -> None:
        self._people = time_from_msg(message.header.stamp), people_from_msg(message)

    def _somebody(self, stamp: int) -> bool:
        """Whether people are in sight, or might be, since nothing recent tells."""
        told, people = self._people
        return bool(people) or abs(stamp - told) > _RECENT_NS

    def _take_plan_status(self, message: Any) -> None:
        """The robot begins to push something, or goes on for long: that is an action."""
        stamp, name = time_from_msg(message.header.stamp), message.object_id
        if message.status == PlanStatus.RUNNING and name:
            pushed, since = self._pushed
            if pushed != name or not since <= stamp < since + _ACTION_NS:
                self._pushed = name, stamp
                text = f"push: {ROBOT} pushes {name}"
                self._events.append(Event(stamp, EventKind.ACTION, (name, ROBOT), text))
        elif message.status != PlanStatus.HOLDING:
            self._pushed = "", 0

    def _write(self, work: tuple[SceneState, Picture | None]) -> None:
        """In the worker: keep a scene, and now and then say how the memory is."""
        began = time.perf_counter()
        scene, (frame, problem) = work[0], frame_of(work[1])
        if problem:
            self.health.dropped("unreadable picture", detail=problem)
        assert self._memory is not None
        with self._writing:
            self._memory.write(scene, frame)
        self.finished(scene.stamp, began)
        if began - self._told < _STATUS_PERIOD_S:
            return
        self._told = began
        status = self._memory.status()
        self.facts["memory health"] = status.health
        self._status.publish(
            self._factory.make(
                "permanence/msg/MemoryStatus",
                header=header_to_msg(scene.stamp, self.parameters.world_frame, self._factory),
                events=status.events,
                observations=status.observations,
                objects=status.objects,
                bytes=status.bytes,
                health=status.health,
            )
        )

    def _recall(self, request: Any, response: Any) -> Any:
        """Service `recall`."""
        at = time_from_msg(request.at) or None
        near = None
        if request.radius > 0:
            near = (vector_from_msg(request.near), float(request.radius))
        assert self._reader is not None
        try:
            answer = recall(self._reader, request.object_id or request.text, at, near)
        except MemoryStoreError as error:
            response.known, response.answer = False, str(error)
            return response
        most = int(request.k) or _DEFAULT_ANSWERS
        since = time_from_msg(request.since)
        events = [e for e in answer.events if e.stamp >= since]
        response.known, response.answer = answer.known, answer.sentence
        response.objects = [object_state_to_msg(s, self._factory) for s in answer.states[:most]]
        response.events = [self._event_to_msg(e) for e in events[-most:]]
        response.evidence = list(answer.evidence)
        return response

    def _explain(self, request: Any, response: Any) -> Any:
        """Service `explain`."""
        at = time_from_msg(request.at) or None
        assert self._reader is not None
        try:
            answer = self._reader.explain(request.object_id, at, request.attribute or "position")
        except MemoryStoreError as error:
            response.known, response.answer = False, str(error)
            return response
        response.known, response.answer = answer.known, answer.sentence
        response.chain = [self._event_to_msg(k.event, k.evidence) for k in answer.chain]
        response.weights = [link.weight for link in answer.chain]
        return response

    def _what_if(self, request: Any, response: Any) -> Any:
        """Service `what_if`."""
        assert self._reader is not None
        try:
            found = self._reader.what_if(request.action, request.object_id)
        except MemoryStoreError as error:
            response.known, response.answer = False, str(error)
            return response
        response.known, response.answer = found.known, found.sentence
        response.times, response.moved = found.times, found.moved
        response.probability, response.prevented = found.probability, found.prevented
        response.distances = list(found.distances)
        response.others = [name for name, _ in found.others]
        response.others_moved = [times for _, times in found.others]
        response.precedents = [self._event_to_msg(event) for event in found.precedents]
        return response

    def _forget(self, request: Any, response: Any) -> Any:
        """Service `forget`."""
        since, until = time_from_msg(request.since) or None, time_from_msg(request.until) or None
        assert self._memory is not None
        try:
            with self._writing:
                gone = self._memory.forget(request.object_id, since, until)
        except MemoryStoreError as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, gone.text
        response.forgotten, response.erased = gone.events + gone.observations, gone.erased
        return response

    def _snapshot(self, request: Any, response: Any) -> Any:
        """Service `snapshot`; who may call it may write in the memory's folder and nowhere else."""
        assert self._reader is not None
        try:
            path = self._reader.snapshot(_beside(self._reader.path, request.path))
        except MemoryStoreError as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, str(path)
        return response

    def _restore(self, request: Any, response: Any) -> Any:
        """Service `restore`."""
        assert self._reader is not None
        try:
            now = self.get_clock().now().nanoseconds or None
            states = self._reader.restore(request.map_id, now)
        except MemoryStoreError as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, f"{len(states)} objects"
        response.objects = [object_state_to_msg(state, self._factory) for state in states]
        return response

    def _correct_map(self, request: Any, response: Any) -> Any:
        """Service `correct_map`."""
        assert self._memory is not None
        try:
            transform = pose_from_transform(request.transform)
            with self._writing:
                response.message = self._memory.correct_map(transform, request.map_id)
        except PermanenceError as error:
            response.success, response.message = False, str(error)
            return response
        response.success = True
        return response

    def _event_to_msg(self, event: LoggedEvent, more: Iterable[str] = ()) -> Any:
        return self._factory.make(
            "permanence/msg/Event",
            stamp=time_to_msg(event.stamp, self._factory),
            kind=event.kind,
            subjects=list(event.subjects),
            text=event.text,
            evidence=[*event.evidence, *more, f"event {event.seq}"],
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MemoryStoreError(
            f"the folder {folder} of the memory can't be made: {error.strerror}",
            "choose another file with the parameter `file`",
        ) from error


def _beside(memory: Path, name: str) -> Path:
    """Where a copy goes that somebody on the network asks for."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise MemoryStoreError(
            f"{name[:100]!r} is not inside the folder of the memory",
            f"give a path relative to {memory.parent}",
        )
    return memory.parent / path


def _recent(said: tuple[int, tuple[_T, ...]], stamp: int) -> tuple[_T, ...]:
    """What another node said about this moment."""
    when, items = said
    return items if abs(stamp - when) <= _RECENT_NS else ()


def _no_slots(stamp: int, camera_name: str) -> Slots:
    """The memory keeps objects, not what single images showed."""
    return Slots(stamp, camera_name, "", np.zeros((1, 1), np.uint8), (), "")


def main() -> None:
    """Run the node."""
    run_node(MemoryNode)
