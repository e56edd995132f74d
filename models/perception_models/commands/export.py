"""`permanence models export`: a trained network and its card to where they are used."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_models import registry
from perception_models.errors import TrainingError
from perception_nodes.model_cards import weights_folder


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    text = "export a finished training again, checked, to where the program finds it"
    parser = subparsers.add_parser("export", help=text, description=text)
    parser.add_argument("run_folder", type=Path, help="of a finished `permanence train`")
    parser.add_argument("-o", "--output", type=Path, help="folder; default: the program's own")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export and say where to."""
    registry.require_torch()
    from perception_models import lab

    target = args.output or weights_folder()
    try:
        card = lab.export_again(args.run_folder, target)
    except OSError as error:
        raise TrainingError(f"{target} can't be written: {error.strerror or error}") from error
    print(f"wrote {target / card.file} and its card")
    return 0
