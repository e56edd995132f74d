"""What can foresee objects, by name; without imports, since the command line asks at each start."""

KALMAN, LEARNED = MOTIONS = ("kalman", "cjepa")
"""Each object by itself, or all together by the learned world model."""
DEFAULT = KALMAN
