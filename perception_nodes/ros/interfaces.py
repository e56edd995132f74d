"""The one table of what every node takes, gives and offers; documentation is generated from it.

Plain data without rclpy. Names are relative, so that two robots in two namespaces work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Intent = Literal["SENSOR_DATA", "RESULTS", "LATCHED", "TRANSFORMS", "STATIC_TRANSFORMS"]
"""Names of the members of `perception_nodes.ros.qos.Intent`."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic that a node takes or gives.

    Attributes:
        name: Relative, except for those that ROS fixes (/tf, /clock).
        type_name: "package/msg/Name".
        intent: Quality of service by intent.
        text: What travels on it, for a person.
        optional: Whether the node works without it (taken), or publishes it only where the
            package of its type is installed (given).
    """

    name: str
    type_name: str
    intent: Intent
    text: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service or action that a node offers; `type_name` is "package/srv|action/Name"."""

    name: str
    type_name: str
    text: str


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node: what it is for, takes, gives and offers."""

    name: str
    text: str
    subscribes: tuple[TopicSpec, ...]
    publishes: tuple[TopicSpec, ...]
    services: tuple[ServiceSpec, ...] = ()
    actions: tuple[ServiceSpec, ...] = ()

    def takes(self, name: str) -> TopicSpec:
        """The subscribed topic of that name."""
        return next(t for t in self.subscribes if t.name == name)

    def gives(self, name: str) -> TopicSpec:
        """The published topic of that name."""
        return next(t for t in self.publishes if t.name == name)

    def offers(self, name: str) -> ServiceSpec:
        """The offered service of that name."""
        return next(s for s in self.services if s.name == name)


_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_OBJECTS, _PEOPLE = "permanence/msg/ObjectStateArray", "permanence/msg/PersonArray"
_KEYPOINTS = "permanence/msg/KeypointArray"
TRACKED = "humans/bodies/tracked"
"""Ids of the people, as REP-155 names the topic; each has the transform `body_<id>`."""

TF = TopicSpec("/tf", "tf2_msgs/msg/TFMessage", "TRANSFORMS", "transforms that change")
TF_STATIC = TopicSpec(
    "/tf_static", "tf2_msgs/msg/TFMessage", "STATIC_TRANSFORMS", "transforms that do not change"
)
CLOCK = TopicSpec("/clock", "rosgraph_msgs/msg/Clock", "SENSOR_DATA", "time of a simulation")


def camera_topics(camera: str) -> tuple[TopicSpec, ...]:
    """The topics of an RGB-D camera whose depth is registered to color.

    Images come raw or, with the suffixes of image_transport, compressed; one of the two suffices.
    """
    color, depth = f"{camera}/color/image_raw", f"{camera}/depth/image_raw"
    info = "sensor_msgs/msg/CameraInfo"
    return (
        TopicSpec(color, _IMAGE, "SENSOR_DATA", "color image"),
        TopicSpec(f"{color}/compressed", _COMPRESSED, "SENSOR_DATA", "the same as JPEG or PNG"),
        TopicSpec(depth, _IMAGE, "SENSOR_DATA", "depth, 16UC1 in mm or 32FC1 in m (REP-118)"),
        TopicSpec(f"{depth}/compressedDepth", _COMPRESSED, "SENSOR_DATA", "the same as PNG"),
        TopicSpec(f"{camera}/color/camera_info", info, "SENSOR_DATA", "camera model of both"),
    )


DETECTIONS = TopicSpec(
    "camera/detections",
    "vision_msgs/msg/Detection2DArray",
    "SENSOR_DATA",
    "boxes of a user's detector, with the stamp of the color image; if parameter slots asks for it",
    True,
)
ROBOT_DESCRIPTION = TopicSpec(
    "robot_description", "std_msgs/msg/String", "LATCHED", "URDF; its links are no objects", True
)
SLOTS = TopicSpec("slots", "permanence/msg/SlotArray", "RESULTS", "objects as one image shows them")
SLOT_MASKS = TopicSpec(
    "slot_masks", _IMAGE, "RESULTS", "mono8, value = slot index + 1, 0 for background"
)
PEOPLE = TopicSpec("people", _PEOPLE, "RESULTS", "people with 17 joints each")
OBJECTS = TopicSpec("objects", _OBJECTS, "RESULTS", "objects as believed now, seen or not")
PREDICTIONS = TopicSpec(
    "predictions", "permanence/msg/PredictionArray", "RESULTS", "futures of the objects"
)
INFLUENCES = TopicSpec(
    "influences", "permanence/msg/InfluenceArray", "RESULTS", "who moves whom, 0..1"
)
EVENTS = TopicSpec("events", "permanence/msg/EventArray", "RESULTS", "what happened")
COMMAND = TopicSpec(
    "command",
    "geometry_msgs/msg/TwistStamped",
    "RESULTS",
    "velocity of the frame pusher in the world",
)
COMPUTE_PRESSURE = TopicSpec(
    "compute_pressure",
    "std_msgs/msg/Float64",
    "LATCHED",
    "how many parts are slowed down, in the order of docs/days.md; below 0 there is time to spare",
    True,
)
GOVERNED = ("viewrope", "embodmocap", "memory", "planner")
"""Nodes whose computing the governor in `cjepa` counts."""
PLAN = TopicSpec("plan", "nav_msgs/msg/Path", "RESULTS", "the plan")
PLAN_STATUS = TopicSpec(
    "plan_status", "permanence/msg/PlanStatus", "RESULTS", "how planning goes, why it was refused"
)
TRUTH_OBJECTS = TopicSpec("truth/objects", _OBJECTS, "RESULTS", "true object states")
MARKERS = "visualization_msgs/msg/MarkerArray"


def _optional(topic: TopicSpec) -> TopicSpec:
    return replace(topic, optional=True)


NODES: tuple[NodeSpec, ...] = (
    NodeSpec(
        "viewrope",
        "finds the objects that a camera's images show",
        (
            *camera_topics("camera"),
            DETECTIONS,
            TF,
            TF_STATIC,
            ROBOT_DESCRIPTION,
            COMPUTE_PRESSURE,
            _optional(PLAN_STATUS),
        ),
        (SLOTS, SLOT_MASKS),
    ),
    NodeSpec(
        "embodmocap",
        "finds people with one or two moving cameras",
        (
            *camera_topics("camera_a"),
            *map(_optional, camera_topics("camera_b")),
            TopicSpec("keypoints_a", _KEYPOINTS, "SENSOR_DATA", "joints in the images of camera a"),
            TopicSpec("keypoints_b", _KEYPOINTS, "SENSOR_DATA", "those of camera b", True),
            COMPUTE_PRESSURE,
            TF,
            TF_STATIC,
        ),
        (
            PEOPLE,
            TopicSpec("people_markers", MARKERS, "RESULTS", "people for RViz"),
            TopicSpec(
                "people_forecast",
                "permanence/msg/PersonForecastArray",
                "RESULTS",
                "where joints will be in 0.4, 0.6, 0.8 and 1 s",
            ),
            TopicSpec(TRACKED, "hri_msgs/msg/IdsList", "RESULTS", "ids, as in REP-155", True),
            TopicSpec("scene_points", "sensor_msgs/msg/PointCloud2", "LATCHED", "the static scene"),
            TF,
        ),
        (ServiceSpec("calibrate", "std_srvs/srv/Trigger", "calibrate the cameras anew"),),
    ),
    NodeSpec(
        "cjepa",
        "keeps the object states, seen or not",
        (
            SLOTS,
            SLOT_MASKS,
            _optional(PEOPLE),
            *(t for t in camera_topics("camera") if "color/image" not in t.name),
            _optional(COMMAND),
            _optional(TF),
            _optional(TF_STATIC),
            _optional(PLAN_STATUS),
            *(
                TopicSpec(
                    f"{name}/processing_time_ms",
                    "std_msgs/msg/Float64",
                    "RESULTS",
                    "what a result took that node, for the governor",
                    True,
                )
                for name in GOVERNED
            ),
        ),
        (
            OBJECTS,
            PREDICTIONS,
            INFLUENCES,
            EVENTS,
            COMPUTE_PRESSURE,
            TopicSpec("objects_markers", MARKERS, "RESULTS", "objects for RViz"),
            TopicSpec(
                "detections",
                "vision_msgs/msg/Detection3DArray",
                "RESULTS",
                "objects for tools that know vision_msgs",
                True,
            ),
        ),
        (ServiceSpec("label", "permanence/srv/Label", "a person names an object"),),
    ),
    NodeSpec(
        "memory",
        "keeps what was believed and happened, for days",
        (
            OBJECTS,
            _optional(PEOPLE),
            EVENTS,
            _optional(INFLUENCES),
            _optional(PLAN_STATUS),
            _optional(SLOTS),
            COMPUTE_PRESSURE,
            *(_optional(t) for t in camera_topics("camera") if "depth" not in t.name),
        ),
        (TopicSpec("memory_status", "permanence/msg/MemoryStatus", "LATCHED", "size and health"),),
        (
            ServiceSpec("recall", "permanence/srv/Recall", "where is it, where was it"),
            ServiceSpec("explain", "permanence/srv/Explain", "why is it as it is"),
            ServiceSpec("what_if", "permanence/srv/WhatIf", "what usually follows an action"),
            ServiceSpec("forget", "permanence/srv/Forget", "forget an object or a time"),
            ServiceSpec("snapshot", "permanence/srv/Snapshot", "write a consistent copy"),
            ServiceSpec("restore", "permanence/srv/Restore", "the states last known on a map"),
            ServiceSpec("correct_map", "permanence/srv/CorrectMap", "move all with its map"),
        ),
    ),
    NodeSpec(
        "planner",
        "plans how to push an object to a place",
        (
            OBJECTS,
            _optional(PREDICTIONS),
            _optional(PEOPLE),
            TopicSpec("emergency_stop", "std_msgs/msg/Bool", "RESULTS", "true stops; it latches"),
            TF,
            TF_STATIC,
            COMPUTE_PRESSURE,
        ),
        (PLAN, COMMAND, PLAN_STATUS),
        (ServiceSpec("enable", "std_srvs/srv/SetBool", "let commands out, or keep them in"),),
        (ServiceSpec("achieve", "permanence/action/Achieve", "bring an object to a pose"),),
    ),
    NodeSpec(
        "view",
        "shows the running graph in a browser",
        (
            OBJECTS,
            *map(
                _optional,
                (SLOTS, SLOT_MASKS, PEOPLE, PREDICTIONS, INFLUENCES, EVENTS, PLAN, PLAN_STATUS),
            ),
            *(_optional(t) for t in camera_topics("camera") if "depth" not in t.name),
        ),
        (),
    ),
    NodeSpec(
        "simulator",
        "simulates a table, a camera and a pusher",
        (_optional(COMMAND),),
        (
            *(t for t in camera_topics("camera") if t.type_name != _COMPRESSED),
            CLOCK,
            TF,
            replace(ROBOT_DESCRIPTION, optional=False, text="URDF of the pusher"),
            TRUTH_OBJECTS,
            TopicSpec("truth/people", _PEOPLE, "RESULTS", "true people"),
        ),
        (ServiceSpec("reset", "std_srvs/srv/Trigger", "start the scene anew"),),
    ),
    NodeSpec(
        "gazebo",
        "tells the truth about a world in Gazebo and guards its pusher",
        (
            TopicSpec("truth/poses", TF.type_name, "TRANSFORMS", "true poses of all objects"),
            TF,
            TF_STATIC,
            next(t for t in camera_topics("camera") if "camera_info" in t.name),
            _optional(COMMAND),
        ),
        (
            TRUTH_OBJECTS,
            TopicSpec(
                "pusher_velocity", "geometry_msgs/msg/Twist", "RESULTS", "the command, bounded"
            ),
        ),
    ),
)


def node(name: str) -> NodeSpec:
    """The node of that name.

    Raises:
        KeyError: There is none.
    """
    return {n.name: n for n in NODES}[name]
