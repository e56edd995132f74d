"""`make bench` runs all benchmarks of speed, whatever becomes of one of them."""

from __future__ import annotations

import sys

import pytest
import speed


def test_one_that_fails_is_named_and_the_others_run(capfd: pytest.CaptureFixture[str]) -> None:
    commands = {
        "first": (sys.executable, "-c", "print('one')"),
        "broken": (sys.executable, "-c", "raise SystemExit(3)"),
        "last": (sys.executable, "-c", "print('two')"),
    }
    assert speed.run_all(commands) == ["broken"]
    shown = capfd.readouterr().out
    assert "[2 of 3] broken" in shown
    assert "two" in shown


def test_its_scripts_are_there() -> None:
    missing = [name for name in speed.SCRIPTS if not (speed.BENCH / f"{name}.py").is_file()]
    assert missing == []


def test_a_name_that_is_none_is_refused_with_the_names_that_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["speed.py", "kernel"])
    with pytest.raises(SystemExit, match="2"):
        speed.main()
    assert "kernels" in capsys.readouterr().err
