"""Is anything of the shared recordings lost, and if so, is it said?

For every file and folder that ../shared/data/bags/EXPECTED.txt lists, the folders and ROS 1 bags
that it does not list, and the MCAP conformance corpus: delivered against true count, decoded, and
what the reader states. Exits with 1 on any silent loss, or when fewer messages come out than the
recording truly holds.

usage: python bench/bags.py
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from common import SHARED_DATA, write_result

from perception_nodes.bags.reader import open_bag
from perception_nodes.errors import BagError

_HUMBLE = "bags/rosbag2_humble/rosbag2_tests/resources/reindex_test_bags"
_ROLLING = "bags/rosbag2_rolling/rosbag2_py/test/resources"
# What EXPECTED.txt does not list: folders without metadata, file-compressed splits, ROS 1.
OTHERS = {
    f"{_HUMBLE}/file_compression": 775,
    f"{_HUMBLE}/message_compression": 1127,
    f"{_HUMBLE}/multiple_files": 52,
    f"{_ROLLING}/mcap/reindex_test_bags/multiple_files": 3177,
    f"{_ROLLING}/sqlite3/reindex_test_bags/multiple_files": 3177,
    "bags/realsense_single_frame/single_depth_color_640x480.bag": 135,
    "bags/ros1_fixtures/example.bag": 8647,
    "bags/ros1_fixtures/example-bz2.bag": 8647,
    "bags/ros1_fixtures/example-lz4.bag": 8647,
    "bags/ros1_fixtures/no-messages.bag": 0,
    "bags/ros1_fixtures/empty-file.bag": 0,
    "bags/ros1_fixtures/asci-file.txt": 0,
}


@dataclass
class Case:
    """One recording: what it truly holds, what came out, what was said.

    `library` is what the reading library alone delivers, where EXPECTED.txt tells.
    """

    path: str
    true: int
    library: int | None = None
    decode: bool = True
    delivered: int = 0
    decoded: int = 0
    stated: list[str] = field(default_factory=list)
    seconds: float = 0.0
    refused: bool = False

    @property
    def complete(self) -> bool:
        """Whether all messages that the recording truly holds were delivered."""
        return self.delivered == self.true

    @property
    def silent(self) -> bool:
        """Whether anything is missing, undecoded or refused without a word."""
        return not self.stated and (
            not self.complete or self.decoded < self.delivered or self.refused
        )


def listed() -> list[Case]:
    """The files and folders of EXPECTED.txt; a folder truly holds what its files hold."""
    found = []
    for line in (SHARED_DATA / "bags" / "EXPECTED.txt").read_text().splitlines():
        match = re.match(r"(?:DIR|FILE) +(\S+)(?: \d+ true (\d+))? \|(?:.* iter=(\d+))?", line)
        if match:
            path, true, library = match.groups()
            found.append(Case(path, int(true or 0), int(library or 0)))
    for case in found:
        if (SHARED_DATA / case.path).is_dir():
            case.true = sum(c.true for c in found if c.path.startswith(f"{case.path}/"))
    return found


def corpus() -> Iterator[Case]:
    """The MCAP conformance files; their messages are three bytes of no known format."""
    for path in sorted((SHARED_DATA / "bags" / "mcap_conformance").glob("*/*.mcap")):
        records = json.loads(path.with_suffix(".json").read_text())["records"]
        count = sum(record["type"] == "Message" for record in records)
        yield Case(str(path.relative_to(SHARED_DATA)), count, decode=False)


def measure(case: Case) -> None:
    """Read a recording to its end."""
    start = time.perf_counter()
    try:
        with open_bag(SHARED_DATA / case.path) as bag:
            case.decoded = sum(1 for _ in bag.messages(decode=case.decode))
            report = bag.loss()
        case.delivered, stated = report.delivered, report.lines()
    except BagError as error:
        case.refused, stated = True, [str(error)]
    case.stated = [line.replace(str(SHARED_DATA), "...") for line in stated]
    case.seconds = round(time.perf_counter() - start, 4)


def summary(done: list[Case]) -> dict[str, Any]:
    """The figures of all recordings together."""
    return {
        "recordings": len(done),
        "complete": sum(case.complete for case in done),
        "true_messages": sum(case.true for case in done),
        "delivered_messages": sum(case.delivered for case in done),
        "decoded_messages": sum(case.decoded for case in done),
        "library_delivers_less": sum(
            case.delivered > (case.library or 0) for case in listed_only(done)
        ),
        "refused_with_reason": sum(case.refused and bool(case.stated) for case in done),
        "silent_loss": sum(case.silent for case in done),
        "seconds": round(sum(case.seconds for case in done), 2),
    }


def listed_only(done: list[Case]) -> list[Case]:
    """Those of which EXPECTED.txt tells what the library delivers."""
    return [case for case in done if case.library is not None]


def main() -> int:
    """Measure, print what is not plain, and write the result."""
    if not SHARED_DATA.is_dir():
        print(f"{SHARED_DATA} is not on this machine")
        return 1
    single = listed() + [Case(path, true) for path, true in OTHERS.items()]
    conformance = list(corpus())
    for case in single + conformance:
        measure(case)
        if case.stated or not case.complete:
            print(f"{case.path}: {case.delivered} of {case.true}, {case.decoded} decoded")
            for line in case.stated:
                print(f"    {line}")
    figures = summary(single + conformance)
    for name, value in figures.items():
        print(f"{name:24} {value}")
    details = [asdict(case) for case in single]
    for entry in details:
        del entry["seconds"], entry["decode"]
    results = {
        "summary": figures,
        "mcap_conformance": summary(conformance),
        "recordings": details,
    }
    write_result("bags", results)
    return 1 if figures["silent_loss"] or figures["complete"] < figures["recordings"] else 0


if __name__ == "__main__":
    sys.exit(main())
