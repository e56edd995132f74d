"""Turning stored bytes into messages, with the definitions of the bag or the well-known ones."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg
from rosbags.typesys import get_typestore as bundled_typestore
from rosbags.typesys.msg import normalize_msgtype
from rosbags.typesys.store import Typestore

from perception_nodes.bags.compression import ZSTD_MAGIC, unpack
from perception_nodes.bags.model import Channel

# Where a bag has no definitions, the first of these that fits the bytes is taken. Humble wrote
# most of such bags; types that changed since differ in size, which the decoder notices.
_WELL_KNOWN = (Stores.ROS2_HUMBLE, Stores.ROS2_FOXY, Stores.ROS2_JAZZY, Stores.ROS2_DASHING)
_REALSENSE_TRAILING = 4  # its recorder appends as many bytes to images
_SERVICE_INFO = (
    "uint8 event_type\nbuiltin_interfaces/Time stamp\nuint8[16] client_gid\nint64 sequence_number\n"
)


class UndecodableError(Exception):
    """A message can't be decoded; the text says why."""


class Decoder:
    """Decodes the messages of one channel.

    The definition in the bag comes first; where there is none, or it does not fit (converters
    write damaged ones), the well-known definitions of the type are tried.

    Args:
        channel: Its type, serialization and definition.
        shared: Collects the definitions of a bag, so that types that several channels use are
            prepared once. A definition that contradicts another gets a type store of its own.
    """

    def __init__(self, channel: Channel, shared: Typestore) -> None:
        self._channel = channel
        self._shared = shared
        self._type = normalize_msgtype(channel.type_name) if channel.type_name else ""
        self._stores: list[Typestore] | None = None
        self._reason = f"type {channel.type_name!r} is unknown, and the bag has no definition of it"

    def __call__(self, data: bytes) -> Any:
        """Decode a message whose compression has been removed.

        Raises:
            UndecodableError: The format, type or bytes are not understood.
        """
        serialization = self._channel.serialization
        if serialization not in ("cdr", "ros1"):
            raise UndecodableError(f"serialization format {serialization!r} is not supported")
        if self._stores is None:
            self._stores = self._candidates()
        if not self._stores:
            raise UndecodableError(self._reason)
        message = self._attempt(data)
        if message is None and serialization == "ros1":
            message = self._attempt(data[:-_REALSENSE_TRAILING])
        if message is not None:
            return message
        raise UndecodableError(self._reason)

    def _attempt(self, data: bytes) -> Any:
        """Decode by the first definition that fits the bytes, and try that one first next time."""
        assert self._stores
        for index, store in enumerate(self._stores):
            try:
                if self._channel.serialization == "ros1":
                    message = store.deserialize_ros1(data, self._type)
                else:
                    message = store.deserialize_cdr(data, self._type)
            except (SerdeError, struct.error, ValueError, IndexError, KeyError) as error:
                self._reason = f"its bytes do not fit the definition: {error}"
                continue
            self._stores.insert(0, self._stores.pop(index))
            return message
        return None

    def _candidates(self) -> list[Typestore]:
        channel, stores = self._channel, []
        if channel.encoding in ("ros2msg", "ros1msg", "ros2idl"):
            try:
                stores.append(self._defined())
            except (TypesysError, AssertionError, ValueError, IndexError) as error:
                summary = str(error).splitlines()[0][:80]
                self._reason = f"the definition of {channel.type_name!r} is damaged: {summary}"
        known = (Stores.ROS1_NOETIC,) if channel.serialization == "ros1" else _WELL_KNOWN
        return stores + [b for b in map(_bundled, known) if self._type in b.fielddefs]

    def _defined(self) -> Typestore:
        """A type store with the definition that the bag brings.

        Raises:
            TypesysError, AssertionError, ValueError, IndexError: The definition is damaged.
        """
        types = _types(self._channel)
        store = self._shared
        try:
            store.register(types)
        except TypesysError:
            store = new_typestore()
            store.register(types)
        if not _references(types) <= store.fielddefs.keys():
            store = _completed(types, ros1=self._channel.encoding == "ros1msg")
        return store


def decompressed(channel: Channel, data: bytes) -> bytes:
    """Remove message-level compression, which bags without metadata do not announce.

    No CDR message starts with zstd's magic number: its first byte is always zero.

    Raises:
        UndecodableError: The compressed data are damaged.
    """
    if channel.serialization != "cdr" or not data.startswith(ZSTD_MAGIC):
        return data
    plain, problem = unpack("zstd", data)
    if problem:
        raise UndecodableError(problem)
    return plain


@cache
def _bundled(store: Stores) -> Typestore:
    return bundled_typestore(store)


def new_typestore() -> Typestore:
    """A type store that knows times and durations only."""
    return bundled_typestore(Stores.EMPTY)


def _types(channel: Channel) -> dict[str, Any]:
    """The types that a channel's definition describes."""
    text = channel.definition.replace("\r\n", "\n")
    types: dict[str, Any]
    if "/srv/" in channel.type_name and "\n---" in f"\n{text}":
        types = _service_event(channel.type_name, text)
    elif channel.encoding == "ros2idl":
        types = get_types_from_idl(text)
    else:
        types = get_types_from_msg(text, normalize_msgtype(channel.type_name))
    return types


def _references(types: dict[str, Any]) -> set[str]:
    """The types that these types are made of."""
    found = set()
    for _, fields in types.values():
        for _, (node, detail) in fields:
            if node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
                node, detail = detail[0]
            if node == Nodetype.NAME:
                found.add(detail)
    return found


def _completed(types: dict[str, Any], *, ros1: bool) -> Typestore:
    """A store for a definition that came without the types that it is made of."""
    known = _bundled(Stores.ROS1_NOETIC if ros1 else Stores.ROS2_HUMBLE)
    store = new_typestore()
    store.register(types)
    for name in known.fielddefs.keys() - store.fielddefs.keys():
        store.fielddefs[name] = known.fielddefs[name]
        store.types[name] = known.types[name]
    return store


def _service_event(type_name: str, text: str) -> dict[str, Any]:
    """The type of a recorded service event, of which bags hold only the service's definition."""
    package, _, event = type_name.split("/")
    name = event.removesuffix("_Event")
    separator = "=" * 80 + "\n"
    own, *others = text.split(separator)
    request, response = ("\n" + own).split("\n---", 1)
    both = f"{package}/{name}_Request[<=1] request\n{package}/{name}_Response[<=1] response\n"
    parts = [
        f"service_msgs/ServiceEventInfo info\n{both}",
        f"MSG: service_msgs/ServiceEventInfo\n{_SERVICE_INFO}",
        f"MSG: {package}/{name}_Request\n{request.strip()}\n",
        f"MSG: {package}/{name}_Response\n{response.strip()}\n",
        *others,
    ]
    types: dict[str, Any] = get_types_from_msg(separator.join(parts), normalize_msgtype(type_name))
    return types
