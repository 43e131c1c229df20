"""The stack of `make ui` with a short past, and browser windows of its users that notice what no page may do."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from history.pipelines import SUPERCAT, Pipelines, run_id
from screenshots import Api
from ui import Interface, free_port, interface

from order_relay.ledger import Ledger
from order_relay.orders.messages import RunContext
from order_relay.pipeline.run import PipelineRun
from order_relay_sandbox.serving import ThreadedSandbox
from order_relay_sandbox.supercat import generator
from tests.support import canaries
from tests.support.airflow_home import copy_database
from tests.support.chromium import browser

HISTORY_DAYS = 5
PATIENCE_MS = 90_000
DESK = "/order-desk"
NAVIGATION = "/plugin/orders"
_HEARD = """
window.scriptsRun = [];
window.addEventListener("securitypolicyviolation", (event) => window.scriptsRun.push("CSP: " + event.blockedURI));
"""


ATTACK = "<script>scriptsRun.push('{0}')</script><img src=x onerror=\"scriptsRun.push('{0}')\">"
HOSTILE_ID = "499999"


def hostile_order() -> dict[str, Any]:
    """An order with canaries as personal data, and attacks in every other text."""
    made = next(one.order for one in generator.orders(50, seed=11) if one.kind == "plain")
    order = canaries.marked({**made, "id": int(HOSTILE_ID)})
    rtl = "\u202e\u2067" + ATTACK.format("rtl")
    order |= {
        "order_number": "=cmd|' /C calc'!A0<script>scriptsRun.push('number')</script>",
        "customer_number": ATTACK.format("customer"),
        "customer_po": "@SUM(1+1)" + ATTACK.format("po"),
        "ship_via": ATTACK.format("ship via"),
        "terms": rtl,
        "notes": order["notes"] + rtl,
    }
    order["items"][0] |= {"item_number": ATTACK.format("item"), "description": rtl}
    return order


class Order(NamedTuple):
    """An order of the ledger."""

    id: int
    number: str
    state: str
    reason: str


class HostileRun(NamedTuple):
    """The hostile order's id and number, and the id of the run that took it."""

    order: int
    number: str
    run: str


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

    def open_details(self) -> None:
        """Open every ``<details>``, which hides its content from checks."""
        self.page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        self.page.wait_for_load_state("networkidle")

    def accessibility_problems(self) -> list[str]:
        """Violations of axe-core's rules on the open page."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {node['html'][:200]} {[check['message'] for check in node['any']]}"
            for one in found
            for node in one["nodes"]
        ]

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(script))

    def counted(self) -> tuple[int, int]:
        """Clicks and fields filled since the last call."""
        found = (self.clicks, self.keys)
        self.clicks = self.keys = 0
        return found


class DeskStack:
    """A running Airflow with the desk, its vendors and a browser. Made by ``desk_stack``."""

    def __init__(self, ui: Interface, home: Path, started: Any) -> None:
        self.ui, self.home = ui, home
        self._browser = started
        self._tokens: dict[str, str] = {}

    def token(self, user: str) -> str:
        """The user's token for Airflow's API."""
        if user not in self._tokens:
            body = json.dumps({"username": user, "password": self.ui.password}).encode()
            request = urllib.request.Request(
                f"{self.ui.url}/auth/token", body, {"Content-Type": "application/json"}, method="POST"
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                self._tokens[user] = json.load(answer)["access_token"]
        return self._tokens[user]

    def orders(self, where: str) -> list[Order]:
        """Orders of the ledger by a condition, the newest first."""
        query = f"SELECT id, order_number, state, reason FROM submission WHERE {where} ORDER BY id DESC"
        return [Order(*row) for row in self.rows(query)]

    def open_reviews(self) -> set[str]:
        """Order numbers of the held groups that the DAG ``order_review`` would open reviews for."""
        with closing(Ledger.open(f"sqlite:///{self.home}/order_relay/ledger.sqlite")) as ledger:
            return {number for group in ledger.decisions.held_groups() for number in group.numbers}

    def rows(self, query: str) -> list[Any]:
        """Read the ledger past the package's own code."""
        with closing(sqlite3.connect(self.home / "order_relay" / "ledger.sqlite")) as database:
            return database.execute(query).fetchall()

    def take_hostile_order(self) -> HostileRun:
        """Offer an order whose texts are attacks and canaries, and take it in; the DAG knows the run as well."""
        vendors, run = ThreadedSandbox(self.ui.vendors), run_id(datetime.now(UTC), "manual")
        vendors.offer([hostile_order()], source="supercat")
        with ThreadPoolExecutor(1) as thread:  # Playwright keeps an event loop in this one
            thread.submit(self._check, vendors, run).result()
        made = {"logical_date": None, "dag_run_id": run}
        Api(self.ui).call("POST", f"/api/v2/dags/{SUPERCAT}/dagRuns", made)
        (taken, *_) = self.orders(f"source_id = '{HOSTILE_ID}'")
        return HostileRun(taken.id, taken.number, run)

    def _check(self, vendors: ThreadedSandbox, run: str) -> None:
        """A run until its payloads are made: nothing is sent, and orders in doubt are not looked up."""
        with pytest.MonkeyPatch.context() as env:
            env.setenv("ORDER_RELAY_CONFIG", str(self.home / "order_relay" / "config"))
            with Pipelines(self.home, vendors, seed=1) as pipelines:
                wiring, ctx = pipelines.wirings[SUPERCAT], RunContext(SUPERCAT, run.replace(":", "-"))
                stages = PipelineRun(ctx, wiring, wiring.ledger)
                stages.start()
                stages.transform(stages.dedupe(stages.validate(stages.extract())))
                wiring.ledger.runs.end(ctx, {})

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
            context.set_default_timeout(PATIENCE_MS)
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
        copy_database(home)
        # without a scheduler, no DAG changes an order meanwhile
        parts = ("api-server", "dag-processor")
        ui = stack.enter_context(
            interface(home, orders=3, seed=7, port=free_port(0), history=HISTORY_DAYS, components=parts)
        )
        yield DeskStack(ui, home, started)
