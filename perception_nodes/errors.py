"""Errors that a user can act on: each says what went wrong and what to do next."""

from __future__ import annotations


class PermanenceError(Exception):
    """Base of all errors that are shown to the user without a traceback.

    Args:
        message: What went wrong, naming the file, topic or value.
        remedy: What to do next; empty where nothing can be done.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message


class BagError(PermanenceError):
    """A recording can't be read or written."""


class InputError(PermanenceError):
    """An image, camera model or pose has values that no measurement can have."""


class ConfigurationError(PermanenceError):
    """A parameter, option or configuration file is invalid."""


class MemoryStoreError(PermanenceError):
    """The memory file can't be opened, read or written."""


class ModelError(PermanenceError):
    """A network file is missing, or is not what its card says."""
