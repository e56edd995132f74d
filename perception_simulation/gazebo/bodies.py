"""Links of an SDF world: what collides, what is drawn, and what it weighs."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_simulation.gazebo.markup import Element, add, place
from perception_simulation.meshes import Mesh
from perception_simulation.shapes import Geometry, Solid
from perception_simulation.specification import Texture


def geometry_element(parent: Element, solid: Solid, mesh: str = "") -> None:
    """The `<geometry>` of a solid; one of kind mesh is the file `mesh`."""
    shape = add(parent, "geometry")
    inner = add(shape, solid.kind)
    if solid.kind == "box":
        add(inner, "size", [2.0 * s for s in solid.size])
    elif solid.kind == "ellipsoid":
        add(inner, "radii", solid.size)
    elif solid.kind == "mesh":
        add(inner, "uri", mesh)
    else:
        add(inner, "radius", solid.size[0])
        if solid.kind != "sphere":
            add(inner, "length", 2.0 * solid.size[1])


def solid_pose(solid: Solid) -> Pose:
    """Where a solid is in the frame of its body's box."""
    return Pose(Rotation.from_euler("y", solid.pitch).as_matrix(), solid.center)


def material(parent: Element, texture: Texture) -> None:
    """The `<material>`; of a pattern the mean of its two colors."""
    color = np.array(texture.color)
    if texture.pattern != "plain":
        color = (color + np.array(texture.second)) / 2.0
    look = add(parent, "material")
    for kind in ("ambient", "diffuse"):
        add(look, kind, [*color, 1.0])
    add(look, "specular", [0.1, 0.1, 0.1, 1.0])


def inertial(link: Element, mass: float, moments: Floats, center: Pose) -> None:
    """The `<inertial>`: principal moments (3,) about `center`, kg m^2."""
    element = add(link, "inertial")
    place(element, center)
    add(element, "mass", mass)
    tensor = add(element, "inertia")
    for row, name in enumerate(("xx", "yy", "zz")):
        add(tensor, f"i{name}", float(moments[row]))
    for name in ("xy", "xz", "yz"):
        add(tensor, f"i{name}", 0.0)


def collisions(link: Element, shape: Geometry, friction: float, mesh: str) -> None:
    """A `<collision>` for each solid."""
    for index, solid in enumerate(shape.solids):
        element = add(link, "collision", name=f"collision_{index}")
        place(element, solid_pose(solid))
        geometry_element(element, solid, mesh)
        rubbing = add(add(add(element, "surface"), "friction"), "ode")
        add(rubbing, "mu", friction)
        add(rubbing, "mu2", friction)


def visuals(link: Element, shape: Geometry, texture: Texture, mesh: str) -> None:
    """What is drawn: the skin where the shape has one, else its solids."""
    if shape.skin is not None:
        element = add(link, "visual", name="visual_0")
        add(add(add(element, "geometry"), "mesh"), "uri", mesh)
        material(element, texture)
        return
    for index, solid in enumerate(shape.solids):
        element = add(link, "visual", name=f"visual_{index}")
        place(element, solid_pose(solid))
        geometry_element(element, solid, mesh)
        material(element, texture)


def obj(mesh: Mesh, name: str) -> str:
    """A mesh as Wavefront OBJ with smooth normals."""
    corners = mesh.vertices[mesh.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(mesh.vertices)
    for column in range(3):
        np.add.at(normals, mesh.faces[:, column], across)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    lines = [f"o {name}"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.vertices + 0.0]
    lines += [f"vn {x:.4f} {y:.4f} {z:.4f}" for x, y, z in normals + 0.0]
    lines += [f"f {a}//{a} {b}//{b} {c}//{c}" for a, b, c in mesh.faces + 1]
    return "\n".join(lines) + "\n"
