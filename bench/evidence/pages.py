"""Write the evidence pages from committed results: `python -m evidence.pages` in bench/.

A page is a module `evidence/page_NAME.py` with `MEASURE`, the scripts whose results it shows, and
`page(results)`, which returns the files to write below docs/evidence; `BY_HAND` if its scripts take
hours or need more than Python. `make evidence` writes all;
`make evidence RUN=1` first measures again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parents[1]
DOCS = BENCH.parent / "docs" / "evidence"
NOT_MEASURED = "not measured: no GPU"
"""What a page says where the full tier has no figures."""

Page = Callable[[dict[str, Any]], dict[str, str]]
_NOTE = "<!-- Written by `make evidence` from bench/results/*.json. Change those, not this. -->\n\n"


def names() -> list[str]:
    """All pages."""
    folder = Path(__file__).parent
    return sorted(path.stem.removeprefix("page_") for path in folder.glob("page_*.py"))


def files(name: str, results: Path = BENCH / "results") -> dict[str, str]:
    """What belongs below docs/evidence for one page: content by file name."""
    module = importlib.import_module(f"evidence.page_{name}")
    loaded = {}
    for script in module.MEASURE:
        path = results / f"{Path(script).stem}.json"
        loaded[path.stem] = json.loads(path.read_text()) if path.exists() else None
    written: dict[str, str] = module.page(loaded)
    return {file: _NOTE + text if file.endswith(".md") else text for file, text in written.items()}


def measure(name: str, tier: str) -> None:
    """Run the scripts of a page again."""
    module = importlib.import_module(f"evidence.page_{name}")
    if getattr(module, "BY_HAND", False):
        print(f"{name} is measured by hand: see its page")
        return
    for script in module.MEASURE:
        subprocess.run([sys.executable, str(BENCH / script), "--tier", tier], check=True)


def main() -> None:
    """Write all pages, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", default=names())
    parser.add_argument("--run", action="store_true", help="measure again first")
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    args = parser.parse_args()
    DOCS.mkdir(parents=True, exist_ok=True)
    for name in args.pages:
        if args.run:
            measure(name, args.tier)
        for file, text in files(name).items():
            (DOCS / file).write_text(text)
            print(f"wrote docs/evidence/{file}")


if __name__ == "__main__":
    main()
