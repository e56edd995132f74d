"""The progress bar keeps logs clean and says at the end what was done."""

from __future__ import annotations

import pytest

from perception_nodes.commands.progress import ProgressBar


def test_without_a_terminal_there_is_one_line_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ProgressBar("replay", 3) as progress:
        for _ in range(3):
            progress.advance()
        assert capsys.readouterr().err == ""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("replay: 3 frames in ")
    assert captured.err.count("\n") == 1


def test_a_note_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("replay") as progress:
        progress.note("[bold] 3 of 5 " + "x" * 200)
        assert capsys.readouterr().err == "[bold] 3 of 5 " + "x" * 200 + "\n"


def test_after_an_error_there_is_no_summary(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), ProgressBar("replay", 3):
        raise RuntimeError
    assert capsys.readouterr().err == ""
