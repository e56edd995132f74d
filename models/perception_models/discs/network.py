"""A small transformer over discs that says how their states change in one interval."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perception_models.networks.transformer import Block

_INPUT_SCALE = (1.0, 1.0, 1.0, 1.0, 5.0)


class DiscsNetwork(nn.Module):
    """One token a disc; the discs are a set, so their order means nothing.

    Args:
        width, heads, depth: Of the transformer.
        change: What a typical change of position and of velocity in one interval is; the network
            answers in these units.
    """

    def __init__(self, width: int, heads: int, depth: int, change: tuple[float, float]) -> None:
        super().__init__()
        self.embed = nn.Linear(5, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 4)
        position, velocity = change
        scale = torch.tensor([position, position, velocity, velocity, 0.0])
        self.register_buffer("change_scale", scale)
        self.register_buffer("input_scale", torch.tensor(_INPUT_SCALE))

    def forward(self, state: Tensor, interaction: Tensor | None = None) -> Tensor:
        """The states one interval later.

        Args:
            state: [..., N, 5], see `world.py`.
            interaction: 0 hides the discs from each other (the ablation), 1 does not; scalar.
        """
        tokens = self.embed(state * self.get_buffer("input_scale"))
        bias = None if interaction is None else _hide_others(state.shape[-2], interaction)
        for block in self.blocks:
            tokens = block(tokens, bias)
        change = self.head(self.norm(tokens)).float()
        change = torch.cat((change, torch.zeros_like(change[..., :1])), dim=-1)
        return state + change * self.get_buffer("change_scale")


def _hide_others(count: int, interaction: Tensor) -> Tensor:
    """Attention bias [N, N] that lets each token see itself only, unless they interact."""
    itself = torch.eye(count, device=interaction.device, dtype=torch.bool)
    return torch.where(itself | (interaction > 0.5), 0.0, -1e4)
