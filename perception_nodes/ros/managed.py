"""The base of our nodes: a managed (lifecycle) node that stays alive whatever comes in.

A node declares its parameters as a dataclass, makes its part in `load`, and gives callbacks to
`listen`. The base does the rest: states, QoS, diagnostics, counting, clock jumps, worker threads.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any, Generic

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import JumpHandle, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Float64

from perception_nodes.errors import InputError, PermanenceError
from perception_nodes.ros.diagnostics import Diagnostics, Report, why_silent
from perception_nodes.ros.health import Health, Level
from perception_nodes.ros.parameter_server import ParameterServer
from perception_nodes.ros.parameters import P
from perception_nodes.ros.qos import Intent, overriding, profile
from perception_nodes.ros.worker import T, Worker

_BACKWARD = Duration(nanoseconds=-1)
_FORWARD = Duration(seconds=60)


class ManagedNode(LifecycleNode, Generic[P]):  # type: ignore[misc]
    """Base of all nodes.

    Args:
        name: Default node name.
        parameters: Dataclass of its parameters.
        options: Those of `rclpy.node.Node`.

    Raises:
        ConfigurationError: It was started with invalid parameters.
    """

    def __init__(self, name: str, parameters: type[P], **options: Any) -> None:
        self.health = Health()
        self._active = False
        self._refusal = ""
        self._facts: dict[str, str] = {}
        self._workers: list[Worker[Any]] = []
        self._entities: list[Callable[[], object]] = []
        self._required: set[str] = set()
        self._group = MutuallyExclusiveCallbackGroup()
        self._jumps: JumpHandle | None = None
        super().__init__(name, **options)
        self._server = ParameterServer(self, parameters, self.reconfigured)
        self._diagnostics = Diagnostics(self, self._report)
        self._processing_time = self.create_publisher(Float64, "~/processing_time_ms", 10)
        threshold = JumpThreshold(
            min_forward=_FORWARD, min_backward=_BACKWARD, on_clock_change=False
        )
        self._jumps = self.get_clock().create_jump_callback(threshold, post_callback=self._jumped)

    # What a node overrides.

    def load(self) -> None:
        """Make and warm the part, subscribe and advertise; a PermanenceError refuses to start."""

    def unload(self) -> None:
        """Let go of what `load` made, beyond subscriptions, publishers and workers."""

    def forget(self) -> None:
        """Drop what is short-term: the clock jumped back. Memory stays."""

    def reconfigured(self, parameters: P) -> None:
        """Take over changed parameters."""

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

    def state_fact(self, name: str, value: str) -> None:
        """Add a figure to the diagnostics, such as the model."""
        self._facts[name] = value

    def listen(
        self,
        topic: str,
        message: type[Any],
        intent: Intent,
        handle: Callable[[Any], None],
        required: bool = False,
    ) -> None:
        """Subscribe. Messages reach `handle` only in state active; what it raises is counted.

        Args:
            topic: Relative name.
            message: Its type.
            intent: What it is for.
            handle: Quick: heavy work goes to a worker.
            required: Whether the node is stale without it.
        """
        self.health.expect(topic, required)
        if required:
            self._required.add(topic)

        def receive(received: Any) -> None:
            self.health.arrived(topic, _stamp(received))
            if not self._active:
                self.health.dropped("inactive")
                return
            self.guard(handle, received)

        subscription = self.create_subscription(
            message,
            topic,
            receive,
            profile(intent),
            callback_group=self._group,
            qos_overriding_options=overriding(),
        )
        self._entities.append(lambda: self.destroy_subscription(subscription))

    def advertise(self, topic: str, message: type[Any], intent: Intent) -> Any:
        """A publisher that is silent outside of state active."""
        publisher = self.create_lifecycle_publisher(
            message,
            topic,
            profile(intent),
            callback_group=self._group,
            qos_overriding_options=overriding(),
        )
        self._entities.append(lambda: self.destroy_lifecycle_publisher(publisher))
        return publisher

    def offer_service(self, name: str, service: type[Any], handle: Callable[..., Any]) -> None:
        """Offer a service under the node's namespace."""
        offered = self.create_service(service, name, handle, callback_group=self._group)
        self._entities.append(lambda: self.destroy_service(offered))

    def employ(self, work: Callable[[T], None], capacity: int = 1) -> Worker[T]:
        """A thread that works while the node is active; capacity 1 keeps only the newest."""

        def guarded(item: T) -> None:
            self.guard(work, item)

        worker = Worker(f"{self.get_name()}:worker", guarded, self._failed, capacity)
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
        self.health.published(stamp, latency, processing)
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
        while self._entities:
            self._entities.pop()()
        self._workers.clear()
        # rclpy keeps a weak reference to each entity a group ever had: a fresh group frees them.
        self._group = MutuallyExclusiveCallbackGroup()
        self._required.clear()
        self.health.forget_inputs()
        self._facts.clear()
        self.unload()

    def _jumped(self, jump: TimeJump) -> None:
        self.health.jumped()
        seconds = jump.delta.nanoseconds * 1e-9
        self.get_logger().warning(f"the clock jumped by {seconds:.3f} s")
        if seconds < 0:
            for worker in self._workers:
                worker.clear()
            self.guard(lambda _: self.forget(), None)

    def _failed(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        self.health.failed(text)
        trace = "".join(traceback.format_exception(error))
        self.get_logger().error(f"a callback raised\n{trace}", throttle_duration_sec=5.0)

    def _report(self) -> Report:
        values = {**self._facts, **self.health.values()}
        if self._refusal:
            return Report(Level.ERROR, f"not configured: {self._refusal}", values)
        if not self._active:
            return Report(Level.OK, "not active", values)
        timeout = self.parameters.input_timeout
        level, text = self.health.judge(timeout, self.parameters.stale_after)
        reasons = [why_silent(self, topic) for topic in self.health.silent(timeout)]
        if level is Level.OK and self._required and self.health.quiet(timeout):
            level, text = Level.WARN, self.explain() or "inputs come in, but nothing comes out"
        return Report(level, "; ".join([text or "ok", *filter(None, reasons)]), values)


def _stamp(message: Any) -> int:
    header = getattr(message, "header", None)
    return 0 if header is None else header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
