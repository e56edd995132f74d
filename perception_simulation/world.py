"""The running world: physics, the pusher, occluders, hands, contacts and snapshots."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from perception_nodes.arrays import Floats, Ints
from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.pose import Pose
from perception_simulation.crowd import Crowd
from perception_simulation.model import HAND, PUSHER, TIMESTEP, compile_model, start_position
from perception_simulation.motion import (
    Track,
    carry_track,
    parked_track,
    pusher_track,
    scheduled_tracks,
)
from perception_simulation.person import owner
from perception_simulation.pusher import Drive
from perception_simulation.shapes import geometry
from perception_simulation.specification import Carry, Push, Scene
from perception_simulation.validation import check, check_overlaps

CONTROL_STEPS = 5
_LANDING = 0.002
_ABOVE = 0.1
_CLEARANCE = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class Contact:
    """Two bodies that touch: their names in order, where (3,), and the normal force in newtons."""

    first: str
    second: str
    position: Floats
    force: float


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A body's true pose (of its box) and its velocities (3,) each, world frame."""

    pose: Pose
    velocity: Floats
    angular_velocity: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything that the future depends on."""

    data: mujoco.MjData
    steps: int
    grasps: dict[str, Track]
    touching: frozenset[tuple[int, int]]
    drive: Drive | None


class World:
    """A scene in motion.

    Args:
        scene: What is in it.
        model: Its compiled model, where there is one already.

    Raises:
        ConfigurationError: The scene is impossible.
    """

    def __init__(self, scene: Scene, model: mujoco.MjModel | None = None) -> None:
        self.scene = scene
        if model is None:
            check(scene)
            model = compile_model(scene)
            check_overlaps(scene, model)
        self.model = model
        self.data = mujoco.MjData(self.model)
        self._steps = 0
        self._removed: frozenset[str] = frozenset()
        self._objects = {item.name: self.model.body(item.name).id for item in scene.objects}
        self._names = [owner(self.model.body(i).name) for i in range(self.model.nbody)]
        # a person's own body comes before its limbs, which have its name
        self._ids = {name: index for index, name in reversed([*enumerate(self._names)])}
        self._dofs = self.model.body_dofnum.copy()
        self._mocaps = [
            (self.model.body(name).mocapid[0], track) for name, track in scheduled_tracks(scene)
        ]
        self.crowd = Crowd(scene, self.model)
        self._pusher = self._pusher_track(scene.pushes)
        if self._pusher is None and scene.pusher:
            corner = (scene.area[0] / 2.0, scene.area[1] / 2.0)
            self._pusher = parked_track(np.array([*corner, self._parked_height()]))
        self._drive: Drive | None = None
        self._grasps: dict[str, Track] = {}
        self._touching: frozenset[tuple[int, int]] = frozenset()
        self._place_pusher()
        self._start_moving()
        self._control()
        self.crowd.settle(self.data, self.time)
        mujoco.mj_forward(self.model, self.data)

    @property
    def time(self) -> float:
        """Seconds since the start; a multiple of the 2 ms time step."""
        return self._steps * TIMESTEP

    @property
    def stamp(self) -> int:
        """The same in nanoseconds, exact."""
        return self._steps * round(TIMESTEP * 1e9)

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the objects that were not removed, in the order of the scene."""
        return tuple(name for name in self._objects if name not in self._removed)

    def advance(self, time: float) -> None:
        """Step the physics to a time; the true one is that rounded to the time step."""
        until = round(time / TIMESTEP)
        while self._steps < until:
            if self._steps % CONTROL_STEPS == 0:
                self._control()
            count = min(CONTROL_STEPS - self._steps % CONTROL_STEPS, until - self._steps)
            if self.crowd.people:  # limbs are too fast to be moved once in 10 ms
                count = 1
                self.crowd.move(self.data, self.time)
            mujoco.mj_step(self.model, self.data, count)
            self._steps += count
            self._touching = self._pairs()
        self.crowd.settle(self.data, self.time)
        # mj_step leaves the places of bodies one step behind their coordinates
        mujoco.mj_kinematics(self.model, self.data)

    def command(self, velocity: Floats) -> None:
        """Drive the pusher's tip with a velocity (3,), m/s, world frame, from now on.

        The first command ends the scene's own pushes. A command holds for `pusher.COMMAND_LIFE`
        seconds of the world unless it is renewed; speed and reach are bounded.

        Raises:
            ConfigurationError: The scene has no pusher.
            InputError: The velocity is not finite.
        """
        if self._pusher is None:
            raise ConfigurationError(
                "this scene has no pusher to command", "give it `pusher: true`, or a push"
            )
        drive = self._drive or self._start_drive()
        self._drive = drive.commanded(velocity, self.time)

    def _start_drive(self) -> Drive:
        """From where the pusher is, over the whole table or floor."""
        half, low = np.array(self.scene.area) / 2.0, self.scene.support_height
        return Drive(
            low=np.array([*-half, low + _CLEARANCE]),
            high=np.array([*half, self._parked_height()]),
            target=self._pusher_place(),
            velocity=np.zeros(3),
            until=self.time,
        )

    def _pusher_place(self) -> Floats:
        """(3,) of the tip."""
        joints = [self.model.joint(f"{PUSHER} {axis}").qposadr[0] for axis in "xyz"]
        return np.array(self.data.qpos[joints])

    def place(self, poses: Mapping[str, Pose], time: float) -> None:
        """Put things where another simulator has them, at a time of its clock.

        Args:
            poses: World poses of objects (their boxes), walkers and the pusher; names that are not
                in the scene are passed over, and what is not named stays where it was.
            time: Seconds; velocities of objects follow from the places before.
        """
        period = time - self.time
        for name, pose in poses.items():
            body = self._ids.get(name, 0)
            if name in self._objects:
                self._put(body, pose, period)
            elif name == PUSHER and self._pusher is not None:
                joints = [self.model.joint(f"{PUSHER} {axis}").qposadr[0] for axis in "xyz"]
                self.data.qpos[joints] = pose.translation
            elif self.model.body_mocapid[body] >= 0:
                mocap = self.model.body_mocapid[body]
                self.data.mocap_pos[mocap] = pose.translation
                self.data.mocap_quat[mocap] = _wxyz(pose)
        self._steps = round(time / TIMESTEP)
        mujoco.mj_kinematics(self.model, self.data)

    def _put(self, body: int, pose: Pose, period: float) -> None:
        joint = self.model.body_jntadr[body]
        start, speed = self.model.jnt_qposadr[joint], self.model.jnt_dofadr[joint]
        moved = pose.translation - self.data.qpos[start : start + 3]
        self.data.qvel[speed : speed + 6] = 0.0
        if period > 0.0:
            self.data.qvel[speed : speed + 3] = moved / period
        self.data.qpos[start : start + 3] = pose.translation
        self.data.qpos[start + 3 : start + 7] = _wxyz(pose)

    def motion(self, name: str) -> Motion:
        """The true motion of an object, occluder, fixture, person or the pusher."""
        body = self._ids[name]
        data = self.data
        pose = Pose(data.xmat[body].reshape(3, 3).copy(), data.xpos[body].copy())
        velocity, spin = self.crowd.velocity(name, self.time), np.zeros(3)
        if self._dofs[body]:
            start = self.model.body_dofadr[body]
            velocity = data.qvel[start : start + 3].copy()
            if self._dofs[body] == 6:
                spin = pose.rotation @ data.qvel[start + 3 : start + 6]
        return Motion(pose, velocity, spin)

    def bodies(self, name: str) -> Ints:
        """(B,) MuJoCo's ids of the bodies of a thing: one, and those of a person's limbs."""
        return np.array([i for i, owned in enumerate(self._names) if owned == name])

    def contacts(self) -> list[Contact]:
        """The contact points of the last step; those between bodies that rest are left out."""
        found = []
        force = np.zeros(6)
        for index in range(self.data.ncon):
            contact = self.data.contact[index]
            names = sorted(self._names[self.model.geom_bodyid[geom]] for geom in contact.geom)
            mujoco.mj_contactForce(self.model, self.data, index, force)
            found.append(Contact(names[0], names[1], contact.pos.copy(), float(force[0])))
        return found

    def touching(self) -> list[tuple[str, str]]:
        """Pairs of things that touch and can move, also at rest, in order of name."""
        names = self._names
        pairs = ((names[a], names[b]) for a, b in self._touching)
        return sorted((min(pair), max(pair)) for pair in pairs)

    def _pairs(self) -> frozenset[tuple[int, int]]:
        """Movable bodies that touch; a sleeping pair has no contact points but still touches."""
        if not (self._touching or self.data.ncon):
            return self._touching
        bodies = np.sort(self.model.geom_bodyid[self.data.contact.geom], axis=1)
        bodies = bodies[(self._dofs[bodies] > 0).all(axis=1)]
        awake = self.data.body_awake
        asleep = {(a, b) for a, b in self._touching if not (awake[a] or awake[b])}
        return frozenset(asleep | {(int(a), int(b)) for a, b in bodies})

    def snapshot(self) -> Snapshot:
        """Remember this moment."""
        return Snapshot(
            copy.copy(self.data), self._steps, dict(self._grasps), self._touching, self._drive
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a remembered moment; the same future follows, bit by bit."""
        mujoco.mj_copyData(self.data, self.model, snapshot.data)
        self._steps = snapshot.steps
        self._grasps = dict(snapshot.grasps)
        self._touching = snapshot.touching
        self._drive = snapshot.drive

    def branch(self, without: Collection[str] = ()) -> World:
        """A second world at this moment in which objects, pushes or carries are left out.

        Raises:
            ConfigurationError: The scene has nothing of that name.
        """
        scene, names = self.scene, set(without)
        known = {*self._objects, *(p.name for p in scene.pushes), *(c.name for c in scene.carries)}
        if names - known:
            raise ConfigurationError(
                f"the scene has no object, push or carry {min(names - known)!r} to leave out",
                f"it has: {', '.join(sorted(known))}",
            )
        other = World(scene, copy.copy(self.model))
        other.restore(self.snapshot())
        other._leave_out(names, self._removed | names)
        return other

    def _leave_out(self, names: set[str], removed: frozenset[str]) -> None:
        self._removed = removed
        if removed & self._objects.keys():
            self._wake_all()
        for carry in self.scene.carries:
            if carry.name in names or carry.object in names:
                self._let_go(carry)
        if self._pusher is not None and names & {push.name for push in self.scene.pushes}:
            pushes = [push for push in self.scene.pushes if push.name not in removed]
            self._pusher = self._pusher_track(pushes) or self._pusher.resting()
            self._place_pusher()
        for name in names & self._objects.keys():
            self._remove(name)

    def _wake_all(self) -> None:
        """Let physics look at bodies at rest again, since what held them may be gone."""
        kind = mujoco.mjtState.mjSTATE_INTEGRATION.value
        state = np.empty(mujoco.mj_stateSize(self.model, kind))
        mujoco.mj_getState(self.model, self.data, state, kind)
        self.data = mujoco.MjData(self.model)
        mujoco.mj_setState(self.model, self.data, state, kind)

    def _pusher_track(self, pushes: Sequence[Push]) -> Track | None:
        """The pusher waits above everything that stands at the start; None without pushes."""
        height = self._parked_height()
        return pusher_track(pushes, self.scene.support_height, height) if pushes else None

    def _parked_height(self) -> float:
        scene = self.scene
        support, tops = scene.support_height, [scene.support_height]
        for item in scene.objects:
            reach = float(np.linalg.norm(geometry(item.shape).size)) / 2.0
            tops.append(float(start_position(item, support)[2]) + reach)
        return max(tops) + _ABOVE

    def _remove(self, name: str) -> None:
        """Take an object out of the way: far below, without contacts, weight or looks."""
        body = self._objects[name]
        geoms = self.model.geom_bodyid == body
        self.model.geom_contype[geoms] = 0
        self.model.geom_conaffinity[geoms] = 0
        self.model.geom_group[geoms] = 5
        self.model.body_gravcomp[body] = 1.0
        joint = self.model.body_jntadr[body]
        start = self.model.jnt_qposadr[joint]
        self.data.qpos[start + 2] = -10.0
        speed = self.model.jnt_dofadr[joint]
        self.data.qvel[speed : speed + 6] = 0.0
        self._touching = frozenset(pair for pair in self._touching if body not in pair)

    def _place_pusher(self) -> None:
        """Put the pusher where it should be, at rest."""
        if self._pusher is None:
            return
        for axis, value in zip("xyz", self._pusher.at(self.time), strict=True):
            joint = self.model.joint(f"{PUSHER} {axis}")
            self.data.qpos[joint.qposadr[0]] = value
            self.data.qvel[joint.dofadr[0]] = 0.0

    def _start_moving(self) -> None:
        for item in self.scene.objects:
            start = self.model.body_dofadr[self._objects[item.name]]
            self.data.qvel[start : start + 3] = item.velocity
            rotation = Pose.identity().rotation
            if any(item.angular_velocity):
                mujoco.mj_kinematics(self.model, self.data)
                rotation = self.motion(item.name).pose.rotation
            self.data.qvel[start + 3 : start + 6] = rotation.T @ np.array(item.angular_velocity)

    def _control(self) -> None:
        """Move what is moved by a schedule; runs every 10 ms."""
        time = self.time
        for mocap, track in self._mocaps:
            x, y, z, yaw = track.at(time)
            self.data.mocap_pos[mocap] = (x, y, z)
            self.data.mocap_quat[mocap] = (math.cos(yaw / 2.0), 0.0, 0.0, math.sin(yaw / 2.0))
        if self._drive is not None:
            period = CONTROL_STEPS * TIMESTEP
            self._drive = self._drive.advanced(time, period, self._pusher_place())
            self.data.ctrl[:3] = self._drive.target
        elif self._pusher is not None:
            self.data.ctrl[:3] = self._pusher.at(time)
        for carry in self.scene.carries:
            if carry.name not in self._removed and carry.object not in self._removed:
                self._carry(carry, time)

    def _carry(self, carry: Carry, time: float) -> None:
        body = self._objects[carry.object]
        hand = self.model.body(HAND + carry.object).mocapid[0]
        if carry.start <= time < carry.start + carry.duration:
            if carry.name not in self._grasps:
                mujoco.mj_kinematics(self.model, self.data)
                self._grasps[carry.name] = self._grasp(carry, body)
                self.data.mocap_quat[hand] = self.data.xquat[body]
                self.data.eq_active[self.model.equality(HAND + carry.object).id] = 1
            self.data.mocap_pos[hand] = self._grasps[carry.name].at(time)
        elif carry.name in self._grasps:
            self._let_go(carry)

    def _grasp(self, carry: Carry, body: int) -> Track:
        position = self.data.xpos[body].copy()
        item = next(item for item in self.scene.objects if item.name == carry.object)
        landing = start_position(item, self.scene.support_height)[2]
        if len(item.position) == 3:
            landing = position[2]
        return carry_track(carry, position, max(landing, position[2]) + _LANDING)

    def _let_go(self, carry: Carry) -> None:
        self._grasps.pop(carry.name, None)
        self.data.eq_active[self.model.equality(HAND + carry.object).id] = 0


def _wxyz(pose: Pose) -> Floats:
    return np.roll(pose.quaternion(), 1)
