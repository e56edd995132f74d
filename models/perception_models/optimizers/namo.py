"""NAMO and NAMO-D: orthogonalized momentum with a step size that adapts to gradient noise.

From the equations of Zhang, Liu and Schaeffer, "Adam Improves Muon", arXiv 2602.17080, algorithms
1 and 2. The direction is the polar factor of the momentum, as in Muon; NAMO scales it by one
signal-to-noise ratio a matrix, NAMO-D by one a column, clamped around their mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

from perception_models.optimizers.muon import by_shape, newton_schulz


def polar(matrices: Tensor) -> Tensor:
    """Exact polar factors of [..., m, n] by singular value decomposition; slow."""
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    factor: Tensor = u @ vh
    return factor


class Namo(Optimizer):
    """NAMO, or NAMO-D where `columns`.

    Matrices of one shape are treated as one batch, whichever layer or cell they belong to; the
    result is that of treating each alone.

    Args:
        parameters: Matrices, or groups of them.
        lr: About ten times Muon's, because the ratio is about 0.1 to 0.3.
        momentum, second: Decay of the two moments; the ratio never exceeds
            sqrt((1 - momentum) / (1 - second)).
        weight_decay: Decoupled, and scaled by the ratio as the step is.
        columns: One ratio a column (NAMO-D).
        clamp: NAMO-D keeps each ratio within [clamp, 1 / clamp] times their mean; in (0, 1].
        orthogonalize: From momenta [k, m, n] to their polar factors.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-2,
        momentum: float = 0.95,
        second: float = 0.99,
        weight_decay: float = 0.01,
        columns: bool = False,
        clamp: float = 0.1,
        eps: float = 1e-8,
        orthogonalize: Callable[[Tensor], Tensor] = newton_schulz,
    ) -> None:
        if not 0.0 < clamp <= 1.0:
            raise ValueError(f"clamp must lie in (0, 1], not {clamp}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "second": second,
            "weight_decay": weight_decay,
            "columns": columns,
            "clamp": clamp,
            "eps": eps,
        }
        super().__init__(parameters, defaults)
        self.orthogonalize = orthogonalize
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(f"only matrices, not a tensor of {tuple(parameter.shape)}")

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Change the matrices once by their gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for batch in by_shape(group["params"]):
                self._step_batch(group, batch)
        return loss

    def ratios(self, parameter: Tensor) -> Tensor:
        """The ratio of the last step: a scalar, or one a column [n]."""
        ratio: Tensor = self.state[parameter]["ratio"]
        return ratio

    def _step_batch(self, group: dict[str, Any], batch: list[Tensor]) -> None:
        states = [self._state(group, parameter) for parameter in batch]
        mu1, mu2 = group["momentum"], group["second"]
        gradient = torch.stack([p.grad for p in batch if p.grad is not None])
        momentum = torch.stack([s["momentum"] for s in states])
        momentum = mu1 * momentum + (1 - mu1) * gradient
        axes = (-2,) if group["columns"] else (-2, -1)
        power = gradient.square().sum(dim=axes, keepdim=True)
        second = torch.stack([s["second"] for s in states])
        second = mu2 * second + (1 - mu2) * power
        age = torch.stack([s["step"] for s in states]) + 1
        correction = (1 - mu2**age).sqrt() / (1 - mu1**age)
        signal = momentum.square().sum(dim=axes, keepdim=True).sqrt()
        ratio = correction[:, None, None] * signal / (second.sqrt() + group["eps"])
        if group["columns"]:
            mean = ratio.mean(dim=-1, keepdim=True)
            ratio = ratio.clamp(min=group["clamp"] * mean, max=mean / group["clamp"])
        weights = torch.stack([p.detach() for p in batch])
        direction = self.orthogonalize(momentum) + group["weight_decay"] * weights
        weights = weights - group["lr"] * direction * ratio
        for k, (parameter, state) in enumerate(zip(batch, states, strict=True)):
            parameter.copy_(weights[k])
            state["momentum"].copy_(momentum[k])
            state["second"].copy_(second[k])
            state["ratio"] = ratio[k].squeeze().clone()
            state["step"] += 1

    def _state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            width = parameter.shape[1] if group["columns"] else 1
            state["momentum"] = torch.zeros_like(parameter)
            state["second"] = parameter.new_zeros(1, width)
            state["step"] = parameter.new_zeros(())
        return state


def largest_ratio(momentum: float = 0.95, second: float = 0.99) -> float:
    """The bound of the paper's lemma 7 on every ratio."""
    return math.sqrt((1 - momentum) / (1 - second))
