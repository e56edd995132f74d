"""`permanence doctor`: what is installed here, and what is wrong with cameras and transforms."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from perception_nodes.doctor.finding import Finding
from perception_nodes.doctor.memory_check import USUAL, examine_memory
from perception_nodes.errors import ConfigurationError, PermanenceError
from perception_nodes.inference.hardware import Gpu, find_gpu
from perception_nodes.inference.providers import PROVIDERS
from perception_nodes.inference.runtime import DISTRIBUTIONS, installed, onnxruntime

_CORE = ("numpy", "scipy", "rosbags", "mcap", "PyYAML", "rich", "zstandard", "lz4")
_OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_OPTIONAL = {
    "simulation": ("mujoco-core", "sim", "`permanence demo` and `simulate` need it"),
    "Rerun": ("rerun-sdk", "rerun", "`permanence replay --rerun` needs it"),
    "training": ("torch", "train", "`permanence train` needs it; nothing else does"),
}


_EPILOG = """\
examples:
  permanence doctor                 packages, ONNX Runtime, devices, networks, ROS, memory files
  permanence doctor my_bag          rates, stamps, pairs, calibration, depth units, transforms
  permanence doctor --live          the same of what is published now

exit status: 0 all that is needed works, 1 something has to be repaired
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="what is wrong with an installation, a recording or a running camera",
        description="Look at the installation, at a recording, or at what is published now.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("bag", type=Path, nargs="?", help="a recording")
    what.add_argument(
        "--live",
        type=_seconds,
        nargs="?",
        const=5.0,
        metavar="SECONDS",
        help="listen to the cameras and transforms of the running graph (5 s)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was found.

    Raises:
        BagError: The recording can't be read.
        ConfigurationError: There is no ROS to listen to.
    """
    if args.bag is not None:
        from perception_nodes.doctor.recording import examine_recording

        return _print(examine_recording(args.bag))
    if args.live is not None:
        return _print(_live(args.live))
    version = importlib.metadata.version("permanence")
    print(f"permanence {version}, Python {platform.python_version()}, {platform.platform()}\n")
    return _print(examine())


def _print(findings: Iterable[Finding]) -> int:
    bad = 0
    for finding in findings:
        bad += finding.level == "BAD"
        print(f"{finding.level:<5} {finding.subject:<20} {finding.text}")
        if finding.remedy:
            print(f"{'':<26} -> {finding.remedy}")
    return 1 if bad else 0


def _live(seconds: float) -> Iterator[Finding]:
    if not _importable("rclpy"):
        raise ConfigurationError("there is no ROS 2 here", "source your ROS installation")
    listening = importlib.import_module("perception_nodes.ros.listening")
    found: Iterator[Finding] = listening.examine_graph(seconds)
    return found


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.5 <= value <= 600.0:
        raise argparse.ArgumentTypeError(f"{text} s is not within 0.5..600")
    return value


def examine() -> Iterator[Finding]:
    """All findings, in order."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _packages,
        _opencv,
        _runtime,
        _devices,
        _networks,
        _optional,
        _ros,
        _memories,
    )
    for check in checks:
        yield from check()


def _packages() -> Iterator[Finding]:
    versions = {name: _version(name) for name in _CORE}
    missing = [name for name, version in versions.items() if not version]
    if missing:
        yield Finding("BAD", "packages", f"missing: {', '.join(missing)}", "pip install permanence")
    else:
        yield Finding("ok", "packages", ", ".join(f"{n} {v}" for n, v in versions.items()))


def _opencv() -> Iterator[Finding]:
    found = [f"{name} {version}" for name in _OPENCV if (version := _version(name))]
    if len(found) > 1:
        yield Finding(
            "BAD",
            "OpenCV",
            f"{' and '.join(found)} overwrite each other",
            "uninstall all of them, then: pip install opencv-python-headless",
        )
        return
    try:
        import cv2
    except ImportError as error:
        yield Finding("BAD", "OpenCV", str(error), "pip install opencv-python-headless")
        return
    if hasattr(cv2, "Odometry"):
        yield Finding("ok", "OpenCV", cv2.__version__)
    else:
        text = f"{cv2.__version__} has no RGB-D odometry: recordings need camera poses of their own"
        yield Finding("note", "OpenCV", text, "pip install 'opencv-python-headless>=5'")


def _runtime() -> Iterator[Finding]:
    found = installed()
    try:
        module = onnxruntime()
    except PermanenceError as error:
        level: Literal["note", "BAD"] = "BAD" if found else "note"
        yield Finding(level, "ONNX Runtime", error.message, error.remedy)
        return
    if len(found) > 1:
        yield Finding(
            "BAD",
            "ONNX Runtime",
            f"{' and '.join(DISTRIBUTIONS)} are both installed and overwrite each other",
            "uninstall both, then install 'permanence[cpu]' or 'permanence[gpu]'",
        )
    else:
        yield Finding(
            "ok", "ONNX Runtime", f"{next(iter(found), 'onnxruntime')} {module.__version__}"
        )


def _devices() -> Iterator[Finding]:
    """What a network really runs on: a shipped one is loaded on each device."""
    gpu = find_gpu()
    yield Finding("ok" if isinstance(gpu, Gpu) else "note", "GPU", str(gpu))
    try:
        onnxruntime()
    except PermanenceError:
        return
    from perception_nodes.inference.loading import load_network
    from perception_nodes.model_cards import card_files, weights_folder

    card = next(iter(card_files(weights_folder())), None)
    if card is None:
        return
    for device in PROVIDERS:
        try:
            network = load_network(card, device)
        except PermanenceError as error:
            yield Finding("BAD", f"on {device}", error.message, error.remedy)
            continue
        if network.device == device:
            yield Finding("ok", f"on {device}", f"networks run (tried with {network.card.name})")
        else:
            yield Finding("note", f"on {device}", f"no: {network.fallbacks[device]}")


def _networks() -> Iterator[Finding]:
    from perception_nodes.model_cards import card_files, check_file, read_card, weights_folder

    for path in card_files(weights_folder()):
        try:
            card = read_card(path)
            check_file(card, path.parent)
        except PermanenceError as error:
            yield Finding("BAD", f"network {path.stem}", error.message, error.remedy)
            continue
        yield Finding("ok", f"network {card.name}", f"is that of its card, {card.sha256[:8]}")


def _optional() -> Iterator[Finding]:
    for subject, (package, extra, use) in _OPTIONAL.items():
        version = _version(package)
        if version:
            yield Finding("ok", subject, f"{package} {version}")
        else:
            remedy = f"pip install 'permanence[{extra}]'"
            yield Finding("note", subject, f"{package} is not installed; {use}", remedy)


def _ros() -> Iterator[Finding]:
    missing = [name for name in ("rclpy", "permanence", "vision_msgs") if not _importable(name)]
    if "rclpy" in missing:
        yield Finding("note", "ROS 2", "not found here; replay and simulation need none")
    elif "permanence" in missing:
        text = "rclpy is here, but the interfaces of permanence are not built"
        yield Finding("BAD", "ROS 2", text, "colcon build, then source install/setup.bash")
    elif missing:
        yield Finding(
            "ok", "ROS 2", "rclpy and the interfaces; without vision_msgs, which is optional"
        )
    else:
        yield Finding("ok", "ROS 2", "rclpy, the interfaces and vision_msgs")


def _memories() -> Iterator[Finding]:
    for path in USUAL:
        yield from examine_memory(path)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _importable(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
