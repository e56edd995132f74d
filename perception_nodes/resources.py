"""What the program finds around it: the files that it reads at run time, and processor cores."""

from __future__ import annotations

import os
from pathlib import Path

from perception_nodes.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """The path of a resource such as "msg" or "models/weights".

    It is looked for in the source tree (a checkout or an editable installation), inside the
    wheel, and in the `share` folder of a colcon workspace.

    Raises:
        ConfigurationError: It is in none of these places.
    """
    places = [_PACKAGE.parent / name, _PACKAGE / "data" / name]
    for parent in _PACKAGE.parents:
        places.append(parent / "share" / "permanence" / name)
    for place in places:
        if place.exists():
            return place
    raise ConfigurationError(
        f"the resource {name!r} of the permanence package is missing", "install the package again"
    )


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
