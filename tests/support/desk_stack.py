"""The stack of `make ui` with a short past, and browser windows of its users that notice what no page may do."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ui import Interface, free_port, interface

from tests.support.chromium import browser

HISTORY_DAYS = 5
DESK = "/order-desk"
NAVIGATION = "/plugin/orders"
_HEARD = """
window.scriptsRun = [];
window.addEventListener("securitypolicyviolation", (event) => window.scriptsRun.push("CSP: " + event.blockedURI));
"""


@dataclass
class Window:
    """A browser window (Playwright's ``Page``) of one user, and what went wrong in it."""

    page: Any
    url: str
    problems: list[str] = field(default_factory=list)
    clicks: int = 0
    keys: int = 0

    def open(self, path: str = "/") -> Any:
        """Open a page of the desk, outside Airflow's frame; returns the response."""
        answer = self.page.goto(f"{self.url}{DESK}{path}")
        self.page.wait_for_load_state("load")
        return answer

    def click(self, target: Any) -> None:
        """Click, and count it."""
        self.clicks += 1
        target.click()

    def type(self, target: Any, text: str) -> None:
        """Fill one field, and count it as one entry."""
        self.keys += 1
        target.fill(text)

    def counted(self) -> tuple[int, int]:
        """Clicks and fields filled since the last call."""
        found = (self.clicks, self.keys)
        self.clicks = self.keys = 0
        return found


class DeskStack:
    """A running Airflow with the desk, its vendors and a browser. Made by ``desk_stack``."""

    def __init__(self, ui: Interface, home: Path, started: Any, stack: ExitStack) -> None:
        self.ui, self.home = ui, home
        self._browser, self._stack = started, stack
        self._tokens: dict[str, str] = {}

    def token(self, user: str) -> str:
        """The user's token for Airflow's API."""
        if user not in self._tokens:
            body = json.dumps({"username": user, "password": self.ui.password}).encode()
            request = urllib.request.Request(
                f"{self.ui.url}/auth/token", body, {"Content-Type": "application/json"}, method="POST"
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                self._tokens[user] = json.load(answer)["access_token"]
        return self._tokens[user]

    @contextmanager
    def window(
        self, user: str = "admin", *, dark: bool = False, width: int = 1280, height: int = 900
    ) -> Iterator[Window]:
        """A window of a signed-in user; an empty name: nobody is signed in. Fails if a page misbehaved in it."""
        context = self._browser.new_context(
            color_scheme="dark" if dark else "light", viewport={"width": width, "height": height}
        )
        try:
            if user:
                context.add_cookies([{"name": "_token", "value": self.token(user), "url": self.ui.url}])
            context.add_init_script(_HEARD)
            page = context.new_page()
            made = Window(page, self.ui.url)
            page.on("pageerror", lambda error: made.problems.append(f"error in a script: {error}"))
            page.on("dialog", lambda dialog: (made.problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
            page.on("console", lambda message: _listen(made, message))
            yield made
            assert made.problems == []
        finally:
            context.close()


def _listen(window: Window, message: Any) -> None:
    if message.type == "error" and "Content Security Policy" in message.text:
        window.problems.append(message.text)


@contextmanager
def desk_stack(home: Path) -> Iterator[DeskStack]:
    """Start everything as `make ui` does, with ``HISTORY_DAYS`` days of orders."""
    with ExitStack() as stack:
        started = stack.enter_context(browser())
        # without a scheduler, no DAG changes an order meanwhile
        parts = ("api-server", "dag-processor")
        ui = stack.enter_context(
            interface(home, orders=3, seed=7, port=free_port(0), history=HISTORY_DAYS, components=parts)
        )
        yield DeskStack(ui, home, started, stack)
