"""Attention between two sets of tokens, each with a geometry of its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from perception_models.viewrope.encodings import (
    Encoding,
    Geometry,
    decode_output,
    encode_key,
    encode_query,
    encode_value,
)


def attend(
    encoding: Encoding,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_geometry: Geometry,
    key_geometry: Geometry,
    bias: Tensor | None = None,
) -> Tensor:
    """Scaled dot-product attention with a position encoding.

    Args:
        encoding: Which one.
        query: [B, heads, L, d].
        key: [B, heads, M, d].
        value: [B, heads, M, d].
        query_geometry: Of the L tokens.
        key_geometry: Of the M tokens.
        bias: Added to the logits, broadcast to [B, heads, L, M]; -inf hides a token. Each query
            must be left with one.

    Returns:
        [B, heads, L, d].
    """
    query = encode_query(encoding, query / math.sqrt(query.shape[-1]), query_geometry)
    key = encode_key(encoding, key, key_geometry)
    value = encode_value(encoding, value, key_geometry)
    logits = query @ key.transpose(-1, -2)
    if bias is not None:
        logits = logits + bias
    return decode_output(encoding, torch.softmax(logits, dim=-1) @ value, query_geometry)


class GeometricAttention(nn.Module):
    """Multi-head attention from tokens to themselves or to others.

    Args:
        width: Of a token; heads * d.
        heads: How many.
        encoding: What attention knows of where tokens are.
    """

    def __init__(self, width: int, heads: int, encoding: Encoding) -> None:
        super().__init__()
        if width % heads or (width // heads) % 8:
            raise ValueError(f"width {width} is not a multiple of 8 times {heads} heads")
        self.heads, self.encoding = heads, encoding
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        # Scores of neighboring rays hardly differ (cos 7 degrees = 0.99): each head may sharpen.
        self.sharpness = nn.Parameter(torch.zeros(heads))

    def begin_with_geometry(self, sharpness: float) -> None:
        """Let attention begin with where tokens are, before it learns what they hold.

        Queries and keys begin as one constant vector each, the same for both: a rotary score then
        is greatest for the token whose ray or place is the asking token's own. Without this the
        product of two small random vectors has to grow first, which takes most of a short training.

        Args:
            sharpness: By which scores are multiplied at first; about 20 tells rays apart by 10
                degrees.
        """
        with torch.no_grad():
            torch.nn.init.normal_(self.query.bias)
            self.key.bias.copy_(self.query.bias)
            torch.nn.init.zeros_(self.query.weight)
            torch.nn.init.zeros_(self.key.weight)
            self.sharpness.fill_(math.log(sharpness))

    def forward(
        self,
        tokens: Tensor,
        geometry: Geometry,
        others: Tensor | None = None,
        others_geometry: Geometry | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """Attend.

        Args:
            tokens: [B, L, width] that ask.
            geometry: Of them.
            others: [B, M, width] that answer; the tokens themselves if there are none.
            others_geometry: Of those.
            bias: See `attend`.

        Returns:
            [B, L, width].
        """
        others = tokens if others is None else others
        sharpened = self.split(self.query(tokens)) * self.sharpness.exp()[:, None, None]
        mixed = attend(
            self.encoding,
            sharpened,
            self.split(self.key(others)),
            self.split(self.value(others)),
            geometry,
            others_geometry or geometry,
            bias,
        )
        joined: Tensor = self.output(mixed.transpose(1, 2).reshape(tokens.shape))
        return joined

    def split(self, x: Tensor) -> Tensor:
        """[B, L, width] to [B, heads, L, d]."""
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(-2, -3)
