"""A memory that is only asked; any number of programs may, while one writes."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from perception_nodes.memory.queries import MemoryQueries
from perception_nodes.memory.store import open_reader


class MemoryReader(MemoryQueries):
    """Answers questions about an existing memory and never changes it.

    Args:
        path: The file.

    Raises:
        MemoryStoreError: There is no such memory, or it can't be read by this version.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(Path(path), open_reader(Path(path)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
