"""Node `embodmocap`: keypoints, depth and transforms of one or two cameras in, people out.

Subscribes, publishes, offers: see `perception_nodes.ros.interfaces`. Keypoints come as messages or
from the network. No image is kept: color is searched for people and depth read at them and beside
them, then both are let go.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import Any

from perception_nodes.embodmocap.calibration import Calibration
from perception_nodes.embodmocap.contacts import Floor
from perception_nodes.embodmocap.depths import background, view_of
from perception_nodes.embodmocap.forecast import forecast
from perception_nodes.embodmocap.fusion import PeopleFusion, Upkeep
from perception_nodes.embodmocap.interface import Keypoints, KeypointSource
from perception_nodes.embodmocap.learned import learned_keypoints
from perception_nodes.embodmocap.observation import Noise
from perception_nodes.embodmocap.surface import StaticScene
from perception_nodes.embodmocap.tracker import BodyTracker
from perception_nodes.gate.governor import Part
from perception_nodes.ros.allowance import Allowance
from perception_nodes.ros.camera_input import CameraInput, Shot
from perception_nodes.ros.conversion import people_to_msg
from perception_nodes.ros.interfaces import TRACKED, node
from perception_nodes.ros.managed import ManagedNode
from perception_nodes.ros.parameters import ModelParameters, count, number, switch, text
from perception_nodes.ros.people_messages import (
    KeypointInput,
    forecasts_to_msg,
    people_ids,
    people_markers,
    people_transforms,
    surface_to_msg,
)
from perception_nodes.ros.rclpy_factory import RclpyFactory
from perception_nodes.ros.run import main as run_node

TRANSPORTS = ("raw", "compressed")
CAMERAS = ("a", "b")
_QUEUE = 4
_SCENE_PERIOD_S = 5.0
_FUSE_EVERY = 10

MESSAGES, LEARNED, AUTO = "messages", "learned", "auto"

Work = tuple[Shot, Keypoints | None]
"""An image and its keypoints; None where the network is to find them."""


@dataclass(frozen=True)
class EmbodmocapParameters(ModelParameters):
    """Parameters of the node."""

    cameras: int = count(1, "how many cameras there are: a, or a and b", 1, 2, read_only=True)
    keypoints: str = text(
        MESSAGES, "where they come from; auto: the network, until messages come",
        choices=(MESSAGES, LEARNED, AUTO), read_only=True,
    )  # fmt: skip
    image_transport: str = text("raw", "how images travel", choices=TRANSPORTS)
    transform_patience: float = number(
        0.2, "how long an image waits for the transform of its stamp, s", 0.0, 5.0, read_only=True
    )
    pixel_noise: float = number(
        3.0, "deviation of a keypoint of confidence 1, pixels of an image 640 wide", 0.5, 30.0,
        read_only=True,
    )  # fmt: skip
    depth_noise: float = number(
        0.005, "deviation of depth at 1 m; grows with its square", 0.0005, 0.1, read_only=True
    )
    calibrate_every: float = number(
        0.0, "seconds between calibrations of two cameras; 0 for on demand", 0.0, 3600.0,
        read_only=True,
    )  # fmt: skip
    scene: bool = switch(
        True, "whether depth beside people is fused to the static scene", read_only=True
    )
    floor: float = number(0.0, "height of the floor in the world frame, m", -10.0, 10.0)
    max_people: int = count(20, "how many people are followed", 1, 100, read_only=True)


class EmbodmocapNode(ManagedNode[EmbodmocapParameters]):
    """Finds people with one or two moving cameras."""

    def __init__(self, **options: Any) -> None:
        super().__init__(node("embodmocap"), EmbodmocapParameters, **options)

    def load(self) -> None:
        """Make the fusion and connect the cameras."""
        parameters = self.parameters
        self._factory = RclpyFactory()
        self._lock = threading.Lock()
        self._noise = Noise(parameters.pixel_noise, parameters.depth_noise)
        tracker = BodyTracker(self._noise, most=parameters.max_people)
        self._fusion = PeopleFusion(tracker, self._noise, Upkeep(parameters.calibrate_every))
        self._scene = StaticScene() if parameters.scene else None
        self._support(parameters)
        self._frames, self._told = 0, time.perf_counter()
        names = CAMERAS[: parameters.cameras]
        patience = round(parameters.transform_patience * 1e9)
        self._cameras = {
            c: CameraInput(f"camera_{c}", parameters.world_frame, patience) for c in names
        }
        self._paired = {c: KeypointInput() for c in names}
        self._source: KeypointSource | None = None
        if parameters.keypoints != MESSAGES:
            self._source = learned_keypoints(
                parameters.device, parameters.models(), parameters.precision
            )
        self._told_keypoints: set[str] = set()
        self._outputs = {
            topic.name: self.endpoints.advertise(topic) for topic in self.spec.publishes
        }
        self.endpoints.offer(self.spec.offers("calibrate"), self._calibrate)
        self._worker = self.employ(self._process, _QUEUE)
        for name in names:
            self._connect(name, parameters.image_transport == "compressed")
        self._allowance = Allowance(Part.PEOPLE)
        self.listen("compute_pressure", self._allowance.take)
        self.listen("/tf", lambda m: self._transforms(m, static=False))
        self.listen("/tf_static", lambda m: self._transforms(m, static=True))

    def forget(self) -> None:
        """The clock jumped back: drop people, images and transforms; corrections stay."""
        for name, camera in self._cameras.items():
            camera.reset()
            self._paired[name].reset()
        with self._lock:
            self._fusion.reset()

    def reconfigured(self, parameters: EmbodmocapParameters) -> None:
        """Take over the height of the floor."""
        if self.active:
            self._support(parameters)

    def explain(self) -> str:
        """Why nobody is found."""
        for name, camera in self._cameras.items():
            reason = camera.explain()
            if not reason and not self._searches(name):
                reason = self._paired[name].explain()
            if reason:
                return f"camera {name}: {reason}"
        return ""

    def _support(self, parameters: EmbodmocapParameters) -> None:
        floor = Floor(parameters.floor)
        scene = () if self._scene is None else (self._scene,)
        self._fusion.tracker.supports = (floor, *scene)

    def _connect(self, name: str, compressed: bool) -> None:
        color, depth = f"camera_{name}/color/image_raw", f"camera_{name}/depth/image_raw"
        if compressed:
            color, depth = f"{color}/compressed", f"{depth}/compressedDepth"
        camera, paired = self._cameras[name], self._paired[name]
        camera_name = f"camera_{name}"

        def take(shot: Shot | None) -> None:
            self._take(name, shot)

        def told(message: Any) -> None:
            if self.parameters.keypoints != LEARNED:
                self._told_keypoints.add(name)
                self._offer(paired.take_keypoints(message, camera_name))

        required = name == CAMERAS[0]
        self.listen(color, lambda m: take(camera.take_color(m)), required)
        self.listen(depth, lambda m: take(camera.take_depth(m)), required)
        self.listen(f"{camera_name}/color/camera_info", lambda m: take(camera.take_info(m)))
        self.listen(f"keypoints_{name}", told, required and self._source is None)

    def _transforms(self, message: Any, static: bool) -> None:
        for name, camera in self._cameras.items():
            shot = camera.take_transforms(message, static)
            self._take(name, shot)

    def _take(self, name: str, shot: Shot | None) -> None:
        """A complete image: to be searched, or to wait for its keypoints."""
        if shot is not None:
            searched = self._searches(name)
            self._offer((shot, None) if searched else self._paired[name].take_shot(shot))

    def _searches(self, name: str) -> bool:
        return self._source is not None and name not in self._told_keypoints

    def _offer(self, work: Work | None) -> None:
        if work is not None and not self._allowance.due():
            self.health.dropped("slowed down")
        elif work is not None:
            self.health.dropped("too many wait", self._worker.offer(work))

    def _process(self, work: Work) -> None:
        """In the worker: one view more."""
        began = time.perf_counter()
        shot, keypoints = work
        if shot.pose is None:
            self.health.dropped("pose unknown", detail=self._cameras[shot.camera_name[-1]].problem)
            return
        frame = shot.frame()
        if keypoints is None:
            assert self._source is not None
            keypoints = self._source.find(frame)
        view = view_of(frame, keypoints)
        assert view is not None
        fuse = self._scene is not None and self._frames % _FUSE_EVERY == 0
        self._frames += 1
        static = {}
        if fuse and self._fusion.surface is not None:
            static = {shot.camera_name: background(frame, keypoints, self._noise.depth)}
        with self._lock:
            people = self._fusion.update([view], static)
            correction = self._fusion.correction(shot.camera_name)
        if fuse and self._scene is not None:
            self._scene.add(frame, keypoints, correction.apply(view.pose))
        stamp = max(self._fusion.tracker.stamp, shot.stamp)
        world, make = self.parameters.world_frame, self._factory
        self._outputs["people"].publish(people_to_msg(people, stamp, world, make))
        self._outputs["/tf"].publish(people_transforms(people, stamp, world, make))
        if self._outputs[TRACKED] is not None:
            self._outputs[TRACKED].publish(people_ids(people, stamp, world, make))
        if self._outputs["people_markers"].get_subscription_count():
            markers = people_markers(people, stamp, world, make)
            self._outputs["people_markers"].publish(markers)
        if self._outputs["people_forecast"].get_subscription_count():
            ahead = [forecast(*body) for body in self._fusion.tracker.bodies()]
            self._outputs["people_forecast"].publish(forecasts_to_msg(ahead, stamp, world, make))
        self.finished(shot.stamp, began)
        self._tell(stamp, began)

    def _tell(self, stamp: int, now: float) -> None:
        """Figures for /diagnostics, and now and then the static scene."""
        tracker = self._fusion.tracker
        self.facts = {
            "people": str(len(tracker.people())),
            "keypoints": MESSAGES if self._source is None else self._source.model_id,
            "views too late": str(tracker.late),
            "left and right exchanged": str(tracker.twisted),
            **_told(self._fusion.last),
        }
        if self._scene is None or now - self._told < _SCENE_PERIOD_S:
            return
        self._told = now
        surface = self._scene.points()
        message = surface_to_msg(surface, stamp, self.parameters.world_frame, self._factory)
        self._outputs["scene_points"].publish(message)

    def _calibrate(self, _: Any, response: Any) -> Any:
        """Service `calibrate`; the scene fused so far is the map."""
        with self._lock:
            if self._scene is not None:
                surface = self._scene.points()
                self._fusion.surface = surface if len(surface.points) else None
            found = self._fusion.calibrate()
        self.facts = {**self.facts, **_told(found)}
        response.success = not found.refused
        response.message = found.refused or "; ".join(
            f"{name}: {value}" for name, value in _told(found).items()
        )
        return response


def _told(found: Calibration | None) -> dict[str, str]:
    """A calibration for /diagnostics."""
    if found is None:
        return {"calibration": "none yet"}
    if found.refused:
        return {"calibration": f"refused: {found.refused}"}
    facts = {
        "calibration": f"{found.joints} joints, condition number {found.condition:.0f}",
        "residual before": f"{found.before * 1e3:.0f} mm",
        "residual after": f"{found.after * 1e3:.0f} mm",
    }
    for name, correction in sorted(found.corrections.items()):
        shift = ", ".join(f"{value * 100:.1f}" for value in correction.shift)
        turn, delay = math.degrees(correction.yaw), correction.delay * 1e3
        facts[f"correction of {name}"] = f"{turn:.2f} degrees, ({shift}) cm, {delay:.0f} ms"
    if found.noticed:
        facts["noticed"] = "; ".join(found.noticed)
    return facts


def main() -> None:
    """Run the node."""
    run_node(EmbodmocapNode)
