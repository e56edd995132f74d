"""The progress bar of all commands: rate and time left on a terminal, one line elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar:
    """Shows progress on stderr; use it as a context manager.

    On a terminal it shows a bar, the rate and the time left. Elsewhere (in a pipe, in CI) it is
    silent until it ends. In both cases a last line says what was done and how fast.

    Args:
        title: What is being done, such as "replay".
        total: How many units there are; 0 if unknown.
        unit: What is counted, in the plural.
    """

    def __init__(self, title: str, total: int = 0, unit: str = "frames") -> None:
        self._title = title
        self._unit = unit
        self._console = Console(file=sys.stderr)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"{{task.fields[rate]}} {unit}/s"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task(title, total=total or None, rate="-")
        self._count = 0
        self._start = time.perf_counter()

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
        if kind is None:
            self._say(f"{self._title}: {self.summary()}")

    def advance(self, count: int = 1) -> None:
        """Count units as done."""
        self._count += count
        self._progress.update(self._task, completed=self._count, rate=f"{self._rate():.1f}")

    def describe(self, text: str) -> None:
        """Say beside the bar what is being done now."""
        self._progress.update(self._task, description=text)

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._say(text)

    def summary(self) -> str:
        """Such as "50 frames in 1.2 s (41.7 frames/s)"."""
        seconds = time.perf_counter() - self._start
        return f"{self._count} {self._unit} in {seconds:.1f} s ({self._rate():.1f} {self._unit}/s)"

    def _rate(self) -> float:
        return self._count / max(time.perf_counter() - self._start, 1e-9)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
