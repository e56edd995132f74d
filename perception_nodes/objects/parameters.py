"""Parameters of the object tracker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrackerParameters:
    """What can be tuned; the defaults suit a table top or a room seen by one depth camera.

    Attributes:
        confirm_hits: Sightings before a new object is believed and published.
        confirm_cut_hits: Likewise for something never seen whole, often a piece of background.
        hidden_after: Time without a sighting after which an object is reported hidden, s.
        tentative_misses: Misses after which an unconfirmed object is dropped.
        birth_cost: Association cost above which a slot starts a new object instead.
        still_drift: Random walk of an object at rest while it is seen, m/sqrt(s).
        hidden_drift: Random walk of an unseen object, m/sqrt(s): somebody may touch it.
        departed_drift: Random walk of an object that got out of sight while it moved, as a share of
            its speed, 1/sqrt(s): what moved it may go on.
        acceleration: Standard deviation of a moving object's acceleration, m/s^2.
        friction_time: Time constant with which an unseen moving object stops, s.
        stop_speed: Below this speed an object counts as being at rest, m/s.
        move_gate: Squared Mahalanobis distance (3 degrees of freedom) above which an object at
            rest is believed to have started to move; 16.3 is the 99.9 % quantile.
        moved_distance: Displacement that is reported as an event, m.
        stopped_distance: What was on its way and moves no farther than this in about half a second
            is reported to rest, m; noise alone moves it less.
        pose_noise: Standard deviation of the camera position, m.
        see_through_rate: How fast the log-odds of existence fall while the camera looks through the
            place of an object, 1/s.
        remove_below: Existence below which an object is no longer published.
        reidentify_speed: How fast an unseen object may have been carried, m/s.
        reidentify_distance: How far at most, m.
        camera_timeout: Time after which an earlier verdict of another camera no longer counts, s.
    """

    confirm_hits: int = 4
    confirm_cut_hits: int = 8
    hidden_after: float = 0.3
    tentative_misses: int = 3
    birth_cost: float = 9.0
    still_drift: float = 0.002
    hidden_drift: float = 0.01
    departed_drift: float = 0.5
    acceleration: float = 1.5
    friction_time: float = 0.3
    stop_speed: float = 0.02
    move_gate: float = 16.3
    moved_distance: float = 0.04
    stopped_distance: float = 0.01
    pose_noise: float = 0.003
    see_through_rate: float = 4.0
    remove_below: float = 0.05
    reidentify_speed: float = 0.3
    reidentify_distance: float = 1.5
    camera_timeout: float = 0.5

    def travels(self, before: bool, moving: bool, away: float, lately: float) -> bool:
        """Whether an object in view is on its way, for events.

        Args:
            before: Whether it was.
            moving: What its filter believes.
            away: How far it is from where it last rested, m.
            lately: How far it is from where it was about half a second ago, m.
        """
        return moving and (lately > self.stopped_distance if before else away > self.moved_distance)
