"""`permanence models`: which networks there are, and whether they are what their cards say."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import Any

import yaml

from perception_nodes.errors import ConfigurationError, ModelError
from perception_nodes.model_cards import (
    Card,
    card_files,
    check_file,
    check_signature,
    read_card,
    signature,
    weights_folder,
)

GROUP = "permanence.models"
"""Entry points of further actions, which training brings."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "models",
        help="list, verify, show and export networks",
        description="The networks that come with the program or were trained here; their cards.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text, run in (
        ("list", "name, size, error and what it does", run_list),
        ("verify", "refuse networks whose hash or signature differs from the card", run_verify),
        ("card", "how a network was made and what it achieves", run_card),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("names", nargs="*" if name != "card" else 1, help="of models")
        action.add_argument("--folder", type=Path, help="where to look; default: the program's own")
        action.set_defaults(run=run)
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: e.name):
        entry.load().register(actions)


def run_list(args: argparse.Namespace) -> int:
    """Print one line a network."""
    for path in _chosen(args):
        card = read_card(path)
        network = path.with_name(card.file)
        size = f"{network.stat().st_size / 1e6:.2f} MB" if network.exists() else "missing"
        print(f"{card.name:<16} {size:>9}  {card.license}  {card.summary}")
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Check each network; all are checked before one fails the command."""
    failed = 0
    runtime = importlib.util.find_spec("onnxruntime") is not None
    for path in _chosen(args):
        try:
            card = read_card(path)
            _verify(card, path.parent, runtime)
        except ModelError as error:
            failed += 1
            print(f"{path.stem:<16} REFUSED  {error}", file=sys.stderr)
            continue
        checked = "hash and signature" if runtime else "hash only (onnxruntime is not installed)"
        print(f"{card.name:<16} ok       {checked}")
    return 1 if failed else 0


def run_card(args: argparse.Namespace) -> int:
    """Print a card as a page a person can read."""
    card = read_card(_chosen(args)[0])
    print(f"# {card.name}\n\n{card.summary}\n\nLimits: {card.limits}\nLicense: {card.license}\n")
    for title, content in (
        ("Metrics", card.metrics),
        ("Training", card.training),
        ("Data", card.data),
        ("Export", {"opset": card.opset, "sha256": card.sha256, **card.parity}),
    ):
        print(f"## {title}\n\n{_indented(content)}")
    return 0


def _verify(card: Card, folder: Path, runtime: bool) -> None:
    path = check_file(card, folder)
    if not runtime:
        return
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime's errors share no base class but Exception.
        raise ModelError(f"{path} can't be loaded: {str(error).splitlines()[0]}") from error
    check_signature(card, *signature(session))


def _chosen(args: argparse.Namespace) -> list[Path]:
    folder = args.folder or weights_folder()
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {folder}")
    paths = {path.stem: path for path in card_files(folder)}
    missing = [name for name in args.names if name not in paths]
    if missing:
        raise ConfigurationError(
            f"{folder} has no card of {', '.join(missing)}",
            f"there are {', '.join(paths) or 'none'}",
        )
    return [paths[name] for name in args.names] or list(paths.values())


def _indented(content: dict[str, Any]) -> str:
    text = yaml.safe_dump(content, sort_keys=False, width=100, allow_unicode=True)
    return "".join(f"    {line}\n" for line in text.splitlines())
