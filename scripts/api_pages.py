"""Pages that `make docs` makes while it builds the site: the README, and one for each package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[1]
ROOTS = (
    ROOT / "perception_nodes",
    ROOT / "kernels" / "perception_kernels",
    ROOT / "perception_simulation",
    ROOT / "models" / "perception_models",
)


def pages() -> dict[str, str]:
    """By path below docs/, Markdown; of a package, all public modules."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    made = {"index.md": readme.replace("](docs/", "](")}
    for root in ROOTS:
        for folder in sorted({path.parent for path in root.rglob("*.py")}):
            modules = [path for path in sorted(folder.glob("*.py")) if path.name[0] != "_"]
            if not modules:
                continue
            package = ".".join(folder.relative_to(root.parent).parts)
            names = [f"{package}.{path.stem}" for path in modules]
            parts = [f"# `{package}`\n", *(f"::: {name}\n" for name in names)]
            made[f"api/{package}.md"] = "\n".join(parts)
    return made


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; called by mkdocs."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    return files
