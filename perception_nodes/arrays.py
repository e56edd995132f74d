"""Short names for array types, so that signatures stay readable."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]
