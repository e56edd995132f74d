"""The optimizer of a network by name: one for the matrices inside blocks, AdamW for the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.optim import AdamW, Optimizer

from perception_models.optimizers.muon import BatchedMuon
from perception_models.optimizers.names import DEFAULT_RATES, METHODS
from perception_models.optimizers.namo import Namo


def split(networks: Iterable[nn.Module]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The matrices inside blocks, and everything else.

    Embeddings, heads, norms and biases are no linear maps between hidden features; orthogonalizing
    or masking their updates is not what the papers do. A network says which part is hidden by
    holding it in a child named `blocks`.
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for network in networks:
        for name, parameter in network.named_parameters():
            inside = "blocks" in name.split(".") and parameter.ndim == 2
            (matrices if inside else others).append(parameter)
    return matrices, others


class Optimizers:
    """Both optimizers as one: step, rate and state together.

    Args:
        networks: The cells; each matrix of each cell is optimized for itself.
        method: One of `METHODS`.
        rate: Learning rate of the matrices inside blocks; 0 takes the method's own.
        rest_rate: Learning rate of everything else, always AdamW.
        weight_decay: Decoupled, on matrices only.

    Attributes:
        rate: That of the matrices, resolved.
    """

    def __init__(
        self,
        networks: Iterable[nn.Module],
        method: str,
        rate: float,
        rest_rate: float,
        weight_decay: float,
    ) -> None:
        matrices, others = split(networks)
        self._parts: list[Any] = []
        self.rate = rate or DEFAULT_RATES[method]
        if matrices:
            self._parts.append(_matrix_optimizer(method, matrices, self.rate, weight_decay))
        if others:
            self._parts.append(AdamW(others, lr=rest_rate, weight_decay=0.0, foreach=True))
        self._rates = [[group["lr"] for group in part.param_groups] for part in self._parts]

    def step(self, factor: float) -> None:
        """Take one step with all learning rates multiplied by a factor, and drop the gradients."""
        for part, rates in zip(self._parts, self._rates, strict=True):
            for group, rate in zip(part.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """All moments and counters."""
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Continue where `state_dict` was taken."""
        for part, state in zip(self._parts, states, strict=True):
            part.load_state_dict(state)


def _matrix_optimizer(method: str, matrices: list[nn.Parameter], rate: float, decay: float) -> Any:
    base, _, masked = method.partition("+")
    optimizer = _base_optimizer(base, matrices, rate, decay)
    if not masked:
        return optimizer
    # Masked updates (Joo et al., arXiv 2602.15322); the library's import is slow, hence here.
    from pytorch_optimizer import Magma

    return Magma(optimizer, mask_prob=0.5, tau=2.0)


def _base_optimizer(
    name: str, matrices: list[nn.Parameter], rate: float, decay: float
) -> Optimizer:
    if name == "adamw":
        return AdamW(matrices, lr=rate, weight_decay=decay, foreach=True)
    if name == "muon":
        return BatchedMuon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    if name in ("namo", "namo-d"):
        return Namo(matrices, lr=rate, weight_decay=decay, columns=name == "namo-d")
    raise ValueError(f"no optimizer is called {name!r}; there are {', '.join(METHODS)}")
