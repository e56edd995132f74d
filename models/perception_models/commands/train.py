"""`permanence train`: one command trains, checks, exports and documents a model."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from perception_models import registry
from perception_nodes.errors import ConfigurationError

_EPILOG = """\
examples:
  permanence train discs                                  a small reference model, minutes
  permanence train discs --seeds 0,1,2 --ablations all    with evidence, as one batched model
  permanence train discs --set steps=200 --set optimizer=adamw
  permanence train discs --minutes 5 --device cuda        as many updates as fit
  permanence train discs --resume                         go on after Ctrl-C

exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted (its state is saved)
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train, check, export and document a model",
        description="Train a model from nothing; write its network (ONNX) and its card.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help=f"one of {', '.join(registry.MODELS)}")
    parser.add_argument("--config", type=Path, metavar="F", help="YAML file of key: value")
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="one key; may be repeated"
    )
    parser.add_argument("--seeds", default="0", metavar="0,1,2", help="one training each")
    parser.add_argument(
        "--ablations", default="", metavar="NAMES", help="trained alongside, with commas, or all"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="time to train in, that before --resume included"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="of the processor; default: all")
    parser.add_argument("-o", "--output", type=Path, help="folder; default: out/train/MODEL")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument(
        "--from",
        type=Path,
        dest="begin",
        metavar="F",
        help="begin with a finished training's weights",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train as the command line says."""
    task_class, configuration_class = registry.find(args.model)
    import torch

    from perception_models import device, lab
    from perception_models.configuration import configured

    if args.minutes is not None and args.minutes <= 0:
        raise ConfigurationError("--minutes must be more than 0")
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    where = device.choose(args.device)
    task = task_class(configured(configuration_class, args.config, args.set), where)
    folder = args.output or Path("out/train") / args.model
    order = lab.Order(
        task=task,
        seeds=_seeds(args.seeds),
        ablations=_ablations(args.ablations, list(task.ablations)),
        folder=folder,
        device=where,
        command=shlex.join(["permanence", *sys.argv[1:]]),
        minutes=args.minutes,
        resume=args.resume,
        begin=args.begin,
    )
    card = lab.train(order)
    for name, rows in card.metrics.items():
        if isinstance(rows, dict):
            shown = "  ".join(f"{ablation} {row['mean']:.4f}" for ablation, row in rows.items())
            print(f"{name}: {shown}")
    print(f"wrote {folder / card.file} and its card {folder / card.name}.yaml")
    return 0


def _seeds(value: str) -> list[int]:
    try:
        seeds = [int(item) for item in value.split(",")]
    except ValueError as error:
        raise ConfigurationError(f"--seeds {value!r} are no whole numbers with commas") from error
    if len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ConfigurationError(f"--seeds {value!r}: each must be different and not negative")
    return seeds


def _ablations(value: str, known: list[str]) -> list[str]:
    if value == "all":
        return known
    names = [name for name in value.split(",") if name]
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"there is no ablation {name!r}", f"there are {', '.join(known)}"
            )
    return names
