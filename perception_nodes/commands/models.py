"""`permanence models`: which networks there are, if they are what their cards say, how fast."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import Any

import yaml

from perception_nodes.errors import ConfigurationError, ModelError
from perception_nodes.inference.precision import PRECISIONS
from perception_nodes.inference.providers import DEVICES, THREADS
from perception_nodes.model_cards import card_files, check_file, read_card, weights_folder

GROUP = "permanence.models"
"""Entry points of further actions, which training brings."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "models",
        help="list, verify, show, time and export networks",
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
    _add_bench(actions)
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: e.name):
        entry.load().register(actions)


def _add_bench(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "how long a network takes here, on the fastest device that works"
    action = actions.add_parser("bench", help=text, description=text)
    action.add_argument("names", nargs=1, help="of a model")
    action.add_argument("--folder", type=Path, help="where to look; default: the program's own")
    action.add_argument("--device", choices=DEVICES, default="auto", help="begin with this one")
    action.add_argument("--precision", choices=PRECISIONS, default="auto", help="single or half")
    action.add_argument("--threads", type=int, default=THREADS, help=f"of the CPU ({THREADS})")
    action.add_argument("--runs", type=int, default=200, help="calls that are timed (200)")
    action.set_defaults(run=run_bench)


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
    from perception_nodes.inference.loading import load_network

    failed = 0
    runtime = importlib.util.find_spec("onnxruntime") is not None
    for path in _chosen(args):
        try:
            card = read_card(path)
            check_file(card, path.parent)
            if runtime:
                load_network(path, "cpu")
        except ModelError as error:
            failed += 1
            print(f"{path.stem:<16} REFUSED  {error}", file=sys.stderr)
            continue
        checked = (
            "hash, signature and a run" if runtime else "hash only (onnxruntime is not installed)"
        )
        print(f"{card.name:<16} ok       {checked}")
    return 1 if failed else 0


def run_bench(args: argparse.Namespace) -> int:
    """Print how long a network takes here, on zeros."""
    from perception_nodes.inference.loading import load_network
    from perception_nodes.inference.network import example_inputs

    if args.runs < 1 or args.threads < 1:
        raise ConfigurationError("at least one run and one thread are needed")
    (path,) = _chosen(args)
    network = load_network(path, args.device, args.threads, precision=args.precision)
    inputs = example_inputs(network.card)
    for _ in range(args.runs):
        network.run(inputs)
    threads = f" (threads: {args.threads})" if network.device == "cpu" else ""
    print(f"{network.model_id} on {network.device}{threads}: {network.latencies}")
    print(f"precision: {network.facts()['precision']}")
    for device, reason in network.fallbacks.items():
        print(f"not on {device}: {reason}")
    return 0


def run_card(args: argparse.Namespace) -> int:
    """Print a card as a page a person can read."""
    card = read_card(_chosen(args)[0])
    print(f"# {card.name}\n\n{card.summary}\n\nLimits: {card.limits}\nLicense: {card.license}\n")
    for title, content in (
        ("Metrics", card.metrics),
        ("Training", card.training),
        ("Data", card.data),
        ("Export", {"opset": card.opset, "sha256": card.sha256, **card.parity}),
        ("Half precision", dataclasses.asdict(card.half) if card.half else {}),
    ):
        print(f"## {title}\n\n{_indented(content)}")
    return 0


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
