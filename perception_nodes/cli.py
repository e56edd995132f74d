"""The command `permanence`: a thin shell over functions that Python can call as well."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from perception_nodes.errors import PermanenceError

GROUP = "permanence.commands"
_ORDER = (
    "demo",
    "replay",
    "simulate",
    "view",
    "convert",
    "recall",
    "explain",
    "history",
    "what-if",
    "label",
    "memory",
    "score",
    "up",
)

_EPILOG = """\
examples:
  permanence demo                          simulate a hard scene, track it, open the report
  permanence replay my.bag                 a recording in, object states and a report out
  permanence recall mug                    where is it, when was it last seen

exit status: 0 done, 1 failed, 2 wrong usage, 3 done but something was lost (it says what)
"""


def commands() -> dict[str, ModuleType]:
    """The subcommands that installed packages offer, by name."""
    found = {e.name: e for e in importlib.metadata.entry_points(group=GROUP)}
    names = sorted(found, key=lambda n: (_ORDER.index(n) if n in _ORDER else len(_ORDER), n))
    return {name: found[name].load() for name in names}


def parser() -> argparse.ArgumentParser:
    """The parser with all subcommands."""
    top = argparse.ArgumentParser(
        prog="permanence",
        description="Object permanence for robots: RGB-D in, objects that stay known out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = importlib.metadata.version("permanence")
    top.add_argument("--version", action="version", version=f"permanence {version}")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in commands().values():
        module.register(subparsers)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    args = parser().parse_args(arguments)
    try:
        return int(args.run(args))
    except PermanenceError as error:
        print(f"permanence {args.command}: {error.message}", file=sys.stderr)
        if error.remedy:
            print(f"  {error.remedy}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"permanence {args.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (as `| head` does): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
