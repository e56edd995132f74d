"""Files that URIs in robot descriptions name."""

from __future__ import annotations

import importlib
from pathlib import Path

from perception_nodes.errors import InputError


def mesh_file(uri: str) -> Path | None:
    """The file of `package://NAME/PATH` or `file://PATH`; None where there is none.

    Raises:
        InputError: The path leaves its package.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        path = Path(rest)
        return path if path.is_file() else None
    if scheme != "package":
        return None
    package, _, inner = rest.partition("/")
    share = _share(package)
    if share is None:
        return None
    path = (share / inner).resolve()
    if not path.is_relative_to(share.resolve()):
        raise InputError(f"{uri!r} leaves its package")
    return path if path.is_file() else None


def _share(package: str) -> Path | None:
    try:
        index = importlib.import_module("ament_index_python.packages")
        return Path(index.get_package_share_directory(package))
    except (ImportError, LookupError, ValueError):
        return None
