"""A pre-norm transformer block written in plain matrix products, so that it exports and vmaps."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention over a set of tokens [..., N, D].

    Queries, keys and values have matrices of their own: an optimizer that orthogonalizes updates
    treats each as one linear map.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(
        self, tokens: Tensor, bias: Tensor | None = None, first: int | None = None
    ) -> Tensor:
        """Attend.

        Args:
            tokens: [..., N, D].
            bias: Added to the logits, broadcast to [..., heads, N, N]; -inf hides a token.
            first: Only so many tokens ask (all: none given); the others are looked at.
        """
        split = (*tokens.shape[:-1], self.heads, -1)
        asking = tokens[..., :first, :]
        query = self.query(asking).reshape(*asking.shape[:-1], self.heads, -1).transpose(-2, -3)
        key = self.key(tokens).reshape(split).transpose(-2, -3)
        value = self.value(tokens).reshape(split).transpose(-2, -3)
        logits = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        if bias is not None:
            logits = logits + bias
        mixed = torch.softmax(logits, dim=-1) @ value
        joined: Tensor = self.output(mixed.transpose(-2, -3).reshape(asking.shape))
        return joined


class Block(nn.Module):
    """Attention and a two-layer perceptron, each behind a LayerNorm and beside an identity."""

    def __init__(self, width: int, heads: int, expansion: int = 4) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm_perceptron = nn.LayerNorm(width)
        self.widen = nn.Linear(width, expansion * width)
        self.narrow = nn.Linear(expansion * width, width)

    def forward(self, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """[..., N, D] to [..., N, D]; see `Attention.forward`."""
        tokens = tokens + self.attention(self.norm_attention(tokens), bias)
        hidden = torch.nn.functional.gelu(self.widen(self.norm_perceptron(tokens)))
        result: Tensor = tokens + self.narrow(hidden)
        return result
