"""What simulation needs beyond the core, and what to install where it is missing."""

from __future__ import annotations

import importlib.util

from perception_simulation import gl


def require() -> None:
    """Make sure that scenes can be simulated and drawn; call it before importing a simulator.

    Raises:
        RenderingError: MuJoCo, PyOpenGL or software OpenGL is missing; says what to install.
    """
    for module, package in (("mujoco", "mujoco-core"), ("OpenGL", "pyopengl")):
        if importlib.util.find_spec(module) is None:
            raise gl.RenderingError(
                f"simulation needs the Python package {package}",
                'install it: pip install "permanence[sim]"',
            )
    gl.backend()
