"""`make screenshots`: pictures of the order desk and of reviews in Airflow's pages, into docs/images.

Starts the same as `make ui`, once with 30 days of orders for the desk and once with orders of which some are held for
the reviews, and opens the pages in headless Chromium. Needs the Python package playwright (in requirements-dev.txt) and
a Chromium: the system's, or the one that the variable CHROMIUM names. With Pillow installed, pictures are reduced to a
palette. `screenshots.py desk` or `screenshots.py reviews` takes a part.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from local_airflow import ROOT, CommandError, get_json
from ui import Interface, interface

IMAGES = ROOT / "docs" / "images"
PIPELINE, REVIEW = "supercat_to_shopatron", "order_review"
PATIENCE_S = 180
WIDTH = 1280
HISTORY_DAYS = 30
LOOKING = ("api-server", "dag-processor")
"""Parts of Airflow that show pages; nothing runs meanwhile."""

DESK = {
    "today": ("/", 1000),
    "orders": ("/orders?state=quarantined", 900),
    "attention": ("/attention", 900),
    "tables": ("/tables", 900),
    "health": ("/health", 900),
}
"""Pages of the desk by the name of their picture: path, and height in pixels."""


def main() -> int:
    """Take all pictures."""
    browser_page = _playwright()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        raise CommandError("no Chromium found; name one in the variable CHROMIUM")
    IMAGES.mkdir(parents=True, exist_ok=True)
    parts = sys.argv[1:] or ["desk", "reviews"]
    with tempfile.TemporaryDirectory(prefix="order-relay-pictures-") as folder, browser_page() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        if "desk" in parts:
            with interface(Path(folder) / "desk", orders=300, seed=7, history=HISTORY_DAYS, components=LOOKING) as ui:
                take_desk(browser, ui)
        if "reviews" in parts:
            with interface(Path(folder) / "reviews", orders=0, seed=7) as ui:
                airflow = Api(ui)
                take(browser, airflow, ui, held_orders(airflow, ui.vendors))
        browser.close()
    return 0


def _playwright() -> Callable[[], Any]:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - optional
    except ImportError:
        raise CommandError("the Python package playwright is missing: .venv/bin/pip install playwright") from None
    made: Callable[[], Any] = sync_playwright
    return made


class Api:
    """Airflow's REST API, as the login of the started interface."""

    def __init__(self, ui: Interface) -> None:
        self._url, self._vendors = ui.url, ui.vendors
        login = {"username": "admin", "password": ui.password}
        self._token = ""
        self._token = self.call("POST", "/auth/token", login)["access_token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request; returns its JSON."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def vendors(self, page: str) -> Any:
        """The audit of the simulated vendors."""
        return get_json(f"{self._vendors}/{page}")

    def run(self, dag: str) -> None:
        """Trigger a DAG and wait for the end of the run."""
        made = self.call("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None})
        path = f"/api/v2/dags/{dag}/dagRuns/{made['dag_run_id']}"
        until(lambda: self.call("GET", path)["state"] in ("success", "failed"), f"the end of {dag}")


def until(done: Callable[[], bool], what: str) -> None:
    """Poll every second, ignoring errors of a busy SQLite database. Raises ``CommandError`` on timeout."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if done():
                return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(1)
    raise CommandError(f"no sign of {what} within {PATIENCE_S} s")


def held_orders(airflow: Api, vendors: str) -> list[dict[str, Any]]:
    """Import orders, offer one of them changed and one on a reused form, and open the reviews."""
    from order_relay_sandbox.supercat.body import cents, text, total_up  # noqa: PLC0415 - slow to import
    from order_relay_sandbox.supercat.generator import orders  # noqa: PLC0415

    made = list(orders(400, seed=5))
    plain = next(m.order for m in made if m.kind == "plain" and len(m.order["items"]) > 1)
    reused = [m.order for m in made if m.kind.startswith("reused_form")][:2]
    for dag in (PIPELINE, REVIEW):
        until(lambda dag=dag: bool(airflow.call("GET", f"/api/v2/dags/{dag}")), dag)
    offer(vendors, [plain, *reused])
    airflow.call("PATCH", f"/api/v2/dags/{PIPELINE}", {"is_paused": False})
    airflow.run(PIPELINE)
    changed = copy.deepcopy(plain)
    line = changed["items"][0]
    line["quantity"] += 3
    line["extended_price"] = text(cents(line["unit_price"]) * line["quantity"])
    changed["ship_to"]["name"] = "Somebody Else"
    offer(vendors, [total_up(changed, *(cents(plain[name]) for name in ("discount", "freight", "tax")))])
    airflow.run(PIPELINE)
    airflow.call("PATCH", f"/api/v2/dags/{REVIEW}", {"is_paused": False})
    airflow.run(REVIEW)
    number = str(plain["order_number"])
    return sorted(questions(airflow, 2), key=lambda asked: number not in asked["subject"])


def questions(airflow: Api, wanted: int, task: str = "review") -> list[dict[str, Any]]:
    """Open questions of a task, once there are ``wanted``."""
    path = f"/api/v2/dags/{REVIEW}/dagRuns/~/hitlDetails?response_received=false"
    found: list[dict[str, Any]] = []

    def enough() -> bool:
        details = airflow.call("GET", path)["hitl_details"]
        found[:] = [asked for asked in details if asked["task_instance"]["task_id"] == task]
        return len(found) >= wanted

    until(enough, f"{wanted} questions of the task {task}")
    return found


def offer(vendors: str, orders: Iterable[dict[str, Any]]) -> None:
    """Submit orders at the simulated source."""
    body = json.dumps(list(orders)).encode()
    with urllib.request.urlopen(f"{vendors}/_offer", data=body, timeout=60) as answer:  # noqa: S310 - loopback
        answer.read()


def signed_in(browser: Any, ui: Interface, scheme: str) -> Any:
    """A page of ``admin``, in the light or dark scheme."""
    page = browser.new_page(color_scheme=scheme)
    page.goto(f"{ui.url}/auth/login")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", ui.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(lambda url: "/login" not in url, timeout=60_000)
    return page


def take_desk(browser: Any, ui: Interface) -> None:
    """Take the order desk's pages, an order's among them, and the desk inside Airflow, light and dark."""
    for dag in (PIPELINE, "cloudsuite_to_shopatron"):  # as in production; nothing runs without a scheduler
        Api(ui).call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
    for scheme, suffix in (("light", ""), ("dark", "-dark")):
        page = signed_in(browser, ui, scheme)
        page.goto(f"{ui.url}/plugin/orders")
        page.frame_locator("iframe").get_by_role("heading", name="Today").wait_for(timeout=60_000)
        picture(page, "", "", f"desk-in-airflow{suffix}", 1080)
        page.close()
    page = signed_in(browser, ui, "light")
    for name, (path, height) in DESK.items():
        picture(page, f"{ui.url}/order-desk{path}", "", f"desk-{name}", height)
    page.goto(f"{ui.url}/order-desk{DESK['orders'][0]}&reason=total_mismatch")
    order = page.locator("tr[data-row] a").first.get_attribute("href")
    picture(page, urljoin(page.url, order), "", "desk-order", 1000)
    page.close()


def take(browser: Any, airflow: Api, ui: Interface, asked: list[dict[str, Any]]) -> None:
    """Take the pictures of reviews: the list of questions, two reviews, and the confirmation of a replacement."""
    page = signed_in(browser, ui, "light")
    picture(page, f"{ui.url}/required_actions", asked[0]["subject"], "required-actions", 360)
    picture(page, question(ui, asked[0]), "replacement", "review-changed-after-import", 1260)
    picture(page, question(ui, asked[1]), "replacement", "review-used-form", 1380)
    ti = asked[0]["task_instance"]
    answer = {"chosen_options": ["replacement"], "params_input": {"reason": "the customer wants three more"}}
    path = f"/api/v2/dags/{REVIEW}/dagRuns/{ti['dag_run_id']}/taskInstances/review/-1/hitlDetails"
    airflow.call("PATCH", path, answer)
    (confirm,) = questions(airflow, 1, "confirm")
    picture(page, question(ui, confirm), "cancelled in the OMS", "review-confirmation", 640)
    page.close()


def question(ui: Interface, asked: dict[str, Any]) -> str:
    """The page of one question."""
    ti = asked["task_instance"]
    return f"{ui.url}/dags/{ti['dag_id']}/runs/{ti['dag_run_id']}/tasks/{ti['task_id']}/required_actions"


def picture(page: Any, url: str, shows: str, name: str, height: int) -> None:
    """Take one page (the open one without ``url``) when it shows the expected text, if any; ``height`` in pixels."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    if url:
        page.goto(url)
    if shows:
        page.get_by_text(shows).first.wait_for(timeout=60_000)
    page.wait_for_timeout(1_500)
    file = IMAGES / f"{name}.png"
    page.screenshot(path=str(file))
    _reduce(file)
    sys.stdout.write(f"docs/images/{name}.png, {file.stat().st_size // 1000} kB\n")


def _reduce(file: Path) -> None:
    """Save a picture with a palette, if Pillow is installed: a fraction of its size."""
    try:
        from PIL import Image  # noqa: PLC0415 - optional
    except ImportError:
        return
    with Image.open(file) as image:
        image.convert("RGB").quantize(128).save(file, optimize=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CommandError as trouble:
        sys.stderr.write(f"{trouble}\n")
        sys.exit(2)
