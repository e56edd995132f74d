"""Cards of networks: what `NAME.onnx` is, how it was made, and whether it still is that file.

A card is `NAME.yaml` beside the network. The training program writes it; run time reads it and
refuses a network that differs from it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from perception_nodes.errors import ModelError
from perception_nodes.inference.external import external_files
from perception_nodes.resources import resource

SCHEMA = 1


@dataclass(frozen=True)
class TensorCard:
    """One input or output of a network.

    Attributes:
        name: In the graph.
        dtype: As ONNX Runtime calls it, such as "tensor(float)".
        shape: Sizes; a name where the size is free.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class HalfCard:
    """The same network with its products in half precision.

    Attributes:
        file, sha256: Beside the network.
        difference: The largest of any output, as a part of that output's largest number.
        tolerance: Up to which it is used without being asked for.
    """

    file: str
    sha256: str
    difference: float
    tolerance: float


@dataclass(frozen=True)
class Card:
    """What is known about a network.

    Attributes:
        name: Of the model.
        summary, limits: What it does and what it can't.
        license: Of the weights, as an SPDX identifier.
        file, sha256, opset: The network, beside the card.
        external_data: Hashes of the files beside it that hold its tensors; usually none do.
        inputs, outputs: Its signature.
        training: Command, configuration, seeds, updates, minutes, machine.
        data: The recipe of the data.
        metrics: Per error and ablation the mean over seeds and the value of each.
        key_idea: The model's key idea and figures with and without it, where metrics do not have
            it as an ablation; `bench/evidence/cards.py` writes it.
        parity: Largest difference between the network and the one that was trained.
        ranges: Per name of a free size the least, the usual and the largest it is used with;
            TensorRT builds one engine for all of these.
        half: Its variant in half precision, if it has one.
    """

    name: str
    summary: str
    limits: str
    license: str
    file: str
    sha256: str
    opset: int
    inputs: tuple[TensorCard, ...]
    outputs: tuple[TensorCard, ...]
    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    key_idea: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    external_data: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    half: HalfCard | None = None


def weights_folder() -> Path:
    """Where the networks lie that come with the program."""
    return resource("models/weights")


def card_files(folder: Path) -> list[Path]:
    """The cards in a folder, by name."""
    return sorted(folder.glob("*.yaml"))


def sha256(path: Path) -> str:
    """The hash of a file, in hexadecimal.

    Raises:
        ModelError: It can't be read.
    """
    return hashlib.sha256(_read(path)).hexdigest()


def write_card(card: Card, path: Path) -> None:
    """Write a card, whole or not at all."""
    document = {"schema": SCHEMA, **_plain(dataclasses.asdict(card))}
    aside = path.with_suffix(".partial")
    aside.write_text(yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True))
    aside.replace(path)


def read_card(path: Path) -> Card:
    """Read `NAME.yaml`.

    Raises:
        ModelError: It is missing, not a card, or of another version.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"the card {path} can't be read: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ModelError(f"{path} is not a card of version {SCHEMA}", "train the model again")
    known = {item.name for item in dataclasses.fields(Card)}
    try:
        values = {key: document[key] for key in document if key in known}
        for side in ("inputs", "outputs"):
            values[side] = tuple(_tensor_card(item) for item in values[side])
        values["ranges"] = {
            name: _range(path, name, sizes) for name, sizes in (values.get("ranges") or {}).items()
        }
        if values.get("half"):
            values["half"] = HalfCard(**values["half"])
        return Card(**values)
    except (KeyError, TypeError) as error:
        raise ModelError(f"the card {path} is incomplete: {error}") from error


def check_file(card: Card, folder: Path) -> Path:
    """The path of a card's network; its bytes, and those of its variant, are as the card says.

    Raises:
        ModelError: The file or one that holds its tensors is missing, another, or elsewhere.
    """
    network_bytes(card, folder)
    if card.half:
        network_bytes(card, folder, half=True)
    return folder / card.file


def network_bytes(card: Card, folder: Path, *, half: bool = False) -> bytes:
    """The bytes of a card's network, checked: load these and not the file, which may change.

    Args:
        card: The card.
        folder: Where it lies.
        half: Those of the variant in half precision, which the card must have.

    Raises:
        ModelError: The file or one that holds its tensors is missing, another, or elsewhere.
    """
    said = card.half if half and card.half else card
    path = _inside(said.file, folder)
    content = _read(path)
    _check_hash(path, hashlib.sha256(content).hexdigest(), said.sha256)
    for name in sorted(external_files(content)):
        data = _inside(name, folder)
        if name not in card.external_data:
            raise ModelError(
                f"{path} keeps tensors in {name}, which its card does not mention",
                "export the network into one file",
            )
        _check_hash(data, sha256(data), card.external_data[name])
    return content


def check_signature(
    card: Card, inputs: Sequence[TensorCard], outputs: Sequence[TensorCard]
) -> None:
    """Compare inputs and outputs of a loaded network with its card.

    Raises:
        ModelError: One differs; it is named.
    """
    for side, said, found in (
        ("input", card.inputs, inputs),
        ("output", card.outputs, outputs),
    ):
        for k in range(max(len(said), len(found))):
            a = _shown(said[k]) if k < len(said) else "nothing"
            b = _shown(found[k]) if k < len(found) else "nothing"
            if a != b:
                raise ModelError(
                    f"{side} {k} of {card.file} is {b}, but its card says {a}",
                    "export the network again so that its card is written anew",
                )


def signature(session: Any) -> tuple[tuple[TensorCard, ...], tuple[TensorCard, ...]]:
    """Inputs and outputs of an ONNX Runtime session."""
    inputs, outputs = (
        tuple(TensorCard(t.name, t.type, tuple(t.shape)) for t in side)
        for side in (session.get_inputs(), session.get_outputs())
    )
    return inputs, outputs


def _inside(name: str, folder: Path) -> Path:
    """The path of a file in a folder, wherever links and dots lead."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{name!r} leads out of {folder}, where a network's files have to be")
    return path


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the network {path} can't be read: {error.strerror}",
            "train it with `permanence train`, or install the package again",
        ) from error


def _check_hash(path: Path, actual: str, said: str) -> None:
    if actual != said:
        raise ModelError(
            f"{path} is not the network of its card: its hash begins with {actual[:12]}, the card "
            f"says {said[:12]}",
            "restore the file, or export the network again so that its card is written anew",
        )


def _range(path: Path, name: str, sizes: Any) -> tuple[int, int, int]:
    numbers = isinstance(sizes, list) and all(isinstance(size, int) for size in sizes)
    if not numbers or len(sizes) != 3 or sorted([1, *sizes]) != [1, *sizes]:
        raise ModelError(
            f"the card {path} gives {sizes!r} for the size {name}",
            "write [least, usual, largest], each at least 1",
        )
    return (sizes[0], sizes[1], sizes[2])


def _tensor_card(item: dict[str, Any]) -> TensorCard:
    return TensorCard(item["name"], item["dtype"], tuple(item["shape"]))


def _shown(tensor: TensorCard) -> str:
    return f"{tensor.name} {tensor.dtype} [{', '.join(map(str, tensor.shape))}]"


def _plain(value: Any) -> Any:
    """The same with lists for tuples, which YAML writes plainly."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
