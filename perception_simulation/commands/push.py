"""`permanence push`: a simulated robot pushes an object to a target by what its camera shows."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from perception_nodes.commands.slot_options import add_slot_options, chosen_source
from perception_simulation.requirements import require

if TYPE_CHECKING:
    from perception_simulation.push_robot import PushRobot

_EPILOG = """\
the scene: a cluttered table (random by --seed), a camera, a stick that pushes. The robot is given
images and where its own tip is; the truth says which object is meant, and measures the error.

examples:
  permanence push                        to a place 18 cm beside
  permanence push --hidden               behind a panel for the second half of the way
  permanence push --seed 7 --objects 9

exit status: 0 if the object ended within 3 cm of the target, 3 if not.
"""
_SUCCESS = 0.03


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "push",
        help="simulate a robot that pushes an object to a target",
        description="Simulate a robot that pushes an object to a target by what its camera shows.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("out"), metavar="DIR", help="for results (out)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the scene (1)")
    parser.add_argument("--objects", type=int, default=6, help="how many stand there (6)")
    parser.add_argument("--hidden", action="store_true", help="hide the second half of the way")
    add_slot_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate, push, tell.

    Raises:
        RenderingError: This machine can't render images.
        ConfigurationError: There is no such scene.
    """
    require()
    from perception_nodes.cjepa.foresight import Foresight
    from perception_nodes.session import About, Outputs, run_session
    from perception_simulation.push_picture import draw
    from perception_simulation.push_robot import PushRobot
    from perception_simulation.push_task import push_task

    robot = PushRobot(push_task(args.seed, args.objects, hidden=args.hidden))
    foresight = Foresight()
    foresight.motion = robot.motion
    folder = args.output
    outputs = Outputs(folder / "objects.mcap", folder, folder / "memory.db")
    result = run_session(
        robot.samples(),
        "push",
        outputs,
        lambda: About("the simulator"),
        command=shlex.join(["permanence", *sys.argv[1:]]),
        total=len(robot.simulator),
        map_id=f"push {args.seed} {args.objects}",
        extra_sinks=[robot],
        slots=chosen_source(args),
        foresight=foresight,
    )
    picture = folder / "push.svg"
    draw(robot.task, robot.account, picture)
    success = _tell(robot)
    print(f"picture    {picture}")
    print(f"report     {result.report}     open it in a browser")
    return 0 if success and not result.losses else 3


def _tell(robot: PushRobot) -> bool:
    account = robot.account
    error = robot.error()
    success = error <= _SUCCESS
    if not account.object_id:
        print(f"object     {robot.task.name} was not found")
        return False
    print(f"object     {account.object_id} (truly {robot.task.name})")
    print(f"result     {'success' if success else 'FAILED'}: {1e3 * error:.0f} mm from its target")
    if account.reason:
        print(f"gave up    {account.reason}")
    print(f"time       {account.stamp * 1e-9:.1f} s, {len(account.rounds)} plans")
    share = 100.0 * sum(account.hidden) / max(len(account.hidden), 1)
    print(f"hidden     {share:.0f} % of the frames")
    return success
