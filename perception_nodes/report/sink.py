"""Collects a run frame by frame and writes the report at its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from perception_nodes.errors import ConfigurationError
from perception_nodes.report.keyframes import KeyFrames
from perception_nodes.report.page import render_page
from perception_nodes.report.record import RunRecord
from perception_nodes.report.summary import RunSummary
from perception_nodes.scene import Sample, SceneState


class ReportSink:
    """Writes DIR/report.html: one page that needs no network.

    `write` costs well under a millisecond except for the few frames that become pictures, and
    keeps a bounded amount, so that it can follow a run of any length.

    Args:
        directory: Where the page goes; made if it is missing.
        title: Of the page.

    Raises:
        ConfigurationError: The directory can't be made or written, said before the run starts.
    """

    def __init__(self, directory: Path, title: str) -> None:
        self._path = directory / "report.html"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._path.write_text("", encoding="utf-8")
        except OSError as error:
            raise self._refusal(error) from error
        self._title = title
        self._record = RunRecord()
        self._key_frames = KeyFrames()

    def write(self, sample: Sample, state: SceneState, timings: Mapping[str, float]) -> None:
        """Take the next frame, what was believed after it, and seconds by part."""
        t = self._record.add(sample.frame, state, timings)
        self._key_frames.offer(t, sample.frame, state, self._record)

    def close(self, summary: RunSummary) -> Path:
        """Write the page and return its path.

        Raises:
            ConfigurationError: The directory can't be written.
        """
        page = render_page(self._title, self._record, self._key_frames.chosen(), summary)
        try:
            self._path.write_text(page, encoding="utf-8")
        except OSError as error:
            raise self._refusal(error) from error
        return self._path

    def _refusal(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"the report can't be written to {self._path}: {error.strerror or error}",
            "name a directory that you may write to, on a disk with room",
        )
