"""What was seen before and from where: a bounded set of posed key frames, and which matter now.

Selection has two stages (ViewRope, Xiang et al., arXiv 2602.07854, with depth added): geometry
alone ranks all key frames by how much of the present view they show; of the best, the affinity of
their ray-rotated features decides. Both work on arrays of fixed size, so that a frame costs the
same after an hour as after a minute.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_kernels.transport import choose_anchors, merge_tokens, unlike_mean
from perception_nodes.arrays import Floats, Ints
from perception_nodes.geometry.pose import Pose
from perception_nodes.viewrope.encoding import Sight

CAPACITY = 256
CANDIDATES = 16

TURN, STEP = np.deg2rad(10.0), 0.15
"""A camera that turned or moved by more, radians and meters, gives a new key frame."""

_CHANGED = 0.04
"""Part of what the last key frame shows that must look different now for a new one."""
_GRID = 7
_SLACK = (0.05, 0.05)  # of depth comparisons: meters, and part of the depth
_ASSUMED = 2.0  # m, how far away something without depth is taken to be
_UNKNOWN = 0.5
_MIN_OVERLAP = 0.05
_SAME_VIEW = 0.5
_AGREES = 0.6
_FASTEST, _FASTEST_TURN = 4.0, 2.0 * np.pi  # m/s and rad/s of a plausible camera
_SHORTEST = 0.02  # s


@dataclass(frozen=True, slots=True, eq=False)
class KeyFrame:
    """A frame that is remembered.

    Attributes:
        sight: Its geometry.
        tokens: (K, D) float16 features of its patches, or of the anchors among them.
        patches: (K,) which patches these are.
    """

    sight: Sight
    tokens: Floats
    patches: Ints

    @property
    def rays(self) -> Floats:
        """(K, 3, 3) of these patches."""
        return self.sight.rays[self.patches]

    @property
    def places(self) -> Floats:
        """(K, 3) of these patches."""
        return self.sight.places[self.patches]


@dataclass(slots=True)
class _Last:
    """What is known of the newest frame of a camera."""

    sight: Sight
    key: KeyFrame | None = None
    pooled: Floats | None = None


class KeyFrames:
    """Key frames of all cameras that share a world.

    Args:
        capacity: How many are kept; beyond it the most redundant one goes.
        anchors: How many tokens of each are kept, which take what the others knew (see
            `perception_kernels.transport`); None to keep all.
    """

    def __init__(self, capacity: int = CAPACITY, anchors: int | None = None) -> None:
        self._capacity = capacity
        self.anchors = anchors
        self.reset()

    def reset(self) -> None:
        """Forget everything, as after a backward jump of the clock."""
        n = self._capacity
        self._keys: list[KeyFrame] = []
        self._last: dict[str, _Last] = {}
        self._rotations, self._positions = np.zeros((n, 3, 3)), np.zeros((n, 3))
        self._intrinsics = np.zeros((n, 4))
        self._depths = np.zeros((n, 2, 0, 0))
        self._pooled = np.zeros((n, 0), dtype=np.float32)
        self._distances = np.full((n, n), np.inf)
        self._doubted = np.zeros(n, dtype=bool)

    def __len__(self) -> int:
        return len(self._keys)

    def frames(self) -> tuple[KeyFrame, ...]:
        """All key frames, in order of age as long as none had to go."""
        return tuple(self._keys)

    def arrive(self, sight: Sight) -> str:
        """Take notice of a frame before anything is selected for it.

        Returns:
            What is wrong with the step of its pose since the camera's last frame, such as after
            a correction of the map; empty if nothing is. After such a jump, older key frames are
            used only where what they show agrees with the depth image.
        """
        last = self._last.setdefault(sight.camera_name, _Last(sight))
        seconds = max((sight.stamp - last.sight.stamp) * 1e-9, _SHORTEST)
        step, turn = _motion(sight.pose, last.sight.pose)
        last.sight = sight
        if step <= max(STEP, _FASTEST * seconds) and turn <= max(TURN, _FASTEST_TURN * seconds):
            return ""
        self._doubted[: len(self)] = True
        last.key = last.pooled = None
        return (
            f"the pose of {sight.camera_name} jumped by {step:.2f} m and {np.rad2deg(turn):.0f} "
            f"degrees within {seconds:.2f} s"
        )

    def select(self, sight: Sight, count: int) -> list[KeyFrame]:
        """The key frames that help most to understand a frame, best first.

        Args:
            sight: Its geometry; `arrive` has been called with it.
            count: How many at most; those that show next to nothing of the view are left out.
        """
        score = self.overlap(sight)
        best = np.argsort(-score, kind="stable")[:CANDIDATES]
        best = best[score[best] >= _MIN_OVERLAP]
        last = self._last.get(sight.camera_name)
        if last is not None and last.pooled is not None:
            # The features of this frame do not exist yet; those of the one before are close, and
            # being rotated into the world they may be compared whatever the camera did since.
            affinity = self._pooled[best] @ last.pooled
            best = best[np.argsort(-affinity, kind="stable")]
        return [self._keys[i] for i in best[:count]]

    def overlap(self, sight: Sight) -> Floats:
        """(M,) how much of a view each key frame shows, 0..1, from geometry alone.

        The mean over a grid of rays of the cosine between the directions in which the two cameras
        see the point, where the key frame's depth shows the same surface; half as much where
        depth is missing.
        """
        n = len(self)
        if not n:
            return np.zeros(0)
        points, known = _grid_points(sight)
        local = self._local(points)
        seen, agrees = _shows(local, self._intrinsics[:n], self._depths[:n])
        seen = np.where(known, seen, np.minimum(seen, _UNKNOWN))
        toward = _unit(points - sight.pose.translation)
        along = (toward * points).sum(axis=1) - self._positions[:n] @ toward.T
        cosine = along / np.maximum(np.linalg.norm(local, axis=-1), 1e-9)
        score = (seen * np.maximum(cosine, 0.0)).mean(axis=1)
        score[self._doubted[:n] & (agrees < _AGREES)] = 0.0
        return np.asarray(score)

    def observe(self, sight: Sight, tokens: Floats) -> bool:
        """Take the features that the network gave a frame; keep them if the view is new.

        Args:
            sight: Geometry of the frame; `arrive` has been called with it.
            tokens: (T, D).

        Returns:
            Whether it became a key frame.
        """
        last = self._last[sight.camera_name]
        last.pooled = pool(tokens, sight.rays)
        if last.key is not None and not _has_changed(last.key.sight, sight):
            step, turn = _motion(sight.pose, last.key.sight.pose)
            if step <= STEP and turn <= TURN:
                return False
        kept, patches = self._fewer(sight, tokens)
        last.key = KeyFrame(sight, kept.astype(np.float16), patches)
        self._keep(last.key, last.pooled)
        return True

    def _fewer(self, sight: Sight, tokens: Floats) -> tuple[Floats, Ints]:
        """The tokens that are kept, and of which patches."""
        if self.anchors is None or self.anchors >= len(tokens):
            return tokens, np.arange(len(tokens))
        patches = choose_anchors(unlike_mean(tokens).reshape(sight.near.shape), self.anchors)
        # with rows normalized each anchor takes its share of the background: small things drown
        return merge_tokens(tokens, patches, row_normalized=False), patches

    def _keep(self, key: KeyFrame, pooled: Floats) -> None:
        n = len(self)
        distances = self._distances_to(key.sight.pose)
        nearest = int(distances.argmin()) if n else -1
        if (
            n
            and distances[nearest] < _SAME_VIEW
            and not _has_changed(self._keys[nearest].sight, key.sight)
        ):
            place = nearest  # seen again from there: the newer view replaces the older one
        elif n < self._capacity:
            place = n
        else:
            place = self._most_redundant(nearest, float(distances[nearest]))
        if place == n:
            self._keys.append(key)
            if not n:
                self._depths = np.zeros((self._capacity, 2, *key.sight.near.shape))
                self._pooled = np.zeros((self._capacity, len(pooled)), dtype=np.float32)
        self._keys[place] = key
        camera, pose = key.sight.camera, key.sight.pose
        self._rotations[place], self._positions[place] = pose.rotation, pose.translation
        self._intrinsics[place] = camera.fx, camera.fy, camera.cx, camera.cy
        self._depths[place] = key.sight.near, key.sight.far
        self._pooled[place] = pooled
        self._doubted[place] = False
        self._distances[place, : len(distances)] = self._distances[: len(distances), place] = (
            distances
        )
        self._distances[place, place] = np.inf

    def _most_redundant(self, nearest: int, distance: float) -> int:
        """The older one of the two key frames most alike, the new one among them.

        Args:
            nearest: The key frame most like the new one.
            distance: Between these two.
        """
        a, b = np.unravel_index(int(self._distances.argmin()), self._distances.shape)
        if distance <= self._distances[a, b]:
            return nearest
        return int(min(a, b, key=lambda i: self._keys[i].sight.stamp))

    def _distances_to(self, pose: Pose) -> Floats:
        """(M,) how far the key frames are from a pose, in units of `TURN` and `STEP`."""
        n = len(self)
        trace = np.einsum("mij,ij->m", self._rotations[:n], pose.rotation)
        turn = np.arccos(np.clip((trace - 1.0) / 2.0, -1.0, 1.0))
        step = np.linalg.norm(self._positions[:n] - pose.translation, axis=1)
        return np.asarray(turn / TURN + step / STEP)

    def _local(self, points: Floats) -> Floats:
        """(M, N, 3) world points (N, 3) in the optical frames of all key frames."""
        n = len(self)
        axes = self._rotations[:n]
        turned = (points @ axes.transpose(1, 0, 2).reshape(3, 3 * n)).reshape(-1, n, 3)
        offset = np.einsum("mi,mij->mj", self._positions[:n], axes)
        return np.asarray((turned - offset).transpose(1, 0, 2))


def pool(tokens: Floats, rays: Floats) -> Floats:
    """The mean of features rotated by their rays into the world, of unit length.

    The product of two such means is the mean attention score of ViewRope with identical
    projections of query and key: chunks of three channels are vectors that turn with the ray.

    Args:
        tokens: (T, D).
        rays: (T, 3, 3).
    """
    chunks = tokens[:, : tokens.shape[1] // 3 * 3].reshape(len(tokens), -1, 3)
    mean = np.einsum("tij,tcj->ci", rays, chunks).ravel()
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), dtype=np.float32)


def _has_changed(key: Sight, now: Sight) -> bool:
    """Whether a thing came or went since a key frame, by depth.

    Where a thing was, one now sees farther; where it came to be, one saw farther then. Hiding
    does not count: a camera that moves a little hides and uncovers much.
    """
    gone, come = (_seen_through(places, view) for places, view in ((key, now), (now, key)))
    return gone + come > _CHANGED


def _seen_through(places: Sight, view: Sight) -> float:
    """The share of the places of one frame that the camera of another looks through."""
    known = places.places[np.isfinite(places.places[:, 0])]
    local = (known - view.pose.translation) @ view.pose.rotation
    camera = view.camera
    intrinsics = np.array([[camera.fx, camera.fy, camera.cx, camera.cy]])
    near, _ = _ranges(local[None], intrinsics, np.stack((view.near, view.far))[None])
    told = np.isfinite(near[0])
    through = told & (local[:, 2] < near[0] - _slack(local[:, 2]))
    return float(through.sum() / max(int(told.sum()), 1))


def _shows(local: Floats, intrinsics: Floats, depths: Floats) -> tuple[Floats, Floats]:
    """Whether views show points.

    Args:
        local: (M, N, 3) points in the optical frames.
        intrinsics: (M, 4) fx, fy, cx, cy with one pixel a patch.
        depths: (M, 2, rows, columns) smallest and largest depth of each patch.

    Returns:
        (M, N) 1 where a point is on the surface that is seen there, `_UNKNOWN` where no depth
        tells; and (M,) the share of agreement among the points for which depth tells; 1 if none.
    """
    z = local[..., 2]
    near, far = _ranges(local, intrinsics, depths)
    told, blind = np.isfinite(near), np.isnan(near)
    same = told & (z > near - _slack(z)) & (z < far + _slack(z))
    share = same.sum(axis=1) / np.maximum(told.sum(axis=1), 1)
    share = np.where(told.any(axis=1), share, 1.0)
    return np.where(same, 1.0, np.where(blind, _UNKNOWN, 0.0)), share


def _ranges(local: Floats, intrinsics: Floats, depths: Floats) -> tuple[Floats, Floats]:
    """(M, N) smallest and largest depth of the patches where points (M, N, 3) are seen.

    NaN where the view has no depth, infinite outside of it; otherwise as for `_shows`.
    """
    rows, columns = depths.shape[2:]
    z = local[..., 2]
    ahead = np.maximum(z, 1e-6)
    fx, fy, cx, cy = (intrinsics[:, i, None] for i in range(4))
    u = np.rint(np.clip(fx * local[..., 0] / ahead + cx, -1.0, columns))
    v = np.rint(np.clip(fy * local[..., 1] / ahead + cy, -1.0, rows))
    inside = (z > 0.0) & (u >= 0) & (u < columns) & (v >= 0) & (v < rows)
    column, row = _index(u, inside), _index(v, inside)
    view = np.arange(len(local))[:, None]
    near, far = (np.where(inside, depths[view, i, row, column], np.inf) for i in range(2))
    return near, far


def _slack(depth: Floats) -> Floats:
    return np.asarray(_SLACK[0] + _SLACK[1] * depth)


def _index(values: Floats, inside: Floats) -> Ints:
    return np.asarray(np.where(inside, values, 0.0), dtype=np.intp)


def _grid_points(sight: Sight) -> tuple[Floats, Floats]:
    """(49, 3) world points on a grid over the image, and which of them have depth."""
    rows, columns = sight.near.shape
    row = np.linspace(0, rows - 1, _GRID).round().astype(np.intp)
    column = np.linspace(0, columns - 1, _GRID).round().astype(np.intp)
    index = (row[:, None] * columns + column).ravel()
    points = sight.places[index]
    known = np.isfinite(points[:, 0])
    assumed = sight.pose.translation + _ASSUMED * sight.rays[index, :, 2].astype(np.float64)
    return np.where(known[:, None], points, assumed), known


def _motion(a: Pose, b: Pose) -> tuple[float, float]:
    """Meters and radians between two poses."""
    return float(np.linalg.norm(a.translation - b.translation)), a.angle_to(b)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))
