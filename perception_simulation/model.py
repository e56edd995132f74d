"""Compile a scene to a MuJoCo model."""

from __future__ import annotations

import math
from collections.abc import Iterable

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_simulation import textures
from perception_simulation.meshes import Mesh
from perception_simulation.person import LIMBS, PersonBody, bodies, limb_name
from perception_simulation.shapes import Solid, figure, geometry, lowest
from perception_simulation.specification import (
    STIFF,
    TABLE_HEIGHT,
    Fixture,
    Object,
    Occluder,
    Scene,
    Texture,
    Walker,
)

TIMESTEP = 0.002
PUSHER = "pusher"
PUSHER_RADIUS = 0.012
PUSHER_LENGTH = 0.16
HAND = "hand "
NEAR, FAR = 0.05, 20.0

_CLEARANCE = 0.0005
_SURFACE_FRICTION = 0.2
_LIMB_FRICTION = 0.5
_SKIN = Texture((0.8, 0.6, 0.5))
_TORSION, _ROLLING = 0.002, 0.0002
_PUSHER_MASS, _PUSHER_FORCE = 1.0, 60.0
_GRAY = Texture((0.35, 0.35, 0.38))
WALL = Texture((0.75, 0.74, 0.7))
FLOOR = Texture((0.4, 0.38, 0.36), (0.45, 0.43, 0.4), "checker")
_ROOM_HEIGHT = 2.4


def compile_model(scene: Scene) -> mujoco.MjModel:
    """Build the model: surroundings, fixtures, objects, occluders, walkers, pusher and hands."""
    model = mujoco.MjSpec()
    _settings(model, scene)
    _lights(model, scene)
    _surroundings(model, scene)
    for fixture in scene.fixtures:
        _fixture(model, fixture)
    for item in scene.objects:
        _object(model, item, scene.support_height)
    for occluder in scene.occluders:
        _occluder(model, occluder)
    for walker in scene.walkers:
        if walker.motion == STIFF:
            _walker(model, walker)
    for person in bodies(scene):
        _person(model, person, next(w for w in scene.walkers if w.name == person.name))
    if scene.has_pusher:
        _pusher(model)
    for name in dict.fromkeys(carry.object for carry in scene.carries):
        _hand(model, name)
    return model.compile()


def start_position(item: Object, support_height: float) -> Floats:
    """(3,) where an object's center is at time 0; one given by (x, y) stands on the support."""
    if len(item.position) == 3:
        return np.array(item.position)
    rotation = Rotation.from_euler("xyz", item.rotation).as_matrix()
    height = support_height + lowest(item.shape, rotation) + _CLEARANCE
    return np.array([*item.position, height])


def _settings(model: mujoco.MjSpec, scene: Scene) -> None:
    model.option.timestep = TIMESTEP
    model.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    model.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    # bodies at rest cost nothing, which makes most frames ten times cheaper
    model.option.enableflags |= int(mujoco.mjtEnableBit.mjENBL_SLEEP)
    model.stat.extent = 1.0
    model.stat.center = [0.0, 0.0, scene.support_height]
    model.visual.map.znear, model.visual.map.zfar = NEAR, FAR
    model.visual.quality.offsamples = 0
    model.visual.quality.shadowsize = 2048
    visual = getattr(model.visual, "global")
    visual.offwidth, visual.offheight = scene.width, scene.height
    model.visual.headlight.ambient = [0.35] * 3
    model.visual.headlight.diffuse = [0.15] * 3
    model.visual.headlight.specular = [0.0] * 3


def _lights(model: mujoco.MjSpec, scene: Scene) -> None:
    for index, direction in enumerate(((0.4, 0.3, -1.0), (-0.5, -0.2, -1.0))):
        model.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            pos=[-2.0 * direction[0], -2.0 * direction[1], 2.2],
            dir=direction,
            diffuse=[0.45 - 0.15 * index] * 3,
            specular=[0.1] * 3,
            castshadow=scene.shadows and index == 0,
        )


def _surroundings(model: mujoco.MjSpec, scene: Scene) -> None:
    length, width = scene.area
    if scene.place == "tabletop":
        _static(model, "floor", (8.0, 8.0, 0.1), (0.0, 0.0, -0.05), FLOOR)
        top = (length, width, 0.04)
        _static(model, "table", top, (0.0, 0.0, TABLE_HEIGHT - 0.02), scene.surface)
        length, width = 8.0, 8.0
    else:
        _static(model, "floor", (length, width, 0.1), (0.0, 0.0, -0.05), scene.surface)
    h = _ROOM_HEIGHT
    for sign, name in ((-1.0, "low"), (1.0, "high")):
        x, y = sign * (length + 0.1) / 2.0, sign * (width + 0.1) / 2.0
        _static(model, f"wall x {name}", (0.1, width + 0.2, h), (x, 0.0, h / 2), WALL)
        _static(model, f"wall y {name}", (length + 0.2, 0.1, h), (0.0, y, h / 2), WALL)


def _static(
    model: mujoco.MjSpec,
    name: str,
    size: Iterable[float],
    position: Iterable[float],
    texture: Texture,
    yaw: float = 0.0,
) -> None:
    body = model.worldbody.add_body(name=name, pos=list(position), quat=_yaw(yaw))
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[s / 2.0 for s in size],
        friction=[_SURFACE_FRICTION, _TORSION, _ROLLING],
        material=_material(model, texture),
    )


def _fixture(model: mujoco.MjSpec, item: Fixture) -> None:
    _static(model, item.name, item.size, item.position, item.texture, item.yaw)


def _object(model: mujoco.MjSpec, item: Object, support_height: float) -> None:
    shape = geometry(item.shape)
    x, y, z, w = Rotation.from_euler("xyz", item.rotation).as_quat()
    position = start_position(item, support_height)
    body = model.worldbody.add_body(name=item.name, pos=position, quat=[w, x, y, z])
    body.add_freejoint()
    material = _material(model, item.texture)
    total = sum(solid.volume for solid in shape.solids)
    for index, solid in enumerate(shape.solids):
        geom = body.add_geom(
            **_form(model, solid, f"{item.name} {index}"),
            mass=item.mass * solid.volume / total,
            friction=[item.friction, _TORSION, _ROLLING],
            condim=6 if shape.rolls else 4,
            material=material,
        )
        if shape.skin is not None and solid.mesh is not shape.skin:
            geom.group = 3
    if shape.skin is not None and shape.solids[0].mesh is not shape.skin:
        name = f"{item.name} skin"
        _mesh(model, name, shape.skin, mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=name,
            contype=0,
            conaffinity=0,
            mass=0.0,
            material=material,
        )


def _form(model: mujoco.MjSpec, solid: Solid, name: str) -> dict[str, object]:
    """The arguments of a geom that describe its form and place."""
    pitch = solid.pitch / 2.0
    place = {"pos": solid.center, "quat": [math.cos(pitch), 0.0, math.sin(pitch), 0.0]}
    if solid.mesh is not None:
        _mesh(model, name, solid.mesh, mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX)
        return {"type": mujoco.mjtGeom.mjGEOM_MESH, "meshname": name, **place}
    kind = getattr(mujoco.mjtGeom, f"mjGEOM_{solid.kind.upper()}")
    size = [*solid.size, 0.0, 0.0][:3]
    return {"type": kind, "size": size, **place}


def _mesh(model: mujoco.MjSpec, name: str, mesh: Mesh, inertia: int) -> None:
    model.add_mesh(
        name=name,
        uservert=mesh.vertices.reshape(-1).tolist(),
        userface=mesh.faces.reshape(-1).tolist(),
        inertia=inertia,
        maxhullvert=64,
    )


def _occluder(model: mujoco.MjSpec, item: Occluder) -> None:
    first = item.path[0]
    body = model.worldbody.add_body(
        name=item.name, pos=list(first.position), quat=_yaw(first.yaw), mocap=True
    )
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[s / 2.0 for s in item.size],
        contype=0,
        conaffinity=0,
        material=_material(model, item.texture),
    )


def _walker(model: mujoco.MjSpec, item: Walker) -> None:
    first = item.path[0]
    position = [*first.position, item.height / 2.0]
    body = model.worldbody.add_body(name=item.name, pos=position, quat=_yaw(first.yaw), mocap=True)
    for index, solid in enumerate(figure(item.height).solids):
        body.add_geom(
            **_form(model, solid, f"{item.name} {index}"),
            contype=0,
            conaffinity=0,
            material=_material(model, item.texture),
        )


def _person(model: mujoco.MjSpec, person: PersonBody, item: Walker) -> None:
    """Limbs that move by themselves, and a body without any form: the middle of their box."""
    box, _, _ = person.box(0.0)
    model.worldbody.add_body(name=person.name, pos=box.translation, mocap=True)
    for limb, length, place, turn in zip(LIMBS, person.lengths, *person.limbs(0.0), strict=True):
        name = limb_name(person.name, limb)
        body = model.worldbody.add_body(name=name, pos=place, quat=turn, mocap=True)
        for part in limb.parts:
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_CAPSULE,
                size=[part.radius * person.height, 0.0, 0.0],
                fromto=person.axis(part, float(length)).reshape(-1),
                friction=[_LIMB_FRICTION, _TORSION, _ROLLING],
                material=_material(model, _SKIN if part.skin else item.texture),
            )


def _pusher(model: mujoco.MjSpec) -> None:
    """A stick on three position servos, so that it pushes with a true velocity and finite force."""
    body = model.worldbody.add_body(name=PUSHER, gravcomp=1.0)
    tip = PUSHER_RADIUS
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        size=[PUSHER_RADIUS, PUSHER_LENGTH / 2.0, 0.0],
        pos=[0.0, 0.0, PUSHER_LENGTH / 2.0 + tip],
        mass=_PUSHER_MASS,
        friction=[0.4, _TORSION, _ROLLING],
        condim=4,
        material=_material(model, _GRAY),
    )
    for axis, direction in zip("xyz", np.eye(3), strict=True):
        joint = f"{PUSHER} {axis}"
        body.add_joint(name=joint, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=direction)
        servo = model.add_actuator(
            name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT, forcelimited=True
        )
        servo.set_to_position(kp=2500.0, kv=100.0)
        servo.forcerange = [-_PUSHER_FORCE, _PUSHER_FORCE]


def _hand(model: mujoco.MjSpec, name: str) -> None:
    """An invisible hand that holds an object while its weld is active."""
    model.worldbody.add_body(name=HAND + name, mocap=True)
    weld = model.add_equality(
        name=HAND + name,
        type=mujoco.mjtEq.mjEQ_WELD,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        name1=HAND + name,
        name2=name,
        active=False,
    )
    # anchor (3), relative position (3) and quaternion (4), torque scale: both frames coincide
    weld.data[:11] = [0.0] * 6 + [1.0, 0.0, 0.0, 0.0, 1.0]


def _material(model: mujoco.MjSpec, texture: Texture) -> str:
    name = repr(texture)
    if any(material.name == name for material in model.materials):
        return name
    material = model.add_material(name=name, specular=0.2, shininess=0.3)
    if texture.pattern == "plain":
        material.rgba = [*texture.color, 1.0]
        return name
    side = textures.SIDE
    picture = np.concatenate([textures.image(texture)] * 6)
    texture_map = model.add_texture(
        name=name,
        type=mujoco.mjtTexture.mjTEXTURE_CUBE,
        width=side,
        height=6 * side,
        nchannel=3,
    )
    texture_map.data = picture.tobytes()
    slots = list(material.textures)
    slots[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    material.textures = slots
    return name


def _yaw(angle: float) -> list[float]:
    return [math.cos(angle / 2.0), 0.0, 0.0, math.sin(angle / 2.0)]
