"""The order desk in Chromium, on the stack of `make ui`: what each user sees and may do, by mouse and by keyboard."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import canaries
from tests.support.desk_stack import NAVIGATION, DeskStack, HostileRun, Window, desk_stack
from tests.support.desk_tasks import TASKS, documented, written

PIPELINE = "supercat_to_shopatron"
TABLE = f"/tables/{PIPELINE}/ship_via"
PAGES = ("/", "/orders", "/orders?state=quarantined", "ORDER", "/attention", "/tables", TABLE, "/health", "RUN")
"""All pages; ``ORDER`` is the hostile order's, ``RUN`` the run's that took it."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskStack]:
    with desk_stack(tmp_path_factory.mktemp("ui")) as started:
        yield started


@pytest.fixture(scope="module")
def window(stack: DeskStack) -> Iterator[Window]:
    """A window of ``admin`` for tests that only look."""
    with stack.window() as opened:
        yield opened


@pytest.fixture(scope="module")
def hostile(stack: DeskStack) -> HostileRun:
    """An order whose every text is an attack or a canary; it is quarantined."""
    return stack.take_hostile_order()


# In Airflow


def test_the_navigation_leads_to_the_desk_and_the_home_page_shows_its_tile(stack: DeskStack) -> None:
    with stack.window() as window:
        page = window.page
        page.goto(stack.ui.url)
        page.get_by_role("region", name="Orders").get_by_text("Needs attention").wait_for()
        page.locator("a[aria-label=Orders]").click()
        page.wait_for_url(re.compile(NAVIGATION))
        frame = page.frame_locator("iframe")
        frame.get_by_role("heading", name="Today").wait_for()
        frame.get_by_role("link", name="Orders", exact=True).click()
        frame.get_by_role("heading", name="Orders", exact=True).wait_for()


def test_a_link_to_an_order_survives_a_reload_and_back_returns_to_the_list(stack: DeskStack) -> None:
    with stack.window() as window:
        page, frame = window.page, window.page.frame_locator("iframe")
        page.goto(f"{stack.ui.url}{NAVIGATION}/order-desk/orders?state=imported")
        link = frame.locator("tr[data-row] a").first
        number = link.inner_text()
        link.click()
        frame.get_by_role("heading", name=f"Order {number}").wait_for()
        page.go_back()
        frame.get_by_role("heading", name="Orders", exact=True).wait_for()
        deep = frame.locator("tr[data-row] a").first.evaluate("(link) => new URL(link.href).pathname")
        page.goto(f"{stack.ui.url}{NAVIGATION}{deep}")
        frame.get_by_role("heading", name=f"Order {number}").wait_for()
        page.reload()
        frame.get_by_role("heading", name=f"Order {number}").wait_for()


def test_a_run_has_a_tab_with_its_orders(stack: DeskStack, hostile: HostileRun) -> None:
    with stack.window() as window:
        window.page.goto(f"{stack.ui.url}/dags/{PIPELINE}/runs/{hostile.run}")
        window.page.get_by_role("link", name="Orders", exact=True).last.click()
        frame = window.page.frame_locator("iframe")
        frame.get_by_text(hostile.number, exact=True).first.wait_for()


# Who may do what


def test_nobody_gets_in_without_a_session(stack: DeskStack) -> None:
    with stack.window("") as window:
        for path in ("/", "/orders", "/orders/1", "/orders.csv", "/attention", "/tables", "/health", "/tile.json"):
            assert window.open(path).status == 401, path


def test_a_viewer_may_look_but_not_act(stack: DeskStack) -> None:
    (held, *_) = stack.orders("state = 'held'")
    with stack.window("viewer") as window:
        assert window.open(f"/orders/{held.id}").status == 200
        assert window.page.locator("[hx-post]").count() == 0, "no action is offered"
        refused = window.page.evaluate(
            """async (path) => (await fetch(path, {method: "POST", headers: {"X-Order-Desk": "../"},
               body: new URLSearchParams({text: "a note"})})).status""",
            f"/order-desk/orders/{held.id}/note",
        )
        assert refused == 403


# Each page


@pytest.fixture
def path(request: pytest.FixtureRequest, hostile: HostileRun) -> str:
    wanted = str(request.param)
    if wanted == "ORDER":
        return f"/orders/{hostile.order}"
    return f"/runs/{PIPELINE}/{quote(hostile.run)}" if wanted == "RUN" else wanted


@pytest.mark.parametrize("path", PAGES, indirect=True)
def test_a_page_is_accessible_and_fits_narrow_screens_in_light_and_dark(path: str, window: Window) -> None:
    for scheme in ("light", "dark"):
        window.page.emulate_media(color_scheme=scheme)
        assert window.open(path).status == 200
        assert window.page.locator("html").get_attribute("data-theme") == scheme
        window.open_details()
        assert window.accessibility_problems() == []
    for width in (390, 320):
        window.page.set_viewport_size({"width": width, "height": 800})
        assert window.overflow() <= 0, f"{width} px"
    window.page.set_viewport_size({"width": 1280, "height": 900})
    assert window.page.evaluate("window.scriptsRun") == []
    assert canaries.found(window.page.content().encode(), canaries.PERSONAL_DATA) == set()


def test_personal_data_appear_when_they_are_revealed_which_is_recorded(stack: DeskStack, hostile: HostileRun) -> None:
    with stack.window("op") as window:
        window.open(f"/orders/{hostile.order}")
        assert canaries.PERSONAL_DATA["name"] not in window.page.content()
        window.page.get_by_label("Reason for showing them").fill("the customer is on the phone")
        window.page.get_by_role("button", name="Show personal data").click()
        window.page.get_by_text(canaries.PERSONAL_DATA["street"]).first.wait_for()
        window.page.reload()
        assert canaries.PERSONAL_DATA["street"] not in window.page.content()
        assert "the customer is on the phone" in window.page.locator("section[aria-labelledby=timeline]").inner_text()
        assert window.page.evaluate("window.scriptsRun") == []


def test_the_csv_is_inert(stack: DeskStack, hostile: HostileRun, tmp_path: Path) -> None:
    with stack.window() as window:
        window.open("/orders?state=quarantined")
        with window.page.expect_download() as download:
            window.page.get_by_role("link", name="Export as CSV").click()
        download.value.save_as(tmp_path / "orders.csv")
    rows = list(csv.reader((tmp_path / "orders.csv").read_text("utf-8-sig").splitlines()))
    assert len(rows) > 2
    dangerous = [cell for row in rows for cell in row if cell[:1] in "=+-@\t\r" and cell]
    assert dangerous == []
    assert any("=cmd" in cell for row in rows for cell in row), "the hostile order is in the file"


# Without a mouse


def test_the_keyboard_alone_finds_opens_and_returns(stack: DeskStack) -> None:
    with stack.window() as window:
        page = window.page
        window.open("/orders")
        page.keyboard.press("?")
        assert page.get_by_role("dialog", name="Keyboard shortcuts").is_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        first = page.locator("tr[data-row]").first
        assert first.evaluate("(row) => row === document.activeElement")
        number = first.locator("a").first.inner_text()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=f"Order {number}").wait_for()
        page.wait_for_load_state()  # the keys work once the page's scripts are there
        page.keyboard.press("/")
        page.keyboard.type(number)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=f"Order {number}").wait_for()
        page.wait_for_load_state()
        help_button = page.get_by_role("button", name="Keyboard shortcuts")
        help_button.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        assert help_button.evaluate("(button) => button === document.activeElement"), "the focus returns"


def test_a_decision_by_keyboard_closes_the_question_everywhere(stack: DeskStack) -> None:
    """The group is decided on the order's page; neither the page of open questions nor Airflow's review has it."""
    (held, *_) = stack.orders("state = 'held' AND reason = 'too_few_common_items'")
    assert held.number in stack.open_reviews()
    with stack.window("op") as window:
        page = window.page
        window.open(f"/orders/{held.id}")
        button = page.get_by_role("button", name="Decide", exact=True).first
        button.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        assert button.evaluate("(button) => button === document.activeElement"), "the focus returns"
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Decide about the held versions")
        dialog.get_by_role("radio", name="Separate").focus()
        page.keyboard.press("Space")
        dialog.get_by_label("Reason").focus()
        page.keyboard.type("two orders, says the customer")
        dialog.get_by_role("button", name="Decide").focus()
        page.keyboard.press("Enter")
        page.get_by_role("status").get_by_text(held.number).or_(page.locator("#messages p")).first.wait_for()
        assert "two orders, says the customer" in page.locator("#main").inner_text()
    (decided, *_) = stack.orders(f"id = {held.id}")
    assert decided.state == "received"
    assert stack.rows(f"SELECT decision, who FROM settlement WHERE submission_id = {held.id}") == [("separate", "op")]
    assert held.number not in stack.open_reviews()


def test_a_stale_page_is_refused_and_changes_nothing(stack: DeskStack) -> None:
    (refused, *_) = stack.orders("state = 'quarantined' AND reason = 'fractional_quantity'")
    with stack.window("op") as first, stack.window("admin") as second:
        for window in (first, second):
            window.open(f"/orders/{refused.id}")
            window.page.get_by_role("button", name="Discard").first.click()
            window.page.get_by_role("dialog").get_by_label("Reason").fill("a copy of another order")
        first.page.get_by_role("dialog").get_by_role("button", name="Discard").click()
        first.page.locator("#messages p").first.wait_for()
        second.page.get_by_role("dialog").get_by_role("button", name="Discard").click()
        second.page.get_by_role("dialog").get_by_text("out of date").wait_for()
    assert stack.rows(f"SELECT who FROM settlement WHERE submission_id = {refused.id}") == [("op",)]


@pytest.mark.parametrize("task", TASKS)
def test_the_operators_tasks_take_as_many_clicks_as_documented(task: str, stack: DeskStack) -> None:
    with stack.window() as window:
        window.open()
        TASKS[task](stack, window)
        assert written(*window.counted()) == documented()[task]


def test_every_documented_task_is_counted() -> None:
    assert documented().keys() == TASKS.keys()


def test_open_questions_are_selected_and_noted_by_keyboard(stack: DeskStack) -> None:
    with stack.window("op") as window:
        page = window.page
        window.open(f"/attention?kind=quarantined&pipeline={PIPELINE}&reason=total_mismatch")
        page.keyboard.press("j")
        page.keyboard.press("x")
        assert page.locator("[data-selected]").first.inner_text() == "1"
        page.get_by_role("button", name="Note", exact=True).focus()
        page.keyboard.press("Enter")
        page.get_by_role("dialog").get_by_label("Note").focus()
        page.keyboard.type("asked the representative by phone")
        page.get_by_role("dialog").get_by_role("button", name="Save").focus()
        page.keyboard.press("Enter")
        page.locator("#messages p").first.wait_for()
        assert page.get_by_text("asked the representative by phone").first.is_visible()
    assert stack.rows("SELECT who FROM operator_action WHERE why = 'asked the representative by phone'") == [("op",)]
