"""Can a memory file be opened, and is it whole?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from perception_nodes.doctor.finding import Finding
from perception_nodes.errors import PermanenceError

USUAL = (Path("out/memory.db"), Path("~/.ros/permanence/memory.db"))
"""Where replay and the node keep theirs."""


def examine_memory(path: Path) -> Iterator[Finding]:
    """Findings about a memory file; none where there is no file."""
    from perception_nodes.memory.reader import MemoryReader

    file = path.expanduser()
    subject = f"memory {path}"
    if not file.exists():
        return
    try:
        with MemoryReader(file) as memory:
            count = len(memory.records())
    except PermanenceError as error:
        yield Finding("BAD", subject, error.message, error.remedy)
        return
    size = file.stat().st_size / 1e6
    text = f"{count} objects, {size:.1f} MB"
    if os.access(file, os.W_OK) and os.access(file.parent, os.W_OK):
        yield Finding("ok", subject, text)
    else:
        remedy = "it is answered from; to write it, change its owner or permissions"
        yield Finding("note", subject, f"{text}, read-only", remedy)
