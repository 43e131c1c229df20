"""A destination that echoes every request in its response, credentials included.

``behaviour`` says what becomes of an import, by external id: ``ok``, ``refused`` (400, all of the request in its body),
``page`` (502, an HTML page with the order), ``cut``. Searches fail with a page that repeats the question.
"""

from __future__ import annotations

import html
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class EchoingOms(ThreadingHTTPServer):
    """``url`` is where it listens; ``refuse_login`` makes it answer 401 to all; ``seen`` counts imports by key."""

    daemon_threads = True

    def __init__(self, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.token = token
        self.behaviour: dict[str, str] = {}
        self.refuse_login = False
        self.posts: list[str] = []
        self.ids = itertools.count(7001)


class _Handler(BaseHTTPRequestHandler):
    server: EchoingOms

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.server.refuse_login:
            self._echo(401, body)
        elif self.path.endswith("/token"):
            self._answer(200, json.dumps({"access_token": self.server.token, "expires_in": 3600}))
        else:
            self._import(body)

    def do_GET(self) -> None:
        self._page(500, self.path)

    def _import(self, body: str) -> None:
        key = str(json.loads(body)["externalOrderID"])
        self.server.posts.append(key)
        match self.server.behaviour.get(key, "ok"):
            case "refused":
                self._echo(400, body)
            case "page":
                self._page(502, body)
            case "cut":
                self.connection.close()
            case _:
                self._answer(200, json.dumps({"orderID": next(self.server.ids), "externalOrderID": key}))

    def _echo(self, status: int, body: str) -> None:
        message = {"code": 5004, "message": f"cannot take {body}", "headers": dict(self.headers), "order": body}
        self._answer(status, json.dumps(message))

    def _page(self, status: int, message: str) -> None:
        page = f"<html><title>Bad gateway</title><pre>{html.escape(message)}\n{self.headers}</pre></html>"
        self._answer(status, page, "text/html")

    def _answer(self, status: int, text: str, kind: str = "application/json") -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: what is searched afterwards shall be our words."""


@contextmanager
def echoing_oms(token: str) -> Iterator[EchoingOms]:
    """One on a free port, in a thread."""
    with EchoingOms(token) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(5)
