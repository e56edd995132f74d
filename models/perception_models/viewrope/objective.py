"""What the slot encoder is trained for: slots that hold one object each and know it again."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from perception_models.cells import Batch
from perception_models.viewrope.network import CELLS, MEMORY, Encoded, Memory, SlotEncoder
from perception_models.viewrope.samples import MIN_CELLS, middles
from perception_models.viewrope.slots import Pixels, Previous, Slots

TEACH = 0.5
"""Part of the frames whose slots start where objects truly have their middle."""

_TEMPERATURE = 0.1
_FORGET = 0.35  # part of the key frames, and of the frames' memories, that are left out
_HEAT, _SAME, _OBJECTNESS = 0.3, 0.3, 0.5  # weights of losses
_VOTE_SCALE = 10.0  # errors of a tenth of the distance count one


class Owners(NamedTuple):
    """Which slot holds which object.

    Attributes:
        object: [N, K] object of each slot, 0 for none, number + 1 otherwise; one slot an object.
        slot: [N, O] slot of each object; -1 for none.
    """

    object: Tensor
    slot: Tensor


def loss(network: SlotEncoder, batch: Batch, views: int) -> Tensor:
    """The loss of the views of some scenes, those of a scene one after another.

    Args:
        network: The encoder.
        batch: See `samples.inputs`; also `draws` [N, 8 + O] random numbers 0..1.
        views: Of a scene.
    """
    seen = network.encode(*(batch[n] for n in ("color", "depth", "camera", "rays", "place")))
    memory = others(seen, batch, views)
    pixels = network.decode(seen, batch["rays"], batch["place"], memory)
    total = dense_loss(pixels, batch, middles(batch["labels"], batch["visible"], CELLS))
    pixels, batch = thinned(pixels, batch)
    warm = middles(batch["labels"], batch["visible"], pixels.shape)
    teach = (batch["draws"][:, :1] < TEACH).float()
    heat = teach * warm + (1.0 - teach) * torch.sigmoid(pixels.heat.detach())
    first: Slots = network.slots(pixels, heat=heat)
    owners = started(first, batch)
    previous, before = remembered(first, owners, batch, views)
    second: Slots = network.slots(pixels, previous, heat=heat)
    again = started(second, batch, before)
    for found, owner in ((first, owners), (second, again)):
        total = total + 0.5 * slot_loss(found, owner, batch)
    return total + _SAME * 0.5 * (
        identity_loss(first.latent, owners, views) + identity_loss(second.latent, again, views)
    )


def thinned(pixels: Pixels, batch: Batch) -> tuple[Pixels, Batch]:
    """Every other row and column of cells: slots learn as much from a quarter of them."""
    rows, columns = pixels.shape
    index = torch.arange(rows * columns, device=pixels.heat.device).reshape(rows, columns)
    index = index[1::2, ::2].flatten()
    fields = ("features", "embedding", "foreground", "heat", "points", "votes", "known", "color")
    kept = {name: getattr(pixels, name)[:, index] for name in fields}
    fewer = pixels._replace(shape=(rows // 2, columns // 2), **kept)
    return fewer, {**batch, "labels": batch["labels"][:, index]}


def others(seen: Encoded, batch: Batch, views: int) -> Memory:
    """The other views of each frame's scene as key frames, some of them forgotten."""
    n = len(seen.tokens)
    keys = min(views - 1, MEMORY)
    frame = torch.arange(n, device=seen.tokens.device)
    shift = torch.arange(1, keys + 1, device=frame.device)
    index = frame[:, None] // views * views + (frame[:, None] % views + shift) % views
    draws = batch["draws"]
    valid = (draws[:, 1:2] > _FORGET).float() * (draws[:, 2 : 2 + keys] > _FORGET).float()
    return Memory(seen.tokens[index], batch["rays"][index], batch["place"][index], valid)


def started(found: Slots, batch: Batch, before: Tensor | None = None) -> Owners:
    """Which object each slot started on: that of its seed, or that which it held before.

    Of several slots on one object, one that held it before or else the strongest owns it.
    """
    owner = batch["labels"].gather(1, found.seeds)
    order = torch.arange(owner.shape[1], device=owner.device).expand_as(owner)
    if before is not None:
        owner = torch.where(before >= 0, before, owner)
        order = torch.where(before > 0, order - owner.shape[1], order)
    owner = torch.where(found.alive > 0, owner, 0)
    count = batch["visible"].shape[1]
    mine = owner[..., None] == torch.arange(1, count + 1, device=owner.device)
    mine = mine & (batch["visible"] >= MIN_CELLS)[:, None]
    ranked = torch.where(mine, order[..., None], 10_000)
    best, slot = ranked.min(dim=1)
    slot = torch.where(best < 10_000, slot, -1)
    kept = slot.gather(1, (owner - 1).clamp(min=0)) == torch.arange(
        owner.shape[1], device=owner.device
    )
    return Owners(torch.where(kept & (owner > 0), owner, 0), slot)


def remembered(found: Slots, owners: Owners, batch: Batch, views: int) -> tuple[Previous, Tensor]:
    """Slots of another view of the scene as those of the frame before; and what they hold.

    A part of them is forgotten; centers are where the objects are, give or take 2 percent of the
    distance. Slots of objects that this view does not show should notice.

    Returns:
        The slots; and [N, K] the object that each held, -1 where a slot is new.
    """
    n = len(found.query)
    frame = torch.arange(n, device=found.query.device)
    other = frame // views * views + (frame % views + 1) % views
    held = owners.object[other]
    draws = batch["draws"][:, 8:]
    keep = draws.gather(1, (held - 1).clamp(min=0)) > TEACH * batch["draws"][:, 6:7]
    valid = ((held > 0) & keep & (batch["draws"][:, 7:8] > 0.2)).float()
    place = batch["centers"].gather(1, (held - 1).clamp(min=0)[..., None].expand(-1, -1, 3))
    noise = 0.02 * place[..., 2:].abs() * torch.randn_like(place)
    previous = Previous(found.query[other].detach(), place + noise, valid)
    return previous, torch.where(valid > 0, held, -1)


def dense_loss(pixels: Pixels, batch: Batch, warm: Tensor) -> Tensor:
    """Foreground, votes and heat of all cells."""
    labels = batch["labels"]
    inside = (labels > 0).float()
    foreground = functional.binary_cross_entropy_with_logits(pixels.foreground, inside)
    index = (labels - 1).clamp(min=0)[..., None].expand(-1, -1, 3)
    target = batch["centers"].gather(1, index)
    depth = pixels.points[..., 2:].clamp(min=0.2)
    missed = functional.smooth_l1_loss(
        _VOTE_SCALE * pixels.votes / depth, _VOTE_SCALE * target / depth, reduction="none", beta=0.2
    ).sum(dim=-1)
    weight = inside * pixels.known
    vote = (missed * weight).sum() / weight.sum().clamp(min=1.0)
    return foreground + vote + _HEAT * heat_loss(pixels.heat, warm)


def heat_loss(logit: Tensor, warm: Tensor) -> Tensor:
    """Focal loss that forgives warmth near a middle (Zhou et al., arXiv 1904.07850, eq. 1)."""
    chance = torch.sigmoid(logit).clamp(1e-4, 1 - 1e-4)
    peak = (warm > 0.999).float()
    hit = peak * (1 - chance).square() * chance.log()
    miss = (1 - peak) * (1 - warm).pow(4) * chance.square() * (1 - chance).log()
    return -(hit + miss).sum() / peak.sum().clamp(min=1.0)


def slot_loss(found: Slots, owners: Owners, batch: Batch) -> Tensor:
    """Cells to slots in all rounds, overlap of the last, and which slots are objects."""
    labels = batch["labels"]
    slot = owners.slot.gather(1, (labels - 1).clamp(min=0))
    target = torch.where(labels > 0, slot + 1, 0)
    certain = (labels == 0) | (slot >= 0)
    size = batch["visible"].gather(1, (labels - 1).clamp(min=0))
    weight = torch.where(labels > 0, (100.0 / size.clamp(min=1.0)).sqrt().clamp(0.5, 3.0), 1.0)
    weight = weight * certain.float()
    total = weight.new_zeros(())
    for logits in found.logits:
        missed = functional.cross_entropy(logits, target, reduction="none")
        total = total + (missed * weight).sum() / weight.sum()
    chance = torch.softmax(found.logits[-1], dim=1)[:, 1:]
    own = target[:, None] == torch.arange(1, chance.shape[1] + 1, device=chance.device)[:, None]
    held = (owners.object > 0).float()
    inside = (chance * own).sum(dim=-1)
    overlap = 2 * inside / (chance * certain[:, None]).sum(dim=-1).add(own.sum(dim=-1)).clamp(min=1)
    total = total + ((1 - overlap) * held).sum() / held.sum().clamp(min=1.0)
    judged = (
        functional.binary_cross_entropy_with_logits(found.objectness, held, reduction="none")
        * found.alive
    )
    return total + _OBJECTNESS * judged.sum() / found.alive.sum().clamp(min=1.0)


def identity_loss(latent: Tensor, owners: Owners, views: int) -> Tensor:
    """InfoNCE: an object resembles itself in another view more than all other objects."""
    frame, slot = (owners.object > 0).nonzero(as_tuple=True)
    if len(frame) < 2:
        return latent.new_zeros(())
    vectors = latent[frame, slot]
    name = frame // views * 1000 + owners.object[frame, slot]
    itself = torch.eye(len(frame), dtype=torch.bool, device=frame.device)
    same = (name[:, None] == name) & ~itself
    # Two slots of one frame are never the same object; a frame beside it is as hard as it gets.
    scores = (vectors @ vectors.T / _TEMPERATURE).masked_fill(itself, -1e4)
    chance = scores - torch.logsumexp(scores, dim=1, keepdim=True)
    count = same.sum(dim=1)
    found = (chance * same).sum(dim=1) / count.clamp(min=1)
    return -(found * (count > 0)).sum() / (count > 0).sum().clamp(min=1)
