"""Node `cjepa`: slots in, object states, their futures and events out; it owns the object states.

Subscribes, publishes, offers: see `perception_nodes.ros.interfaces`. Parameter `motion` says what
foresees objects; without a usable world model it is the Kalman filter, and /diagnostics says why.
When it becomes active it asks
the memory what was known on this map, so that objects keep their ids over a restart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from perception_nodes.cjepa.foresight import Foresight, make_foresight
from perception_nodes.cjepa.names import DEFAULT, MOTIONS
from perception_nodes.cjepa.source import Futures
from perception_nodes.errors import ConfigurationError, InputError
from perception_nodes.gate.governor import Governor, Part
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.ros.actor_input import ActorInput
from perception_nodes.ros.conversion import (
    events_to_msg,
    influences_to_msg,
    object_state_from_msg,
    object_states_to_msg,
    predictions_to_msg,
)
from perception_nodes.ros.future_markers import future_markers
from perception_nodes.ros.geometry_messages import time_from_msg
from perception_nodes.ros.interfaces import GOVERNED, node
from perception_nodes.ros.managed import ManagedNode
from perception_nodes.ros.mirrors import detections_to_msg, markers_to_msg
from perception_nodes.ros.parameters import NAME, ModelParameters, number, text
from perception_nodes.ros.rclpy_factory import RclpyFactory, interface
from perception_nodes.ros.run import main as run_node
from perception_nodes.ros.slot_input import SlotInput, SlotShot
from perception_nodes.scene import Event, EventKind, Frame, ObjectState, PlanStatus

TRANSPORTS = ("raw", "compressed")
_QUEUE = 10
_NEEDED_NS = 1_000_000_000


@dataclass(frozen=True)
class CjepaParameters(ModelParameters):
    """Parameters of the node."""

    image_transport: str = text("raw", "how depth images travel", choices=TRANSPORTS)
    motion: str = text(
        DEFAULT, "what foresees objects: a Kalman filter each, or the world model", choices=MOTIONS
    )
    map_id: str = text("map", "name of the map in the memory; empty to start without it", NAME)
    compute_budget: float = number(
        0.0, "seconds a second that all nodes together may compute; 0: no governor", 0.0, 64.0,
        read_only=True,
    )  # fmt: skip
    memory_patience: float = number(
        1.0, "how long to wait for the memory at the start, s", 0.0, 60.0, read_only=True
    )


class CjepaNode(ManagedNode[CjepaParameters]):
    """Keeps the object states, seen or not."""

    def __init__(self, **options: Any) -> None:
        super().__init__(node("cjepa"), CjepaParameters, **options)

    def load(self) -> None:
        """Make the tracker and connect it."""
        parameters = self.parameters
        self._factory = RclpyFactory()
        self._lock = threading.Lock()
        self._govern()
        self._foresight = self.make_foresight()
        self._tracker = ObjectTracker(motion=self._foresight.motion)
        self._actors = ActorInput(parameters.world_frame)
        self.facts["futures"] = self._foresight.futures.model_id
        if self.degraded():
            self.get_logger().warning(self.degraded())
        self.facts["models"] = f"{parameters.models()}, device {parameters.device}"
        self._stamp = 0
        self._input = SlotInput()
        self._restore: Any = None
        self._objects = self.endpoints.advertise(self.spec.gives("objects"))
        self._predictions = self.endpoints.advertise(self.spec.gives("predictions"))
        self._influences = self.endpoints.advertise(self.spec.gives("influences"))
        self._events = self.endpoints.advertise(self.spec.gives("events"))
        self._markers = self.endpoints.advertise(self.spec.gives("objects_markers"))
        self._detections = self.endpoints.advertise(self.spec.gives("detections"))
        self.endpoints.offer(self.spec.offers("label"), self._label)
        if parameters.map_id:
            self._restore = self.endpoints.client(node("memory").offers("restore"))
        self._answer: Any = None
        self._patience_ends: float | None = None
        self._worker = self.employ(self._process, _QUEUE)
        compressed = parameters.image_transport == "compressed"
        depth = "camera/depth/image_raw" + ("/compressedDepth" if compressed else "")
        self.listen("slots", lambda m: self._offer(self._input.take_slots(m)), required=True)
        self.listen("slot_masks", lambda m: self._offer(self._input.take_masks(m)), required=True)
        self.listen(depth, lambda m: self._offer(self._input.take_depth(m)), required=True)
        self.listen("camera/color/camera_info", lambda m: self._offer(self._input.take_info(m)))
        if self._foresight.motion is not None:
            self._listen_to_actors()

    def make_foresight(self) -> Foresight:
        """What foresees the objects."""
        parameters = self.parameters
        return make_foresight(
            parameters.motion, parameters.device, parameters.models(), parameters.precision
        )

    def degraded(self) -> str:
        """Why there is no world model although it was asked for, and what is slowed down."""
        slowed = "" if self._governor is None else self._governor.says()
        return "; ".join(filter(None, (self._foresight.problem, slowed)))

    def _govern(self) -> None:
        """Own the compute budget of the graph, if there is one."""
        budget = self.parameters.compute_budget
        self._governor = Governor(budget) if budget > 0.0 else None
        self._computed: dict[Part, float] = {}
        self._expected = Futures()
        self._pressure = self.endpoints.advertise(self.spec.gives("compute_pressure"))
        if self._governor is None:
            return
        parts = (Part.SEARCH, Part.PEOPLE, Part.MEMORY, Part.PLANNING)
        for name, part in zip(GOVERNED, parts, strict=True):
            self.listen(f"{name}/processing_time_ms", partial(self._count, part))
        self.listen("plan_status", self._heed)

    def _count(self, part: Part, message: Any) -> None:
        """What another node computed, ms, since the last frame."""
        with self._lock:
            self._computed[part] = self._computed.get(part, 0.0) + 1e-3 * message.data

    def _heed(self, message: Any) -> None:
        """While the robot pushes something, futures are foreseen at each frame."""
        if self._governor is not None and message.status == PlanStatus.RUNNING:
            until = time_from_msg(message.header.stamp) + _NEEDED_NS
            with self._lock:
                self._governor.need((Part.FUTURES,), until)

    def _account(self, stamp: int, foresaw: float, other: float, happened: bool) -> None:
        """Tell the governor what was computed, and the graph what comes of it."""
        if self._governor is None:
            return
        if happened:
            self._governor.stirred(stamp)
        spent = self._computed | ({Part.FUTURES: foresaw} if foresaw else {})
        self._computed = {}
        self._governor.spent(stamp, spent, other)
        self._pressure.publish(interface("std_msgs/msg/Float64")(data=self._governor.pressure))
        self.facts |= self._governor.facts()

    def _listen_to_actors(self) -> None:
        actors = self._actors
        self.listen("command", actors.take_command)
        self.listen("people", actors.take_people)
        self.listen("/tf", lambda m: actors.take_transforms(m, static=False))
        self.listen("/tf_static", lambda m: actors.take_transforms(m, static=True))

    def forget(self) -> None:
        """The clock jumped back: drop the objects; the memory keeps them."""
        self._input.reset()
        self._actors.reset()
        with self._lock:
            self._tracker.reset()
            self._foresight.reset()

    def explain(self) -> str:
        """Why nothing comes out."""
        return self._input.explain()

    def _offer(self, shots: Sequence[SlotShot]) -> None:
        for shot in shots:
            if not self._memory_answered():
                self.health.dropped("waiting for the memory")
                continue
            self.health.dropped("too many wait", self._worker.offer(shot))

    def _process(self, shot: SlotShot) -> None:
        """In the worker: update the objects and publish them."""
        began = time.perf_counter()
        frame, slots = shot.convert()
        world_frame = self.parameters.world_frame
        if shot.slots.world_frame not in ("", world_frame):
            raise InputError(
                f"the slots come with poses in {shot.slots.world_frame!r}, but the objects are "
                f"kept in {world_frame!r}",
                "give viewrope and cjepa the same parameter world_frame",
            )
        with self._lock:
            known = np.array([state.position for state in self._tracker.states()]).reshape(-1, 3)
            self._foresight.tell(self._actors.at(frame.stamp, known))
            objects, events = self._tracker.update(frame, slots)
            objects = self._foresight.learn(objects)
            foresaw = -time.perf_counter()
            foresees = self._governor is None or self._governor.due(Part.FUTURES, frame.stamp)
            if foresees:
                self._expected = self._foresight.futures.foresee(frame.stamp, objects)
            futures = self._expected
            foresaw += time.perf_counter()
            if self._foresight.events is not None:
                events += self._foresight.events.tell(frame.stamp, objects)
            self._stamp = frame.stamp
            other = time.perf_counter() - began - foresaw
            self._account(frame.stamp, foresaw if foresees else 0.0, other, bool(events))
        self._tell(events, frame.stamp)
        self._publish(objects, futures, frame)
        self.finished(frame.stamp, began)

    def _publish(self, objects: Sequence[ObjectState], futures: Futures, frame: Frame) -> None:
        """The object states always; what is derived from them only if somebody listens."""
        where = (frame.stamp, self.parameters.world_frame, self._factory)
        if self._influences.get_subscription_count():
            self._influences.publish(influences_to_msg(futures.influences, *where))
        self._objects.publish(object_states_to_msg(objects, *where, frame.camera_name))
        if self._predictions.get_subscription_count():
            self._predictions.publish(predictions_to_msg(futures.predictions, *where))
        if self._markers.get_subscription_count():
            shown = markers_to_msg(objects, *where)
            header = shown.markers[0].header
            shown.markers += future_markers(objects, *futures, header, self._factory)
            self._markers.publish(shown)
        if self._detections is not None and self._detections.get_subscription_count():
            self._detections.publish(detections_to_msg(objects, *where))

    def _tell(self, events: Sequence[Event], stamp: int) -> None:
        if events:
            world_frame = self.parameters.world_frame
            self._events.publish(events_to_msg(events, stamp, world_frame, self._factory))

    def _label(self, request: Any, response: Any) -> Any:
        """Service `label`."""
        try:
            with self._lock:
                self._tracker.label(request.object_id, request.label)
                stamp = self._stamp
        except ConfigurationError as error:
            response.success, response.message = False, str(error)
            return response
        text = f'{request.object_id} is called "{request.label}"'
        self._tell([Event(stamp, EventKind.LABELED, (request.object_id,), text)], stamp)
        response.success, response.message = True, text
        return response

    def _memory_answered(self) -> bool:
        """Whether the memory said what it knows, or is not there; asks it."""
        if self._restore is None:
            return True
        if self._patience_ends is None:
            self._patience_ends = time.monotonic() + self.parameters.memory_patience
        if self._answer is None and self._restore.service_is_ready():
            request = interface("permanence/srv/Restore").Request(map_id=self.parameters.map_id)
            self._answer = self._restore.call_async(request)
        if self._answer is not None and self._answer.done():
            self._take_over(self._answer.result())
        elif time.monotonic() < self._patience_ends:
            return False
        else:
            self.get_logger().info("no memory answers: starting without it")
        self._restore = None
        return True

    def _take_over(self, answer: Any) -> None:
        states = [object_state_from_msg(m, time_from_msg(m.last_seen)) for m in answer.objects]
        with self._lock:
            self._tracker.restore(states)
        self.facts["restored from memory"] = f"{len(states)} objects"


def main() -> None:
    """Run the node."""
    run_node(CjepaNode)
