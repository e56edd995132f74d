"""What a person sees of a training: a bar with losses and time left, and TensorBoard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard import SummaryWriter

from perception_nodes.commands.progress import ProgressBar


class TrainingProgress:
    """Listens to a trainer; use it as a context manager.

    Args:
        title: What is trained.
        folder: TensorBoard's files go to `folder/tensorboard`.
        begun: Updates that were done before, when a run goes on.
        planned: Updates in all.
    """

    def __init__(self, title: str, folder: Path, begun: int, planned: int) -> None:
        self._title = title
        self._bar = ProgressBar(f"train {title}", planned - begun, "updates")
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=begun)

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()
        self._bar.__exit__(kind, error, trace)

    def __call__(self, step: int, planned: int, figures: dict[str, float]) -> None:
        """Show an update."""
        losses = {n.partition("/")[2]: v for n, v in figures.items() if n.startswith("loss/")}
        shown = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
        self._bar.describe(f"train {self._title}  loss: {shown}")
        self._bar.advance()
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        if any(name.startswith("validation/") for name in figures):
            text = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
            self._bar.note(f"update {step} of {planned}: {text}")
