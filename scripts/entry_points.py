"""Write the entry points of pyproject.toml as package metadata, for a colcon installation.

CMake installs no Python metadata of its own, and `permanence` finds its commands and nodes by
their entry points. Usage: entry_points.py pyproject.toml OUTPUT_FOLDER
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def main(pyproject: Path, folder: Path) -> None:
    """Write METADATA and entry_points.txt into a dist-info folder."""
    project = tomllib.loads(pyproject.read_text())["project"]
    lines = []
    for group, points in sorted(project["entry-points"].items()):
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items()), ""]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "entry_points.txt").write_text("\n".join(lines))
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: permanence-commands\nVersion: {project['version']}\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
