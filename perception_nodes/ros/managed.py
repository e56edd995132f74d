"""The base of our nodes: a managed (lifecycle) node that stays alive whatever comes in.

A node declares its parameters as a dataclass, makes its part in `load`, and gives callbacks to
`listen`. The base does the rest: states, QoS, diagnostics, counting, clock jumps, worker threads.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any, Generic

from rclpy.clock import JumpHandle, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Float64

from perception_nodes.errors import InputError, PermanenceError
from perception_nodes.ros.diagnostics import Diagnostics, Report, why_silent
from perception_nodes.ros.endpoints import Endpoints
from perception_nodes.ros.health import Health, Level
from perception_nodes.ros.interfaces import NodeSpec
from perception_nodes.ros.parameter_server import ParameterServer
from perception_nodes.ros.parameters import P
from perception_nodes.ros.worker import T, Worker

_THRESHOLD = JumpThreshold(
    min_forward=Duration(seconds=60), min_backward=Duration(nanoseconds=-1), on_clock_change=False
)


class ManagedNode(LifecycleNode, Generic[P]):  # type: ignore[misc]
    """Base of all nodes.

    Args:
        spec: Its row in the table of interfaces.
        parameters: Dataclass of its parameters.
        options: Those of `rclpy.node.Node`.

    Raises:
        ConfigurationError: It was started with invalid parameters.
    """

    def __init__(self, spec: NodeSpec, parameters: type[P], **options: Any) -> None:
        self.spec = spec
        self.health = Health()
        self.facts: dict[str, str] = {}
        self._active = False
        self._refusal = ""
        self._workers: list[Worker[Any]] = []
        self._jumps: JumpHandle | None = None
        self.endpoints = Endpoints(self)
        super().__init__(spec.name, **options)
        self._server = ParameterServer(self, parameters, self.reconfigured)
        self._diagnostics = Diagnostics(self, self._report)
        self._processing_time = self.create_publisher(Float64, "~/processing_time_ms", 10)
        self._jumps = self.get_clock().create_jump_callback(_THRESHOLD, post_callback=self._jumped)

    # What a node overrides.

    def load(self) -> None:
        """Make and warm the part, subscribe and advertise; a PermanenceError refuses to start."""

    def unload(self) -> None:
        """Let go of what `load` made, beyond endpoints and workers."""

    def forget(self) -> None:
        """Drop what is short-term: the clock jumped back. Memory stays."""

    def reconfigured(self, parameters: P) -> None:
        """Take over changed parameters."""

    def degraded(self) -> str:
        """What works, but not as it was asked for; empty if all does."""
        return ""

    def explain(self) -> str:
        """Why nothing comes out although inputs come in; empty if unknown."""
        return ""

    # What a node calls.

    @property
    def parameters(self) -> P:
        """The parameters that hold now."""
        return self._server.current

    @property
    def active(self) -> bool:
        """Whether the node is in state active; outside of it nothing is processed."""
        return self._active

    def listen(self, topic: str, handle: Callable[[Any], None], required: bool = False) -> None:
        """Subscribe. Messages reach `handle` only in state active; what it raises is counted.

        Args:
            topic: Name in the table of interfaces.
            handle: Quick: heavy work goes to a worker.
            required: Whether the node is stale without it.
        """
        self.health.expect(topic, required)

        def receive(message: Any) -> None:
            self.health.arrived(topic)
            if self._active:
                self.guard(handle, message)
            else:
                self.health.dropped("inactive")

        self.endpoints.subscribe(self.spec.takes(topic), receive)

    def employ(
        self,
        work: Callable[[T], None],
        capacity: int = 1,
        on_end: Callable[[], None] | None = None,
    ) -> Worker[T]:
        """A thread that works while the node is active; see `Worker`. Capacity 1: newest only."""

        def guarded(item: T) -> None:
            self.guard(work, item)

        worker = Worker(f"{self.get_name()}:worker", guarded, self._failed, capacity, on_end)
        self._workers.append(worker)
        return worker

    def guard(self, handle: Callable[[T], None], item: T) -> None:
        """Call a handler; input it refuses is dropped and counted, an error is counted too."""
        try:
            handle(item)
        except InputError as error:
            self.health.dropped("invalid input", detail=str(error))
            self.get_logger().warning(str(error), throttle_duration_sec=5.0)
        except Exception as error:  # noqa: BLE001 - whatever comes in, the node lives
            self._failed(error)

    def finished(self, stamp: int, began: float) -> None:
        """Account for a published result: stamp of its image (ns), perf_counter of its start."""
        processing = (time.perf_counter() - began) * 1e3
        latency = (self.get_clock().now().nanoseconds - stamp) * 1e-6
        self.health.published(latency, processing)
        self._processing_time.publish(Float64(data=processing))

    # States.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and warm; FAILURE with the reason on /diagnostics and in the log."""
        self._refusal = ""
        try:
            self.load()
        except PermanenceError as error:
            return self._refuse(str(error))
        except Exception as error:  # noqa: BLE001 - reported with its traceback
            self.get_logger().error(traceback.format_exc())
            return self._refuse(f"{type(error).__name__}: {error}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to process and publish."""
        result = super().on_activate(state)
        for worker in self._workers:
            worker.start()
        self.health.activated()
        self._active = True
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to process and publish; the state of the part is kept."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything that configure made."""
        self._free()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from any state."""
        self._free()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured, so that the node can be configured again."""
        self._free()
        return super().on_error(state)

    def destroy_node(self) -> None:
        """Free everything, then destroy the node."""
        self._free()
        if self._jumps is not None:
            self._jumps.unregister()
        super().destroy_node()

    def _refuse(self, reason: str) -> TransitionCallbackReturn:
        self._refusal = reason
        self.get_logger().error(f"not configured: {reason}")
        self._free()
        return TransitionCallbackReturn.FAILURE

    def _stop(self) -> None:
        self._active = False
        for worker in self._workers:
            if not worker.stop():
                self.get_logger().warning("a worker is still busy; its result will be dropped")

    def _free(self) -> None:
        self._stop()
        self.endpoints.free()
        self._workers.clear()
        self.health.forget_inputs()
        self.facts.clear()
        self.guard(lambda _: self.unload(), None)

    def _jumped(self, jump: TimeJump) -> None:
        self.health.jumped()
        self.get_logger().warning(f"the clock jumped by {jump.delta.nanoseconds * 1e-9:.3f} s")
        if jump.delta.nanoseconds < 0:
            for worker in self._workers:
                worker.clear()
            self.guard(lambda _: self.forget(), None)

    def _failed(self, error: Exception) -> None:
        if not self.context.ok():
            return  # interrupted in the middle of its work: that is no failure
        self.health.failed(f"{type(error).__name__}: {error}")
        trace = "".join(traceback.format_exception(error))
        self.get_logger().error(f"a callback raised\n{trace}", throttle_duration_sec=5.0)

    def _report(self) -> Report:
        values = {**self.facts, **self.health.values()}
        if self._refusal:
            return Report(Level.ERROR, f"not configured: {self._refusal}", values)
        if not self._active:
            return Report(Level.OK, "not active", values)
        timeout = self.parameters.input_timeout
        level, text = self.health.judge(timeout, self.parameters.stale_after)
        reasons = [why_silent(self, topic) for topic in self.health.silent(timeout)]
        if level is Level.OK and self.health.fruitless(timeout):
            level, text = Level.WARN, self.explain() or "inputs come in, but nothing comes out"
        elif level is Level.OK and self.degraded():
            level, text = Level.WARN, self.degraded()
        return Report(level, "; ".join([text or "ok", *filter(None, reasons)]), values)
