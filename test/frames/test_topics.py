"""Finding the topics of a camera among those of a recording."""

from __future__ import annotations

import pytest

from perception_nodes.bags.model import Topic
from perception_nodes.errors import BagError
from perception_nodes.frames.names import camera_name
from perception_nodes.frames.topics import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    CameraTopics,
    TopicChoice,
    find_cameras,
)


class Topics:
    """Topics of a recording with the encodings of their first messages."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = {}
        self.encodings: dict[str, str] = {}

    def image(self, name: str, encoding: str, count: int | None = 10) -> Topics:
        kind = COMPRESSED if name.endswith(("/compressed", "/compressedDepth")) else IMAGE
        if count != 0 and encoding:
            self.encodings[name] = encoding
        return self.add(name, kind, count)

    def info(self, *names: str) -> Topics:
        for name in names:
            self.add(name, CAMERA_INFO, 10)
        return self

    def add(self, name: str, kind: str, count: int | None = 10) -> Topics:
        self.topics[name] = Topic(name, kind, count, "cdr", "")
        return self

    def find(self, color: str = "", depth: str = "", info: str = "") -> list[CameraTopics]:
        return self.found(color, depth, info)[0]

    def found(
        self, color: str = "", depth: str = "", info: str = ""
    ) -> tuple[list[CameraTopics], list[str]]:
        ordered = dict(sorted(self.topics.items()))
        return find_cameras(ordered, self.encodings, TopicChoice(color, depth, info))

    def only(self, color: str = "", depth: str = "", info: str = "") -> CameraTopics:
        (camera,) = self.find(color, depth, info)
        return camera


def realsense(camera: str = "/camera/camera") -> Topics:
    """The ROS 2 driver of RealSense, all streams on."""
    found = Topics()
    for name, encoding in (
        ("color/image_raw", "rgb8"),
        ("depth/image_rect_raw", "16UC1"),
        ("aligned_depth_to_color/image_raw", "16UC1"),
        ("infra1/image_rect_raw", "mono8"),
    ):
        found.image(f"{camera}/{name}", encoding)
        found.info(f"{camera}/{name.split('/')[0]}/camera_info")
    return found


def test_the_aligned_depth_of_a_realsense_is_preferred() -> None:
    camera = realsense().only()
    assert camera.name == "camera"
    assert camera.color == "/camera/camera/color/image_raw"
    assert camera.depth == "/camera/camera/aligned_depth_to_color/image_raw"
    assert camera.color_info == "/camera/camera/color/camera_info"
    assert camera.depth_info == "/camera/camera/aligned_depth_to_color/camera_info"


def test_depth_topics_that_no_camera_uses_are_told() -> None:
    assert realsense().found()[1] == ["/camera/camera/depth/image_rect_raw"]


def test_without_aligned_depth_the_raw_one_is_taken_with_its_own_camera_model() -> None:
    topics = realsense()
    del topics.topics["/camera/camera/aligned_depth_to_color/image_raw"]
    camera = topics.only()
    assert camera.depth == "/camera/camera/depth/image_rect_raw"
    assert camera.depth_info == "/camera/camera/depth/camera_info"


def test_an_azure_kinect_has_two_namespaces_and_no_common_one() -> None:
    topics = Topics().info("/rgb/camera_info", "/depth/camera_info", "/depth_to_rgb/camera_info")
    topics.image("/rgb/image_raw", "bgra8").image("/rgb_to_depth/image_raw", "bgra8")
    topics.image("/depth/image_raw", "32FC1").image("/depth_to_rgb/image_raw", "32FC1")
    topics.image("/ir/image_raw", "mono16")
    camera = topics.only()
    assert camera.name == "camera"
    assert camera.color == "/rgb/image_raw"
    assert camera.depth == "/depth_to_rgb/image_raw"
    assert camera.color_info == "/rgb/camera_info"


def test_a_zed_gives_rectified_color_and_not_its_confidence_map() -> None:
    topics = Topics()
    for name in ("left", "right", "rgb"):
        topics.image(f"/zed/zed_node/{name}/image_rect_color", "bgra8")
        topics.info(f"/zed/zed_node/{name}/camera_info")
    topics.image("/zed/zed_node/depth/depth_registered", "32FC1")
    topics.image("/zed/zed_node/confidence/confidence_map", "32FC1")
    topics.info("/zed/zed_node/depth/camera_info")
    camera = topics.only()
    assert camera.name == "zed"
    assert camera.depth == "/zed/zed_node/depth/depth_registered"
    assert camera.color == "/zed/zed_node/left/image_rect_color"  # the same lens as rgb
    assert camera.color_info == "/zed/zed_node/left/camera_info"
    assert camera.depth_info == "/zed/zed_node/depth/camera_info"


def test_the_names_of_the_tum_benchmark_are_known() -> None:
    topics = Topics().info("/camera/rgb/camera_info", "/camera/depth/camera_info")
    topics.image("/camera/rgb/image_color", "rgb8").image("/camera/depth/image", "32FC1")
    assert topics.only() == CameraTopics(
        "camera",
        "/camera/depth/image",
        "/camera/rgb/image_color",
        "/camera/rgb/camera_info",
        "/camera/depth/camera_info",
    )


def test_recordings_of_the_realsense_viewer_are_known() -> None:
    device, topics = "/device_0", Topics()
    for number, stream, encoding in ((0, "Depth_0", "mono16"), (1, "Color_0", "rgb8")):
        topics.image(f"{device}/sensor_{number}/{stream}/image/data", encoding)
        topics.info(f"{device}/sensor_{number}/{stream}/info/camera_info")
    topics.image("/device_0/sensor_0/Infrared_1/image/data", "mono8")
    assert topics.only() == CameraTopics(
        "device_0",
        "/device_0/sensor_0/Depth_0/image/data",
        "/device_0/sensor_1/Color_0/image/data",
        "/device_0/sensor_1/Color_0/info/camera_info",
        "/device_0/sensor_0/Depth_0/info/camera_info",
    )


def test_two_cameras_are_kept_apart_by_their_namespaces() -> None:
    left, right = realsense("/left/camera"), realsense("/right/camera")
    left.topics |= right.topics
    left.encodings |= right.encodings
    a, b = left.find()
    assert (a.name, b.name) == ("left", "right")
    assert all(t.startswith("/left/") for t in a.all())
    assert all(t.startswith("/right/") for t in b.all())


def test_cameras_whose_names_would_be_equal_are_numbered() -> None:
    topics = Topics()
    for room in ("kitchen_node", "garage_node"):
        topics.image(f"/{room}/camera/depth/image", "16UC1").info(f"/{room}/camera/depth/info")
        topics.image(f"/{room}/camera/color/image", "rgb8")
    assert [c.name for c in topics.find()] == ["camera_0", "camera_1"]


def test_what_the_user_names_overrides_what_was_found() -> None:
    topics = realsense()
    camera = topics.only(depth="/camera/camera/depth/image_rect_raw")
    assert camera.depth == "/camera/camera/depth/image_rect_raw"
    camera = topics.only(color="/camera/camera/infra1/image_rect_raw")
    assert camera.color == "/camera/camera/infra1/image_rect_raw"
    camera = topics.only(info="/camera/camera/infra1/camera_info")
    assert (camera.color_info, camera.depth_info) == ("/camera/camera/infra1/camera_info", "")


def test_a_color_topic_that_the_user_names_gets_the_depth_of_its_own_camera() -> None:
    left, right = realsense("/left/camera"), realsense("/right/camera")
    left.topics |= right.topics
    left.encodings |= right.encodings
    camera = left.only(color="/right/camera/color/image_raw")
    assert camera.depth == "/right/camera/aligned_depth_to_color/image_raw"


def test_of_an_image_recorded_raw_and_compressed_the_fuller_topic_is_taken() -> None:
    topics = Topics().info("/c/color/camera_info")
    topics.image("/c/color/image", "rgb8", 3).image("/c/color/image/compressed", "jpeg", 30)
    topics.image("/c/depth/image", "16UC1", 30)
    topics.image("/c/depth/image/compressedDepth", "16UC1; compressedDepth png", 30)
    camera = topics.only()
    assert camera.color == "/c/color/image/compressed"
    assert camera.depth == "/c/depth/image"


def test_of_compressed_depths_the_lossless_one_is_taken() -> None:
    topics = Topics().info("/c/depth/camera_info").image("/c/depth/image/compressed", "jpeg")
    topics.image("/c/depth/image/compressedDepth", "16UC1; compressedDepth png")
    assert topics.only().depth == "/c/depth/image/compressedDepth"


@pytest.mark.parametrize("encoding", ["rgb8; jpeg compressed bgr8", "jpeg", "png", ""])
def test_the_color_images_of_a_camera_called_depth_camera_are_not_depth(encoding: str) -> None:
    topics = Topics().info("/depth_camera/color/camera_info")
    topics.image("/depth_camera/color/image/compressed", encoding)
    topics.image("/depth_camera/depth/image", "32FC1")
    camera = topics.only()
    assert camera.depth == "/depth_camera/depth/image"
    assert camera.color == "/depth_camera/color/image/compressed"


def test_a_thermal_camera_is_not_taken_for_a_depth_camera() -> None:
    topics = realsense().image("/thermal/image_raw", "mono16").info("/thermal/camera_info")
    assert [c.name for c in topics.find()] == ["camera"]


def test_depth_without_the_word_in_its_name_is_known_by_its_encoding() -> None:
    topics = Topics().info("/tof/camera_info").image("/tof/range", "32FC1")
    camera = topics.only()
    assert (camera.depth, camera.color) == ("/tof/range", "")


def test_an_empty_color_topic_does_not_stand_in_the_way_of_depth() -> None:
    topics = Topics().info("/c/depth/camera_info").image("/c/depth/image", "16UC1")
    topics.image("/c/color/image", "rgb8", 0).image("/d/color/image", "rgb8", 5)
    assert topics.only().color == "/d/color/image"


def test_counts_that_a_damaged_recording_does_not_know_are_no_hindrance() -> None:
    topics = Topics().info("/c/depth/camera_info").image("/c/depth/image", "16UC1", None)
    topics.image("/c/color/image", "rgb8", None)
    assert topics.only().color == "/c/color/image"


def test_our_own_images_are_not_taken_for_a_camera() -> None:
    topics = realsense().image("/slot_masks", "mono8").image("/camera/preview/compressed", "jpeg")
    topics.image("/truth/masks", "mono8")
    assert topics.only().color == "/camera/camera/color/image_raw"


def test_a_recording_without_depth_or_camera_model_or_chosen_topic_is_refused() -> None:
    topics = Topics().image("/c/color/image", "rgb8")
    with pytest.raises(BagError, match="no depth topic"):
        topics.find()
    with pytest.raises(BagError, match="no topic '/c/depth'"):
        topics.find(depth="/c/depth")
    with pytest.raises(BagError, match="no CameraInfo topic"):
        topics.image("/c/depth/image", "16UC1").find()


@pytest.mark.parametrize(
    ("depth", "color", "name"),
    [
        ("/camera/depth/image", "/camera/rgb/image", "camera"),
        ("/robot1/left_camera/depth/image", "/robot1/left_camera/color/image", "left_camera"),
        ("/kinect2/hd/image_depth_rect", "/kinect2/hd/image_color_rect", "kinect2"),
        ("/depth/image_raw", "", "camera"),
        ("/front/depth/image_raw", "", "front"),
        ("/arm cam/depth/image", "/arm cam/color/image", "arm_cam"),
    ],
)
def test_cameras_are_named_by_what_their_topics_share(depth: str, color: str, name: str) -> None:
    assert camera_name(depth, color) == name
