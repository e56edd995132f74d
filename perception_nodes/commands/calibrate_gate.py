"""`permanence calibrate-gate`: how far may things move before an image is searched again?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from perception_nodes.errors import ConfigurationError

if TYPE_CHECKING:
    from perception_nodes.gate.calibration import Looks
    from perception_nodes.scene import Frame, Slots

_BLOCK = 10_000_000_000
_EPILOG = """\
examples:
  permanence calibrate-gate monday.mcap tuesday.mcap --error 0.03
  permanence replay BAG --gate --threshold 0.01      with what it said

Each 10 s of a recording count as one sample. docs/days.md says what is promised.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "calibrate-gate",
        help="choose from recordings how far things may move before --gate searches again",
        description="Search all images of recordings, and tell what a gate would have missed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bags", type=Path, nargs="+", metavar="BAG", help="recordings, 90 s in all")
    parser.add_argument(
        "--error", type=float, default=0.03, metavar="METERS", help="what skips shall keep (0.03)"
    )
    parser.add_argument(
        "--risk", type=float, default=0.1, help="share of skips that may exceed it (0.1)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table and the threshold."""
    from perception_nodes.gate.calibration import calibrate

    sequences = [block for path in args.bags for block in _blocks(path)]
    needed = round(1.0 / args.risk) - 1 if 0.0 < args.risk < 1.0 else 0
    if len(sequences) < needed:
        raise ConfigurationError(
            f"{len(sequences)} samples of 10 s can't promise an error in all but {args.risk:g}",
            f"give recordings of {10 * needed} s or more, or a larger --risk",
        )
    chosen, tried = calibrate(sequences, args.error, args.risk)
    print("threshold  searched  error kept")
    for row in tried:
        print(f"{1e3 * row.threshold:6.0f} mm   {100 * row.searched:4.0f} %  "
              f"{1e3 * row.bound:7.0f} mm")  # fmt: skip
    promise = f"{1e3 * args.error:g} mm in {100 * (1 - args.risk):g} % of the skips"
    if not chosen:
        print(f"no threshold keeps {promise}: allow a larger --error, or search every image")
        return 3
    print(f"keeps {promise}: --gate --threshold {chosen:g}")
    return 0


def _blocks(path: Path) -> list[Looks]:
    """The frames of a recording with their slots, in pieces of 10 s; a shorter rest is dropped."""
    from perception_nodes.bags.reader import open_bag
    from perception_nodes.frames.source import FrameSource
    from perception_nodes.viewrope.factory import make_source

    finder = make_source()
    pieces: dict[int, list[tuple[Frame, Slots]]] = {}
    first: int | None = None
    last = 0
    with open_bag(path) as bag:
        for sample in FrameSource(bag):
            frame = sample.frame
            first, last = frame.stamp if first is None else first, frame.stamp
            number = (frame.stamp - first) // _BLOCK
            pieces.setdefault(number, []).append((frame, finder.find(frame)))
    whole = 0 if first is None else (last - first) // _BLOCK
    return [pieces[number] for number in sorted(pieces) if number < max(whole, 1)]
