"""Serves the live page on this computer alone.

The run hands over each scene, which costs nothing; pictures and JSON are made when a browser asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from typing import Any
from urllib.parse import parse_qs, urlsplit

from perception_nodes.errors import ConfigurationError, PermanenceError
from perception_nodes.scene import Frame, Sample, SceneState
from perception_nodes.view import PORT
from perception_nodes.view.page import PAGE
from perception_nodes.view.scene_json import PlanShown, Story, picture, scene_json

HOST = "127.0.0.1"
_LONGEST_QUESTION = 200
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src 'self'; connect-src 'self'"
)

Ask = Callable[[str], str]
"""Answers a question in plain words."""


class Viewer:
    """The newest scene, for browsers on this computer.

    Args:
        title: Of the page.
        ask: Answers questions to the memory; None where there is none.
        port: To listen on; 0 for any that is free.

    Raises:
        ConfigurationError: The port is taken.
    """

    def __init__(self, title: str, ask: Ask | None = None, port: int = PORT) -> None:
        self._title, self._ask = title, ask
        self._lock = threading.Lock()
        self._story = Story()
        self._frame: Frame | None = None
        self._state: SceneState | None = None
        self._plan: PlanShown | None = None
        self._ended = ""
        try:
            self._server = ThreadingHTTPServer((HOST, port), _handler(self))
        except OSError as error:
            raise ConfigurationError(
                f"the view can't be served on port {port}: {error.strerror}",
                "choose another one with --port",
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where to look."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def show(self, frame: Frame | None, state: SceneState, plan: PlanShown | None = None) -> None:
        """Take the next scene; the frame stays the newest one that was given."""
        with self._lock:
            self._story.note(state)
            self._frame = self._frame if frame is None else frame
            self._state, self._plan = state, plan

    def write(self, sample: Sample, state: SceneState, timings: Mapping[str, float]) -> None:
        """Take a frame and what was believed after it; see `perception_nodes.replay.Sink`."""
        del timings
        self.show(sample.frame, state)

    def end(self, text: str) -> None:
        """Say on the page that nothing more will come."""
        self._ended = text

    def close(self) -> None:
        """Serve no longer."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)

    # What a browser gets.

    def state(self) -> bytes:
        """The scene as JSON."""
        about = {"title": self._title, "ended": self._ended, "answers": self._ask is not None}
        with self._lock:
            if self._state is not None:
                about |= scene_json(self._frame, self._state, self._story, self._plan)
        return dumps(about, allow_nan=False).encode()

    def image(self) -> bytes:
        """The camera's picture as JPEG; empty before the first one."""
        frame = self._frame
        return b"" if frame is None else picture(frame)

    def answer(self, question: str) -> bytes:
        """The memory's answer as JSON."""
        try:
            text = "there is no memory" if self._ask is None else self._ask(question)
        except PermanenceError as error:
            text = str(error)
        return dumps({"answer": text}).encode()


def _handler(viewer: Viewer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET requests; there are no others."""

        server_version, sys_version = "permanence", ""

        def do_GET(self) -> None:
            """Serve the page and what it asks for."""
            if not self._is_for_us():
                self._send(b"this page is for this computer alone", "text/plain", 403)
                return
            url = urlsplit(self.path)
            if url.path == "/":
                self._send(PAGE.encode(), "text/html; charset=utf-8")
            elif url.path == "/state.json":
                self._send(viewer.state(), "application/json")
            elif url.path == "/camera.jpg":
                image = viewer.image()
                self._send(image, "image/jpeg", 200 if image else 404)
            elif url.path == "/ask":
                question = parse_qs(url.query).get("q", [""])[0][:_LONGEST_QUESTION]
                self._send(viewer.answer(question), "application/json")
            else:
                self._send(b"there is nothing here", "text/plain", 404)

        def _is_for_us(self) -> bool:
            """Refuse other sites' names for this address (DNS rebinding)."""
            host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
            return host in (HOST, "localhost")

        def _send(self, body: bytes, kind: str, status: int = 200) -> None:
            self.send_response(status)
            for name, value in (
                ("Content-Type", kind),
                ("Content-Length", str(len(body))),
                ("Content-Security-Policy", _POLICY),
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-store"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing: the terminal belongs to the run."""

    return Handler
