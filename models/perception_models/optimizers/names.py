"""Which optimizers there are and the learning rates that suit them; needs no torch."""

from __future__ import annotations

METHODS = ("adamw", "muon", "namo", "namo-d", "adamw+magma", "muon+magma")
DEFAULT_METHOD = "muon"
"""What wins on the bouncing discs (docs/evidence/lab.md)."""
DEFAULT_RATES = {
    "adamw": 3e-3,
    "muon": 1e-2,
    "namo": 2.4e-1,
    "namo-d": 2.4e-1,
    "adamw+magma": 1.2e-2,
    "muon+magma": 3e-2,
}
"""Learning rates of the matrices inside blocks that did best there."""
