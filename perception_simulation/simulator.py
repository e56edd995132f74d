"""A scene as a source of frames with truth: what a recording is to replay."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from perception_nodes.arrays import Floats
from perception_nodes.scene import Frame, Sample
from perception_simulation.motion import camera_track
from perception_simulation.odometry import Drift
from perception_simulation.renderer import Renderer
from perception_simulation.sensors import CameraNoise
from perception_simulation.specification import MovingCamera, Scene
from perception_simulation.truth import CameraView, TruthKeeper
from perception_simulation.world import World


class Simulator:
    """Delivers the frames of a scene in order of time; iterating again starts it anew.

    Args:
        scene: What to simulate.

    Raises:
        ConfigurationError: The scene is impossible; says why.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._commands: deque[Floats] = deque(maxlen=1)
        World(scene)  # an impossible scene is refused here, not at the first frame

    def __len__(self) -> int:
        """How many frames there will be, all cameras together."""
        return round(self.scene.duration * self.scene.rate) * len(self.scene.cameras)

    def command(self, velocity: Floats) -> None:
        """Drive the pusher, see `World.command`; it takes effect before the next frame.

        May be called from another thread than the one that iterates: only the newest counts.
        """
        self._commands.append(velocity)

    def __iter__(self) -> Iterator[Sample]:
        """Simulate, draw and tell the truth.

        Raises:
            ConfigurationError: There is a command, but the scene has no pusher.
            InputError: A command is not finite.
            RenderingError: This machine has no OpenGL.
        """
        scene = self.scene
        world = World(scene)
        rigs = [Rig(scene, camera, index) for index, camera in enumerate(scene.cameras)]
        keeper = TruthKeeper(world)
        self._commands.clear()
        with Renderer(world.model, scene.width, scene.height, shadows=scene.shadows) as renderer:
            for number in range(round(scene.duration * scene.rate)):
                while self._commands:
                    world.command(self._commands.popleft())
                # the first frame comes one period after the start: a stamp of 0 means "never"
                world.advance((number + 1) / scene.rate)
                views = [rig.look(world, renderer) for rig in rigs]
                truths = keeper.tell(views)
                for rig, view, truth in zip(rigs, views, truths, strict=True):
                    yield Sample(rig.frame(view, world.stamp, number), truth)


class Rig:
    """A camera of a scene with its path, errors and odometry.

    Args:
        scene: With the camera.
        camera: One of its cameras.
        index: Of it in the scene; its errors depend on it.
    """

    def __init__(self, scene: Scene, camera: MovingCamera, index: int) -> None:
        self._name = camera.name
        self._camera = scene.intrinsics(camera)
        self._track = camera_track(camera)
        self._noise = CameraNoise(scene.sensor, scene.seed, index)
        self._drift = Drift(scene.odometry, scene.seed, index)

    def look(self, world: World, renderer: Renderer) -> CameraView:
        """What it would see were it perfect."""
        pose = self._track.at(world.time)
        return CameraView(
            self._name, pose, self._camera, renderer.render(world.data, pose, self._camera)
        )

    def frame(self, view: CameraView, stamp: int, number: int) -> Frame:
        """Frame `number`, from 0, with all errors."""
        assert view.view.color is not None
        return Frame(
            stamp=stamp,
            camera_name=self._name,
            frame_id=f"{self._name}_color_optical_frame",
            camera=self._camera,
            color=self._noise.color(view.view.color, number),
            depth=self._noise.depth(view.view.depth, number),
            pose=self._drift.believed(view.pose),
        )
