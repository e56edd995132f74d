"""Node `view`: the running graph as a page in the browser.

Subscribes: see `perception_nodes.ros.interfaces`. It publishes nothing.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from perception_nodes.errors import InputError
from perception_nodes.ros.conversion import (
    events_from_msg,
    influences_from_msg,
    object_states_from_msg,
    people_from_msg,
    predictions_from_msg,
    slots_from_msg,
)
from perception_nodes.ros.geometry_messages import time_from_msg, vector_from_msg
from perception_nodes.ros.images import label_image
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.managed import ManagedNode
from perception_nodes.ros.parameters import NodeParameters, count, text
from perception_nodes.ros.picture_input import PictureInput
from perception_nodes.ros.rclpy_factory import interface
from perception_nodes.ros.run import main as run_node
from perception_nodes.scene import (
    Event,
    Influence,
    Person,
    PlanStatus,
    Prediction,
    SceneState,
    Slots,
)
from perception_nodes.view import PORT
from perception_nodes.view.scene_json import PlanShown
from perception_nodes.view.viewer import Viewer

_PATIENCE_S = 3.0
_TITLE = "Permanence"


@dataclass(frozen=True)
class ViewParameters(NodeParameters):
    """Parameters of the node."""

    port: int = count(PORT, "of the page on this computer; 0 for any that is free", 0, 65535, True)
    image_transport: str = text("raw", "how images travel", choices=("raw", "compressed"))


class ViewNode(ManagedNode[ViewParameters]):
    """Shows the graph in a browser."""

    def __init__(self, **options: Any) -> None:
        super().__init__(node("view"), ViewParameters, **options)

    def load(self) -> None:
        """Serve the page and connect."""
        self._memory = self.endpoints.client(node("memory").offers("recall"))
        self._viewer = Viewer(_TITLE, self._ask, self.parameters.port)
        self.facts["page"] = self._viewer.address
        self.get_logger().info(f"open {self._viewer.address} in a browser on this computer")
        self._pictures = PictureInput()
        self.forget()
        compressed = self.parameters.image_transport == "compressed"
        color = f"camera/color/image_raw{'/compressed' if compressed else ''}"
        self.listen("objects", self._show, required=True)
        self.listen(color, self._pictures.take_color)
        self.listen("camera/color/camera_info", self._pictures.take_info)
        self.listen("slots", self._take_slots)
        self.listen("slot_masks", self._take_masks)
        self.listen("people", self._take_people)
        self.listen("predictions", self._take_predictions)
        self.listen("influences", self._take_influences)
        self.listen("events", lambda m: self._events.extend(events_from_msg(m)))
        self.listen("plan", self._take_plan)
        self.listen("plan_status", self._take_status)

    def unload(self) -> None:
        """Serve no longer."""
        viewer = getattr(self, "_viewer", None)
        if viewer is not None:
            viewer.close()

    def forget(self) -> None:
        """The clock jumped back: what came before is not of now."""
        self._pictures.reset()
        self._slots: Any = None
        self._masks: Any = None
        self._people: tuple[Person, ...] = ()
        self._predictions: tuple[Prediction, ...] = ()
        self._influences: tuple[Influence, ...] = ()
        self._events: list[Event] = []
        self._plan = PlanShown("", "", np.zeros((0, 3)))

    @property
    def address(self) -> str:
        """Where the page is."""
        return self._viewer.address

    def _take_slots(self, message: Any) -> None:
        self._slots = message
        self._pictures.take_slots(message)

    def _take_masks(self, message: Any) -> None:
        self._masks = message

    def _take_people(self, message: Any) -> None:
        self._people = people_from_msg(message)

    def _take_predictions(self, message: Any) -> None:
        self._predictions = predictions_from_msg(message)

    def _take_influences(self, message: Any) -> None:
        self._influences = influences_from_msg(message)

    def _take_plan(self, message: Any) -> None:
        places = [vector_from_msg(pose.pose.position) for pose in message.poses]
        tip = np.array(places).reshape(-1, 3)
        self._plan = PlanShown(self._plan.status, self._plan.reason, tip)

    def _take_status(self, message: Any) -> None:
        status = PlanStatus(message.status)
        moving = status in (PlanStatus.RUNNING, PlanStatus.HOLDING)
        tip = self._plan.tip if moving else np.zeros((0, 3))
        self._plan = PlanShown(status.name, message.reason, tip)

    def _show(self, message: Any) -> None:
        """New object states: the page gets them with the newest of all else."""
        began = time.perf_counter()
        stamp = time_from_msg(message.header.stamp)
        slots, frame = self._seen(stamp)
        state = SceneState(
            stamp=stamp,
            slots=slots,
            objects=object_states_from_msg(message),
            events=tuple(self._events),
            people=self._people,
            predictions=self._predictions,
            influences=self._influences,
        )
        self._events.clear()
        self._viewer.show(frame, state, self._plan if self._plan.status else None)
        self.finished(stamp, began)

    def _seen(self, stamp: int) -> tuple[Slots, Any]:
        """The newest slots, with masks if there are any, and the picture that they are of."""
        found = Slots(stamp, "", "", np.zeros((1, 1), np.uint8), (), "")
        message = self._slots
        if message is None:
            return found, None
        at = time_from_msg(message.header.stamp)
        if self._masks is not None and time_from_msg(self._masks.header.stamp) == at:
            found, _ = slots_from_msg(message, label_image(self._masks))
        picture = self._pictures.picture(at, message.camera_name)
        return found, None if picture is None else picture.frame()

    def _ask(self, question: str) -> str:
        """Ask the memory; in a thread of the page.

        Raises:
            InputError: It does not answer.
        """
        if not self._memory.service_is_ready():
            raise InputError("no memory node is running here")
        request = interface("permanence/srv/Recall").Request(text=question)
        done = threading.Event()
        future = self._memory.call_async(request)
        future.add_done_callback(lambda _: done.set())
        if not done.wait(_PATIENCE_S):
            raise InputError("the memory does not answer")
        response = future.result()
        evidence = ", ".join(response.evidence)
        return str(response.answer) + (f"\nevidence: {evidence}" if evidence else "")


def main() -> None:
    """Run the node."""
    run_node(ViewNode)
