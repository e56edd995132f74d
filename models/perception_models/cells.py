"""Several trainings of one small network as one batched model.

A cell is one training: a seed and an ablation. Small networks leave a processor idle between tiny
operations; as many cells as fit are computed by one set of larger operations (torch.func). Each
cell's result is that of training it alone, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

FULL = "full"
"""The ablation in which nothing is taken away."""

Call = Callable[..., Any]
Batch = dict[str, Tensor]
Loss = Callable[[Call, Batch, Batch], Tensor]
"""From (network, batch of one seed, switches of one ablation) to a scalar."""


@dataclass(frozen=True)
class Cell:
    """One training: which seed, and what is taken away ("full": nothing)."""

    seed: int
    ablation: str = FULL

    def __str__(self) -> str:
        return f"{self.ablation}/seed {self.seed}"


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network initialized from a seed alone; the global generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


class CellStack:
    """The networks of all cells, and their losses in one go.

    Each cell keeps parameters of its own, stacked when they are used: optimizers that act on
    matrices then see matrices, whatever is stacked.

    Args:
        make: Makes the network; cells of one seed begin alike.
        cells: Which trainings.
        switches: Per ablation the numbers that the loss is told.
        device: Where to compute.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        cells: Sequence[Cell],
        switches: Mapping[str, Mapping[str, float]],
        device: torch.device,
    ) -> None:
        self.cells = tuple(cells)
        self.networks = [seeded(make, cell.seed).to(device) for cell in cells]
        self.seeds = tuple(dict.fromkeys(cell.seed for cell in cells))
        self.switches = [
            {
                name: torch.tensor(value, device=device)
                for name, value in switches[c.ablation].items()
            }
            for c in cells
        ]

    def losses(self, loss: Loss, batches: Mapping[int, Batch]) -> Tensor:
        """The loss of each cell [cells].

        Args:
            loss: Of one cell.
            batches: One batch a seed; the cells of a seed see the same episodes.
        """
        if len(self.cells) == 1:
            # As it is: a large network may use what can't be batched over cells.
            cell = self.cells[0]
            return loss(self.networks[0], batches[cell.seed], self.switches[0]).reshape(1)
        base = self.networks[0]
        weights = _stacked([dict(n.named_parameters()) for n in self.networks])
        buffers = _stacked([dict(n.named_buffers()) for n in self.networks])
        batch = _stacked([batches[cell.seed] for cell in self.cells])
        switches = _stacked(self.switches)

        def one(state: Batch, batch: Batch, switches: Batch) -> Tensor:
            def call(*args: Any, **kwargs: Any) -> Any:
                return functional_call(base, state, args, kwargs)

            return loss(call, batch, switches)

        result: Tensor = vmap(one, randomness="different")({**weights, **buffers}, batch, switches)
        return result


def _stacked(items: Sequence[Mapping[str, Tensor]]) -> Batch:
    return {name: torch.stack([item[name] for item in items]) for name in items[0]}
