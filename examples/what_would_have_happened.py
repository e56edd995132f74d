"""What a push moved, by simulating again without it: what_would_have_happened.py."""

import numpy as np

from perception_simulation.counterfactual import resimulate
from perception_simulation.specification import (
    Box,
    CameraKey,
    MovingCamera,
    Object,
    Push,
    Scene,
)

camera = MovingCamera((CameraKey(0.0, (-0.6, 0.0, 1.1), (0.0, 0.0, 0.72)),))
cube = Box((0.06, 0.06, 0.06))
box, other = Object("box", cube, (0.0, 0.0)), Object("other", cube, (0.0, 0.3))
push = Push("push", (-0.12, 0.0), (0.05, 0.0), start=1.2, duration=1.0)
scene = Scene((box, other), (camera,), pushes=(push,), duration=3.0)

happened = resimulate(scene, push.start, until=2.5)
otherwise = resimulate(scene, push.start, without=["push"], until=2.5)
for name, way in happened.positions.items():
    moved = float(np.linalg.norm(way[-1] - otherwise.positions[name][-1]))
    print(f"{name} was moved {moved:.2f} m by the push")
