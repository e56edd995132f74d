"""A small convolutional network: maps of joints, of people's middles, and offsets that group them.

Four levels of residual blocks (He et al. 2016) and a way back up that adds fine to coarse (Lin et
al. 2017, feature pyramids). All convolutions, so that it is trained on crops and used on images.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from perception_nodes.embodmocap.skeleton import COUNT

_MEAN, _SCALE = 112.0, 64.0
LIMBS = 6
"""Maps that are made only to be learned from."""


class _Residual(nn.Module):
    """Two convolutions of 3 x 3 beside the identity."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(width, width, dilation=dilation),
                                  *list(_convolution(width, width))[:-1])  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] of the same."""
        return functional.relu(x + self.body(x))


class KeypointsNetwork(nn.Module):
    """Pictures in, maps out.

    Args:
        widths: Channels at 1/4, 1/8, 1/16 and 1/32 of the resolution.
    """

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        a, b, c, d = widths
        self.stem = nn.Sequential(
            nn.Conv2d(3, a, 7, stride=4, padding=3, bias=False), nn.BatchNorm2d(a), nn.ReLU()
        )
        self.level4 = _convolution(a, a)
        self.level8 = nn.Sequential(_convolution(a, b, stride=2), _Residual(b))
        self.level16 = nn.Sequential(_convolution(b, c, stride=2), _Residual(c), _Residual(c))
        self.level32 = nn.Sequential(_convolution(c, d, stride=2), _Residual(d), _Residual(d, 2))
        self.down16 = nn.Sequential(nn.Conv2d(d, c, 1, bias=False), nn.BatchNorm2d(c))
        self.down8 = nn.Sequential(nn.Conv2d(c, b, 1, bias=False), nn.BatchNorm2d(b))
        self.down4 = nn.Sequential(nn.Conv2d(b, a, 1, bias=False), nn.BatchNorm2d(a))
        self.mix16, self.mix8, self.mix4 = (_convolution(w, w) for w in (c, b, a))
        self.maps = nn.Sequential(_convolution(a, a), nn.Conv2d(a, COUNT + 1, 1))
        self.offsets = nn.Sequential(_convolution(b, b), nn.Conv2d(b, 2 * COUNT, 1))
        self.limbs = nn.Conv2d(a, LIMBS, 1)
        nn.init.constant_(_last(self.maps), 0.02)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Find joints and people.

        Args:
            image: [N, H, W, 3] uint8 RGB; sides are multiples of 32.

        Returns:
            [N, 18, H/4, W/4] how surely each of the 17 joints, and a person's middle, is at a
            place, about 0..1; and [N, 34, H/8, W/8] from a person's middle to their joints, x and
            y in turn, in units of `OFFSET_UNIT` pixels. While it is trained also
            [N, 6, H/4, W/4] logits of limbs: what is dense is learned sooner, and joints with it.
        """
        x = (image.permute(0, 3, 1, 2).float() - _MEAN) / _SCALE
        at4 = self.level4(self.stem(x))
        at8 = self.level8(at4)
        at16 = self.level16(at8)
        at32 = self.level32(at16)
        at16 = self.mix16(functional.relu(at16 + _doubled(self.down16(at32), at16)))
        at8 = self.mix8(functional.relu(at8 + _doubled(self.down8(at16), at8)))
        at4 = self.mix4(functional.relu(at4 + _doubled(self.down4(at8), at4)))
        found = self.maps(at4), self.offsets(at8)
        return (*found, self.limbs(at4)) if self.training else found


def _convolution(given: int, made: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(given, made, 3, stride=stride, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(made),
        nn.ReLU(),
    )


def _doubled(x: Tensor, like: Tensor) -> Tensor:
    """Twice the resolution; cut where a side was odd before it was halved."""
    doubled = functional.interpolate(x, scale_factor=2.0, mode="nearest")
    return doubled[..., : like.shape[-2], : like.shape[-1]]


def _last(layers: nn.Sequential) -> Tensor:
    bias = layers[-1].bias
    assert isinstance(bias, Tensor)
    return bias
