"""The hour of soak.py with the gate and the governor.

python bench/soak_gate.py [--minutes 60] [--rate 4]
"""

from __future__ import annotations

import sys

import soak

if __name__ == "__main__":
    sys.argv.append("--gate")
    soak.main()
