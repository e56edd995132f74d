"""Identity beyond frame-to-frame matching: objects that come back, and doubles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_nodes.objects.association import appearance_cost, size_cost
from perception_nodes.objects.box import inside
from perception_nodes.objects.parameters import TrackerParameters
from perception_nodes.objects.track import Track
from perception_nodes.scene import Visibility

_NANOSECONDS = 1e-9
_RECOGNITION_LIMIT = 4.0
_STAYED_COST = 1.0
_SAME_PLACE = 0.6


def recognize(
    new: Track,
    tracks: Sequence[Track],
    stamp: int,
    model_id: str,
    parameters: TrackerParameters,
) -> Track | None:
    """Find the unseen object that a newly seen one is.

    An object can have been carried while nobody looked, the farther the longer ago. Distance,
    size and appearance all count; an object whose old place is seen to be empty is the likelier
    candidate.

    Args:
        new: Just seen often enough to be believed.
        tracks: All objects.
        stamp: Now, ns.
        model_id: Of the slots, for comparing latents.
        parameters: Of the tracker.

    Returns:
        The object that it is, or None if it is new.
    """
    best, best_cost = None, _RECOGNITION_LIMIT
    for track in tracks:
        if not track.confirmed or track.misses == 0 or track.visibility is Visibility.VISIBLE:
            continue
        unseen = (stamp - track.last_seen) * _NANOSECONDS
        reach = 0.08 + 2.0 * track.spread + parameters.reidentify_speed * unseen
        reach = min(reach, parameters.reidentify_distance + 2.0 * track.spread)
        # what left in motion was being carried, and may be anywhere that it could get to
        reach = max(reach, track.departed * unseen)
        start = track.seen_at if track.departed else track.position
        distance = float(np.linalg.norm(new.position - start))
        if distance > reach:
            continue
        cost = (
            (distance / reach) ** 2
            + appearance_cost(track, new.color, new.latent, model_id)
            + 0.5 * float(size_cost(track.size, new.size, new.full_views == 0))
            + (0.0 if track.visibility is Visibility.LOST else _STAYED_COST)
        )
        if cost < best_cost:
            best, best_cost = track, cost
    return best


def absorber(track: Track, seen: Sequence[Track]) -> Track | None:
    """The object just seen in whose box the surface of one without a slot lies, if there is one."""
    alone = track.misses == 0 and track.sharing == 0
    if alone or track.visibility is not Visibility.VISIBLE:
        return None
    others = [t for t in seen if t is not track and t.confirmed and t.misses == 0]
    if not others:
        return None
    share = inside(
        track.surface()[None],
        np.stack([t.position for t in others]),
        np.stack([t.rotation for t in others]),
        np.stack([t.size / 2.0 + 0.01 for t in others]),
    )[:, 0]
    best = int(share.argmax())
    return others[best] if share[best] >= _SAME_PLACE else None
