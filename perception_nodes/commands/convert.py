"""`permanence convert`: a folder of images in the plain layout becomes a recording."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from perception_nodes.errors import ConfigurationError

if TYPE_CHECKING:
    from perception_nodes.bags.plain_to_bag import Summary

_EPILOG = """\
the plain layout:
  color/NNNNN.*    images
  depth/NNNNN.png  16-bit depth of the same pixels, 0 for no reading
  camera.yaml      width height fx fy cx cy depth_unit_m rate_hz
  poses.txt        a row `time tx ty tz qx qy qz qw` a frame: optical frame in the world; optional

Where the first pose is the identity, the world is turned so that the main plane of the first image
is horizontal and z points up (REP-103).

examples:
  permanence convert recordings/desk                        writes desk.mcap
  permanence convert desk -o small.mcap --scale 0.5 --frames 0:100
  permanence convert desk -o desk_bag --storage sqlite3     a folder for `ros2 bag play`

exit status: 0 all converted, 1 failed, 2 wrong usage, 3 converted without the images that could
not be read
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "convert",
        help="turn a folder of color and depth images into a recording",
        description="Turn a folder of color and depth images into a rosbag2 recording.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="a folder in the plain layout")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="NAME.mcap, or a folder to be made (default: the folder's name, here)",
    )
    parser.add_argument(
        "--storage", choices=("mcap", "sqlite3"), default="mcap", help="file format (mcap)"
    )
    parser.add_argument("--raw", action="store_true", help="images without compression")
    parser.add_argument("--scale", type=_scale, default=1.0, help="resize images, 0..1 (1)")
    parser.add_argument("--stride", type=_stride, default=1, help="keep every Nth frame (1)")
    parser.add_argument(
        "--frames", type=_frames, default=slice(None), metavar="A:B", help="from A to before B"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert, and say with the exit status whether anything was lost."""
    from perception_nodes.bags.plain import PlainRecording
    from perception_nodes.bags.plain_to_bag import convert
    from perception_nodes.commands.progress import ProgressBar

    recording = PlainRecording(args.folder)
    frames = recording.frames[args.frames][:: args.stride]
    if not frames:
        raise ConfigurationError(
            f"--frames selects none of the {len(recording.frames)} frames", "select some"
        )
    output = args.output or _default_output(args.folder, args.storage)
    with ProgressBar("convert", len(frames)) as progress:
        summary = convert(
            recording,
            frames,
            output,
            storage=args.storage,
            scale=args.scale,
            compressed=not args.raw,
            on_frame=progress.advance,
        )
    return _report(summary, output, recording.unpaired)


def _report(summary: Summary, output: Path, unpaired: Sequence[str]) -> int:
    for problem in summary.problems:
        print(problem)
    if unpaired:
        names = ", ".join(unpaired[:5]) + (", ..." if unpaired[5:] else "")
        print(f"images without a counterpart in color or depth were left out: {names}")
    if not summary.has_poses:
        print("there is no poses.txt, so the recording has no transforms")
    size = sum(f.stat().st_size for f in ([output] if output.is_file() else output.iterdir()))
    print(f"wrote {output}: {summary.frames} frames, {size / 1e6:.1f} MB")
    print(f"next: permanence replay {output}")
    return 3 if summary.problems or unpaired else 0


def _default_output(folder: Path, storage: str) -> Path:
    name = folder.resolve().name
    return Path(f"{name}.mcap" if storage == "mcap" else f"{name}_bag")


def _scale(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not within 0..1")
    return value


def _stride(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _frames(text: str) -> slice:
    first, colon, last = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form A:B")
    return slice(int(first) if first else None, int(last) if last else None)
