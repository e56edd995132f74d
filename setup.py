"""Python packages of the ROS package `permanence`, for `pip install .` without ROS.

CMakeLists.txt installs the same packages in a colcon workspace. The interface definitions and
models travel inside the wheel, under `perception_nodes/data`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
RESOURCES = ("msg", "srv", "action", "config", "models/weights", "worlds", "examples/data")


class BuildWithResources(build_py):
    """Copy what the program reads at run time beside the modules."""

    def run(self) -> None:
        """Build the packages, then add the resources (not in an editable installation)."""
        super().run()
        if self.editable_mode:
            return
        for name in RESOURCES:
            if (ROOT / name).is_dir():
                target = Path(self.build_lib) / "perception_nodes" / "data" / name
                shutil.copytree(ROOT / name, target, dirs_exist_ok=True)


setup(
    packages=[
        *find_packages(".", include=["perception_nodes*", "perception_simulation*"]),
        *find_packages("kernels", include=["perception_kernels*"]),
        *find_packages("models", include=["perception_models*"]),
    ],
    package_dir={
        "perception_kernels": "kernels/perception_kernels",
        "perception_models": "models/perception_models",
    },
    cmdclass={"build_py": BuildWithResources},
)
