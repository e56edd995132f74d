"""The owner of object states: slots of any number of cameras in, states that persist out.

Each frame: predict, match slots to objects, update what was matched, and ask the depth image about
what was not: hidden objects stay known; only an object whose place we look through loses existence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import ConfigurationError
from perception_nodes.objects.association import assign, cost_matrix, coverage
from perception_nodes.objects.parameters import TrackerParameters
from perception_nodes.objects.recognition import absorber, recognize
from perception_nodes.objects.sighting import Sighting
from perception_nodes.objects.story import Story
from perception_nodes.objects.track import Track
from perception_nodes.objects.visibility import Verdict, claimed_slot, examine, hovers
from perception_nodes.scene import MAX_OBJECTS, Event, Frame, ObjectState, Slots, Visibility

if TYPE_CHECKING:
    from perception_nodes.cjepa.motion import Belief, MotionModel

_NANOSECONDS = 1e-9
_RESET_AFTER_JUMP = 1.0
_FRAGMENT = 0.5
_CLAIM = 0.5
_ABSORBED_FRAMES = 10
_TO_VISIBILITY = {
    Verdict.PRESENT: Visibility.VISIBLE,
    Verdict.OCCLUDED: Visibility.OCCLUDED,
    Verdict.UNKNOWN: Visibility.OCCLUDED,
    Verdict.OUT_OF_VIEW: Visibility.OUT_OF_VIEW,
    Verdict.GONE: Visibility.LOST,
}
_PRECEDENCE = (
    Visibility.VISIBLE,
    Visibility.OCCLUDED,
    Visibility.LOST,
    Visibility.OUT_OF_VIEW,
)


class ObjectTracker:
    """Keeps the objects of a scene.

    Args:
        parameters: See `TrackerParameters`.
        first_number: The first id is "o" and this number; a memory says which are taken.
        motion: Moves unseen objects; without it each goes on by itself.
    """

    def __init__(
        self,
        parameters: TrackerParameters | None = None,
        first_number: int = 1,
        motion: MotionModel | None = None,
    ) -> None:
        self._parameters = parameters or TrackerParameters()
        self._next_number = first_number
        self._motion = motion
        self._tracks: list[Track] = []
        self._stamp: int | None = None

    def reset(self) -> None:
        """Drop all objects, as after a backward jump of the clock; numbers are not used again."""
        self._tracks = []
        self._stamp = None
        if self._motion is not None:
            self._motion.reset()

    def restore(self, states: Iterable[ObjectState]) -> None:
        """Take over objects that a memory knew: same ids, not seen yet."""
        for state in states:
            track = Track.from_state(state)
            self._tracks.append(track)
            self._next_number = max(self._next_number, track.number + 1)

    def label(self, object_id: str, name: str) -> None:
        """Give an object a name.

        Raises:
            ConfigurationError: There is no such object.
        """
        for track in self._tracks:
            if track.confirmed and track.id == object_id:
                track.label, track.label_score = name, 1.0
                return
        known = ", ".join(s.id for s in self.states()) or "none"
        raise ConfigurationError(f"there is no object {object_id!r}", f"known objects: {known}")

    def states(self) -> tuple[ObjectState, ...]:
        """The published objects, in order of their numbers."""
        published = sorted((t for t in self._tracks if t.confirmed), key=lambda t: t.number)
        return tuple(track.state(self._stamp or track.last_seen) for track in published)

    def update(
        self, frame: Frame, slots: Slots
    ) -> tuple[tuple[ObjectState, ...], tuple[Event, ...]]:
        """Take the slots of one frame.

        Args:
            frame: Its depth image and pose serve the visibility test. Without a pose nothing is
                updated, since slots can't be placed in the world.
            slots: Those of the frame. Where their source rested, objects are only predicted: their
                `last_seen` stays behind and their covariance grows.

        Returns:
            All object states after the frame, and what happened.
        """
        story = Story(frame)
        if frame.pose is None:
            return self.states(), ()
        believed = self.states() if self._motion is not None else ()
        dt = self._advance(frame.stamp)
        sightings = [
            Sighting.from_slot(s, frame.pose, self._parameters.pose_noise) for s in slots.items
        ]
        self._predict(dt, believed, slots.rested)
        if slots.rested:
            return self.states(), ()
        cost = cost_matrix(self._tracks, sightings, slots.model_id, dt, self._parameters)
        pairs = assign(cost, self._parameters.birth_cost)
        matched = {self._tracks[i]: j for i, j in pairs.items()}
        merged = self._question_unmatched(frame, slots, matched, dt)
        self._see(frame, slots, sightings, matched, merged, dt, story)
        self._start_new(frame, slots, sightings, matched)
        self._confirm(frame.stamp, slots, story)
        self._clean_up(list(matched), story)
        for track in self._tracks:
            self._tell(track, frame.stamp, story)
        return self.states(), tuple(story.events)

    def _advance(self, stamp: int) -> float:
        dt = 0.0 if self._stamp is None else (stamp - self._stamp) * _NANOSECONDS
        if dt < -_RESET_AFTER_JUMP:
            self.reset()
            dt = 0.0
        self._stamp = stamp
        return max(dt, 0.0)

    def _predict(self, dt: float, believed: Sequence[ObjectState], rested: bool) -> None:
        """Move all objects on, as the motion model says of those that it speaks of.

        A source rests since nothing moved: meanwhile all drift, and come to rest, as if hidden.
        """
        expected: Mapping[str, Belief] = {}
        if self._motion is not None and self._stamp is not None and self._tracks:
            expected = self._motion.advance(self._stamp, believed)
        for track in self._tracks:
            if track.confirmed and track.id in expected:
                track.follow(expected[track.id])
            else:
                unseen = track.misses > 0 or rested
                track.motion.predict(dt, unseen, self._parameters, track.fleeting)

    def _question_unmatched(
        self, frame: Frame, slots: Slots, matched: dict[Track, int], dt: float
    ) -> set[int]:
        """Ask the depth image about objects without a slot; return slots that show several."""
        merged: set[int] = set()
        for track in self._tracks:
            if track in matched:
                continue
            track.misses += 1
            evidence = examine(frame, track.surface(), track.spread)
            verdict = evidence.verdict
            if verdict is Verdict.PRESENT and track.confirmed:
                slot, share = claimed_slot(frame, slots.labels, track.surface())
                if slot >= 0 and share >= _CLAIM and track.misses * dt < 1.0:
                    merged.add(slot)
                    track.share(frame.stamp)
                elif share < _CLAIM:
                    track.unrecognized += 1
                    # what moved on leaves ground behind that is nearly where it was
                    verdict = Verdict.GONE if track.left_moving else verdict
            seen_as = _TO_VISIBILITY[verdict]
            if verdict is Verdict.GONE:
                track.look_through(dt)
            unknown = track.adrift or track.absent(self._parameters.hidden_after)
            if unknown and seen_as is not Visibility.VISIBLE:
                seen_as = Visibility.LOST
            self._judge(track, frame, seen_as)
            if track.visibility is Visibility.LOST and verdict is Verdict.GONE:
                sharpness = 1.0 / (1.0 + (2.0 * track.spread / float(track.size.max())) ** 2)
                track.odds -= self._parameters.see_through_rate * dt * sharpness
        return merged

    def _judge(self, track: Track, frame: Frame, visibility: Visibility) -> None:
        track.verdicts[frame.camera_name] = (frame.stamp, visibility)
        oldest = frame.stamp - int(self._parameters.camera_timeout / _NANOSECONDS)
        recent = {v for stamp, v in track.verdicts.values() if stamp >= oldest}
        track.visibility = next(v for v in _PRECEDENCE if v in recent)

    def _see(
        self,
        frame: Frame,
        slots: Slots,
        sightings: Sequence[Sighting],
        matched: dict[Track, int],
        merged: set[int],
        dt: float,
        story: Story,
    ) -> None:
        for track, j in matched.items():
            hidden_for = (frame.stamp - track.last_seen) * _NANOSECONDS
            before = track.seen_at
            if j in merged:
                track.touch(frame.stamp)
            else:
                track.see(frame.stamp, sightings[j], dt, self._parameters)
                slot, points = sightings[j].slot, sightings[j].points
                looked = not track.settled
                track.bear(hovers(frame, slots.labels, slot.index, points) if looked else None)
            self._judge(track, frame, Visibility.VISIBLE)
            if track.hidden:
                self._welcome_back(track, hidden_for, before, story)

    def _welcome_back(self, track: Track, hidden_for: float, before: Floats, story: Story) -> None:
        displacement = float(np.linalg.norm(track.position - before))
        threshold = self._parameters.moved_distance + track.spread
        story.back(track, hidden_for, displacement if displacement > threshold else 0.0)
        track.hidden = False
        track.anchor = track.position.copy()

    def _start_new(
        self,
        frame: Frame,
        slots: Slots,
        sightings: Sequence[Sighting],
        matched: dict[Track, int],
    ) -> None:
        taken = set(matched.values())
        seen = [track for track in matched if track.confirmed]
        left = [sighting for j, sighting in enumerate(sightings) if j not in taken]
        fragments = coverage(seen, left).max(axis=0, initial=0.0) >= _FRAGMENT
        for sighting, fragment in zip(left, fragments, strict=True):
            if fragment:
                continue
            track = Track.start(0, frame.stamp, sighting, slots.model_id)
            track.verdicts[frame.camera_name] = (frame.stamp, Visibility.VISIBLE)
            self._tracks.append(track)

    def _confirm(self, stamp: int, slots: Slots, story: Story) -> None:
        whole, cut = self._parameters.confirm_hits, self._parameters.confirm_cut_hits
        ready = [
            t
            for t in self._tracks
            if not t.confirmed and t.misses == 0 and t.hits >= (whole if t.full_views else cut)
        ]
        for new in ready:
            old = recognize(new, self._tracks, stamp, slots.model_id, self._parameters)
            if old is None:
                new.confirmed, new.number = True, self._next_number
                self._next_number += 1
                new.anchor = new.position.copy()
                story.appeared(new)
                continue
            hidden_for, before = (stamp - old.last_seen) * _NANOSECONDS, old.seen_at
            old.take_over(new)
            self._tracks.remove(new)
            self._welcome_back(old, hidden_for, before, story)

    def _clean_up(self, seen: Sequence[Track], story: Story) -> None:
        for track in list(self._tracks):
            if not track.confirmed:
                if track.misses >= self._parameters.tentative_misses:
                    self._tracks.remove(track)
                continue
            self._unite(track, [t for t in seen if t in self._tracks])
            if track not in self._tracks:
                continue
            if track.existence < self._parameters.remove_below:
                self._tracks.remove(track)
                story.removed(track)
            elif track.mistaken:
                self._tracks.remove(track)
                story.mistaken(track)
        confirmed = [t for t in self._tracks if t.confirmed]
        for track in sorted(confirmed, key=lambda t: (-t.last_seen, t.number))[MAX_OBJECTS:]:
            self._tracks.remove(track)
            story.removed(track)

    def _unite(self, track: Track, seen: Sequence[Track]) -> None:
        """Drop one of two tracks that follow the same object; the older id stays."""
        other = absorber(track, seen)
        track.absorbed = track.absorbed + 1 if other is not None else 0
        if other is None or track.absorbed < _ABSORBED_FRAMES:
            return
        if other.number < track.number:
            self._tracks.remove(track)
        else:
            track.take_over(other)
            track.hidden = False
            self._tracks.remove(other)

    def _tell(self, track: Track, stamp: int, story: Story) -> None:
        if not track.confirmed:
            return
        unseen = (stamp - track.last_seen) * _NANOSECONDS
        if unseen > self._parameters.hidden_after and track.visibility != Visibility.VISIBLE:
            if not track.hidden:
                track.hidden, track.traveling = True, False
                story.hidden(track)
                if track.visibility is Visibility.LOST:
                    story.lost(track)
            return
        away = float(np.linalg.norm(track.position - track.anchor))
        lately = float(np.linalg.norm(track.position - track.recently))
        travels = self._parameters.travels(track.traveling, track.motion.moving, away, lately)
        if track.traveling and not travels:
            story.stopped(track)
        elif travels and not track.traveling:
            story.moved(track)
        if not track.motion.moving or (track.traveling and not travels):
            track.anchor = track.position.copy()
        track.traveling = travels
