"""torch's Muon with the matrices of one shape orthogonalized as one batch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Muon

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration of Muon (kellerjordan.github.io/posts/muon)."""


def newton_schulz(matrices: Tensor, steps: int = 5) -> Tensor:
    """Approximate polar factors of [..., m, n]: singular values end up in about 0.7 to 1.2."""
    a, b, c = NEWTON_SCHULZ
    x = matrices / matrices.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-12)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    result: Tensor = x.mT if tall else x
    return result


def by_shape(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    """The parameters that have a gradient, in batches of one shape, device and type."""
    groups: dict[tuple[torch.Size, torch.device, torch.dtype], list[Tensor]] = defaultdict(list)
    for p in parameters:
        if p.grad is not None:
            groups[p.shape, p.device, p.dtype].append(p)
    return list(groups.values())


class BatchedMuon(Muon):
    """`torch.optim.Muon` (its arguments, state and steps), many matrices at a time.

    torch's own steps through layers and cells one matrix at a time and in bfloat16, which a
    processor without bfloat16 arithmetic emulates: four times slower for the networks of this
    project. Here the iteration runs in single precision; steps differ by bfloat16 rounding.
    """

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

    def _step_batch(self, group: dict[str, Any], batch: list[Tensor]) -> None:
        buffers = []
        for parameter in batch:
            state = self.state[parameter]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            buffers.append(state["momentum_buffer"])
        gradients = [p.grad for p in batch if p.grad is not None]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        updates = torch.stack(buffers)
        if group["nesterov"]:
            updates = torch.lerp(torch.stack(gradients), updates, group["momentum"])
        directions = newton_schulz(updates, group["ns_steps"])
        rate = group["lr"] * _shape_factor(group["adjust_lr_fn"], *batch[0].shape)
        torch._foreach_mul_(batch, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(batch, list(directions.unbind()), alpha=-rate)


def _shape_factor(rule: str | None, rows: int, columns: int) -> float:
    if rule == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))
