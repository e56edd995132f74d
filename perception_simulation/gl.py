"""Which software OpenGL draws the images: EGL or OSMesa, whichever this machine has."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
import sys
from typing import Any

from perception_nodes.errors import PermanenceError

_EGL_PLATFORM_DEVICE = 0x313F
_MAX_DEVICES = 8

REMEDY = (
    "install software OpenGL: apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri, "
    "or: apt-get install libosmesa6"
)


class RenderingError(PermanenceError):
    """Images can't be drawn on this machine."""


@functools.cache
def backend() -> str:
    """Choose "egl" or "osmesa" and prepare the process for it ("cgl" on macOS).

    The environment variable MUJOCO_GL, where it is set, decides. Must be called before anything
    imports OpenGL, since PyOpenGL binds to one platform for the life of the process.

    Raises:
        RenderingError: Neither is there, or the one that MUJOCO_GL names is not.
    """
    if sys.platform == "darwin":
        return "cgl"
    wanted = os.environ.get("MUJOCO_GL", "").strip().lower()
    probes = {"egl": _has_egl, "osmesa": _has_osmesa}
    if wanted and wanted not in probes:
        raise RenderingError(
            f"MUJOCO_GL={wanted} can't draw without a screen", "unset it, or set egl or osmesa"
        )
    for name in [wanted] if wanted else list(probes):
        if probes[name]():
            os.environ["PYOPENGL_PLATFORM"] = name
            return name
    missing = {"egl": "EGL", "osmesa": "OSMesa"}.get(wanted, "EGL or OSMesa")
    raise RenderingError(f"images can't be rendered here: no working {missing} was found", REMEDY)


def create_context(width: int, height: int) -> Any:
    """Create an off-screen OpenGL context and make it current.

    Raises:
        RenderingError: There is no OpenGL, or it refuses.
    """
    name = backend()
    try:
        if name == "egl":
            from mujoco.egl import GLContext
        elif name == "osmesa":
            from mujoco.osmesa import GLContext
        else:
            from mujoco.cgl import GLContext
        context = GLContext(width, height)
        context.make_current()
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        raise RenderingError(f"OpenGL ({name}) could not be started: {error}", REMEDY) from error
    return context


def _has_osmesa() -> bool:
    return _library("OSMesa") is not None


def _has_egl() -> bool:
    """Whether an EGL device can be initialized; a library without a driver cannot."""
    library = _library("EGL")
    if library is None:
        return False
    library.eglGetProcAddress.restype = ctypes.c_void_p
    addresses = [
        library.eglGetProcAddress(name)
        for name in (b"eglQueryDevicesEXT", b"eglGetPlatformDisplayEXT")
    ]
    if not all(addresses):
        return False
    query = ctypes.CFUNCTYPE(
        ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)
    )(addresses[0])
    display_of = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)(
        addresses[1]
    )
    devices, count = (ctypes.c_void_p * _MAX_DEVICES)(), ctypes.c_int()
    if not query(_MAX_DEVICES, ctypes.cast(devices, ctypes.c_void_p), ctypes.byref(count)):
        return False
    library.eglInitialize.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    library.eglTerminate.argtypes = [ctypes.c_void_p]
    for device in devices[: count.value]:
        display = display_of(_EGL_PLATFORM_DEVICE, device, None)
        if display and library.eglInitialize(display, None, None):
            library.eglTerminate(display)
            return True
    return False


def _library(name: str) -> Any:
    found = ctypes.util.find_library(name)
    if found is None:
        return None
    try:
        return ctypes.CDLL(found)
    except OSError:
        return None
