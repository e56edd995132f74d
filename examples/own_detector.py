"""Track what a detector of your own finds.

    python examples/own_detector.py RECORDING [FOLDER]

Here, colorful things by OpenCV; put a network in its place. Slots, object states, memory and
report follow as with every other source.
"""

import sys
from pathlib import Path

import cv2

from perception_nodes.bags.reader import open_bag
from perception_nodes.frames.source import FrameSource
from perception_nodes.scene import Frame
from perception_nodes.session import About, Outputs, run_session
from perception_nodes.viewrope.detections import Detection, DetectionFinder


class ColorfulThings:
    """A detector is anything with a name and `detect`."""

    name = "colorful"

    def detect(self, frame: Frame) -> list[Detection]:
        """One box around each colorful spot; the score is how much of the box it fills."""
        saturation = cv2.cvtColor(frame.color, cv2.COLOR_RGB2HSV)[..., 1]
        _, spots = cv2.threshold(saturation, 90, 255, cv2.THRESH_BINARY)
        _, _, boxes, _ = cv2.connectedComponentsWithStats(spots)
        return [
            Detection((x, y, x + w, y + h), float(pixels / (w * h)))
            for x, y, w, h, pixels in boxes[1:]
            if pixels > 600
        ]


recording, out = Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "out")
outputs = Outputs(out / "objects.mcap", out, out / "memory.db")
with open_bag(recording) as bag:
    frames = FrameSource(bag)
    finder = DetectionFinder(ColorfulThings())
    result = run_session(
        frames,
        recording.name,
        outputs,
        lambda: About(frames.pose_origin, frames.notes),
        slots=finder,
    )
print(f"{result.outcome.frames} frames; report: {result.report}")
for note in result.notes:
    print(f"note: {note}")
