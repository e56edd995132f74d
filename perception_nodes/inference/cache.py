"""The engines that TensorRT builds, which takes minutes, kept between runs.

An engine is code: it is used only from a folder that is ours alone and whose files have the hashes
that were written down when it was built. A folder appears under its key whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_MANIFEST = "manifest.json"


def default_root() -> Path:
    """`$XDG_CACHE_HOME/permanence/engines`, usually below ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "permanence" / "engines"


def key(parts: Mapping[str, str]) -> str:
    """The name of a folder, from network, GPU, versions and shapes: if one changes, it changes."""
    text = json.dumps(dict(sorted(parts.items())))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class EngineCache:
    """Folders of engines by key.

    Args:
        root: Where they lie; made if it doesn't exist.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """A folder to build engines in, or the one where they are.

        What was built in it is kept if the block ends without an error.

        Raises:
            OSError: The cache can't be written.
        """
        final = self.root / name
        if trusted(final):
            yield final
            return
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(final, ignore_errors=True)
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=self.root))
        try:
            yield building
            self._keep(building, final)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _keep(self, building: Path, final: Path) -> None:
        hashes = _hashes(building)
        if not hashes:
            return
        (building / _MANIFEST).write_text(json.dumps(hashes))
        try:
            building.replace(final)
        except OSError:
            if not trusted(final):  # else another process was faster, which is as good
                raise


def trusted(folder: Path) -> bool:
    """Whether a folder is ours, nobody else can write there, and its files are as built."""
    try:
        for path in (folder, *folder.iterdir()):
            status = path.lstat()
            others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if status.st_uid != os.getuid() or others or stat.S_ISLNK(status.st_mode):
                return False
        written = json.loads((folder / _MANIFEST).read_text())
        return bool(written) and written == _hashes(folder)
    except (OSError, ValueError):
        return False


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != _MANIFEST)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
