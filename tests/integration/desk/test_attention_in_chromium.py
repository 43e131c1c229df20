"""*Needs attention* in Chromium, by keyboard: preview, action, an empty and a stale selection, a narrow screen."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from order_relay.orders.messages import RunContext
from tests.support.archived_orders import PIPELINE
from tests.support.chromium import browser
from tests.support.desk import OPERATOR, desk_app
from tests.support.stopped_orders import StoppedOrders, copied


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[StoppedOrders]:
    made = copied(tmp_path / "home")
    yield made
    made.ledger.close()


@pytest.fixture
def url(stopped: StoppedOrders) -> Iterator[str]:
    """The desk for an operator, served over HTTP."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = desk_app(stopped.parts, OPERATOR, stopped.host)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(60)


def preview(page: Any, action: str, words: str) -> None:
    """Open the dialog of an action and wait for these words in its preview."""
    page.locator(f"#open-{action}").press("Enter")
    page.locator(f"#{action} .preview", has_text=words).wait_for()


def test_many_orders_are_acted_on_by_keyboard(stopped: StoppedOrders, url: str) -> None:
    with browser() as started:
        page = started.new_page(viewport={"width": 320, "height": 800})
        page.set_default_timeout(90_000)
        page.goto(f"{url}/attention?kind=quarantined&pipeline={PIPELINE}&reason=total_differs")
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        preview(page, "replay", "No order is selected")
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("x")
        assert page.text_content("[data-selected]") == "1"
        preview(page, "replay", "1 order:")
        page.keyboard.press("Escape")
        page.select_option("#scope", "group")
        preview(page, "replay", "Still refused, unchanged: 1")
        page.fill("#replay-reason", "table completed")
        page.locator("#replay button.primary").press("Enter")
        page.locator("#messages", has_text="1 order continues with the next run.").wait_for()
        assert (stopped.state("clean"), stopped.state("broken")) == ("received", "quarantined")
        page.check("[data-select]")
        preview(page, "snooze", "1 order")
        stopped.ledger.bulk.discard(RunContext(PIPELINE, "", "bob"), [stopped.id("broken")], "duplicate")
        page.fill("#snooze-reason", "later")
        page.locator("#snooze button.primary").press("Enter")
        page.locator("#snooze .messages", has_text=f"{stopped.numbers['broken']} (now discarded)").wait_for()
        assert stopped.ledger.activity.of_submission(stopped.id("broken")) == []
