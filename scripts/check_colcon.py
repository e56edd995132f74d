"""Build this package in a workspace of its own, plain and with --symlink-install, and test it.

    python scripts/with_ros.py python scripts/check_colcon.py            on the rclpy wheels
    python3 scripts/check_colcon.py                                      on a sourced ROS

The workspace is temporary and holds the last commit, as a fresh clone does. Each installation must
give nodes, commands, interfaces, launch files and configuration. `colcon test` then runs the node
tests on the plain installation; --no-test leaves them out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TF2_MESSAGES = "test/ros/tf2_msgs"
RESOURCES = ("config/robot.yaml", "launch/robot.launch.py", "rviz/permanence.rviz", "worlds")
PROGRAMS = ("up", "viewrope", "cjepa", "memory", "simulator", "permanence")
CHECK = """
import permanence.msg, permanence.srv, permanence.action
import perception_nodes, perception_simulation, perception_kernels
from perception_nodes.resources import resource
print(perception_nodes.__file__, resource("config").parent)
"""


def main() -> int:
    """Check both ways of installing; exit status 1 if one fails."""
    failed = []
    for options in ([], ["--symlink-install"]):
        name = " ".join(["colcon build", *options])
        print(f"{name} ...", flush=True)
        with tempfile.TemporaryDirectory(prefix="permanence-ws-") as folder:
            problem = check(Path(folder), options)
        print(f"{name}: {problem or 'ok'}", flush=True)
        failed += [name] if problem else []
    return 1 if failed else 0


def check(workspace: Path, options: list[str]) -> str:
    """What is wrong with one way of installing; empty if nothing is."""
    source = workspace / "src" / "permanence"
    archive = workspace / "clone.tar"
    clone = ["git", "archive", "--output", str(archive), "HEAD"]
    subprocess.run(clone, cwd=ROOT, check=True)
    shutil.unpack_archive(archive, source, filter="data")
    cmake = [f"-DPython3_EXECUTABLE={sys.executable}"]
    paths = ["--base-paths", "src/permanence"]
    if not _found("tf2_msgs"):
        paths.append(f"src/permanence/{TF2_MESSAGES}")
    if problem := _run(workspace, ["colcon", "build", *paths, *options, "--cmake-args", *cmake]):
        return problem
    installed = workspace / "install" / "permanence"
    missing = [r for r in RESOURCES if not (installed / "share" / "permanence" / r).exists()]
    missing += [p for p in PROGRAMS if not os.access(installed / "lib" / "permanence" / p, os.X_OK)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    for command in (
        [f"{installed}/lib/permanence/up", "--help"],
        [f"{installed}/lib/permanence/permanence", "--help"],
        [sys.executable, "-c", CHECK],
    ):
        if problem := _run(workspace, command, sourced=True):
            return problem
    if options or "--no-test" in sys.argv:
        return ""
    print("colcon test ...", flush=True)
    test = ["colcon", "test", *paths, "--packages-select", "permanence"]
    test += ["--event-handlers", "console_direct+"]
    return _run(workspace, [*test, "--return-code-on-test-failure"], sourced=True)


def _found(package: str) -> bool:
    """Whether CMake would find a package in what is sourced."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return any((Path(p) / "share" / package / "cmake").is_dir() for p in prefixes if p)


def _run(workspace: Path, command: list[str], sourced: bool = False) -> str:
    """Run a command in the workspace; the end of what it printed if it fails."""
    if sourced:
        command = ["bash", "-c", '. install/setup.bash && exec "$@"', "bash", *command]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    tail = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
    return f"{' '.join(command[:4])} failed:\n{tail}"


if __name__ == "__main__":
    sys.exit(main())
