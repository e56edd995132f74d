"""`--view` of commands that run something: follow it in a browser."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from perception_nodes.view import PORT

if TYPE_CHECKING:
    from perception_nodes.view.viewer import Viewer


def add_view_option(parser: argparse.ArgumentParser) -> None:
    """Add `--view`."""
    parser.add_argument(
        "--view",
        type=int,
        nargs="?",
        const=PORT,
        metavar="PORT",
        help=f"follow it in a browser on this computer ({PORT}); Ctrl-C ends it",
    )


@contextmanager
def viewing(port: int | None, title: str, memory: Path) -> Iterator[list[Viewer]]:
    """The view as a further sink, if one is wanted; afterwards it stays until Ctrl-C.

    Raises:
        ConfigurationError: The port is taken.
    """
    if port is None:
        yield []
        return
    from perception_nodes.view.viewer import Viewer

    viewer = Viewer(title, lambda question: answered(memory, question), port)
    print(f"view          {viewer.address}     open it in a browser")
    try:
        yield [viewer]
        viewer.end("the run has ended")
        print("the view stays until Ctrl-C")
        wait()
    except KeyboardInterrupt:
        print()
    finally:
        viewer.close()


def wait() -> None:
    """Until Ctrl-C."""
    while True:
        time.sleep(3600.0)


def answered(memory: Path, question: str) -> str:
    """What a memory file says to a question in plain words, with its evidence.

    Raises:
        PermanenceError: The file can't be read.
    """
    from perception_nodes.memory.question import recall
    from perception_nodes.memory.reader import MemoryReader

    with MemoryReader(memory) as reader:
        answer = recall(reader, question, None, None)
    evidence = f"\nevidence: {', '.join(answer.evidence)}" if answer.evidence else ""
    return answer.sentence + evidence
