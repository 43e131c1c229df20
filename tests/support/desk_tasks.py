"""The operator's tasks on the order desk, done in a browser with clicks and fields counted (docs/daily-work.md)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.desk_stack import DeskStack, Window

PAGE = Path(__file__).resolve().parents[2] / "docs" / "daily-work.md"
_ROW = re.compile(r"^\| (?P<task>[^|]+) \| [^|]+ \| (?P<counted>\d+ clicks?(?:, \d+ fields?)?) \|$", re.MULTILINE)


def documented() -> dict[str, str]:
    """The counts that the documentation states, by task."""
    return {match["task"]: match["counted"] for match in _ROW.finditer(PAGE.read_text(encoding="utf-8"))}


def written(clicks: int, fields: int) -> str:
    """Counts as the documentation writes them: ``3 clicks, 1 field``."""
    parts = [f"{clicks} click{'s' * (clicks != 1)}"]
    if fields:
        parts.append(f"{fields} field{'s' * (fields != 1)}")
    return ", ".join(parts)


def _button(where: Any, name: str) -> Any:
    return where.get_by_role("button", name=name, exact=True).first


def _opened(stack: DeskStack, window: Window, where: str) -> Any:
    """The page of the first order with this condition, by the search box."""
    (order, *_) = stack.orders(where)
    window.type(window.page.get_by_role("searchbox", name="Find an order"), order.number)
    window.click(_button(window.page, "Find"))
    window.page.get_by_role("heading", name=f"Order {order.number}").wait_for()
    window.page.wait_for_load_state()
    return window.page


def _done(window: Window) -> None:
    window.page.locator("#messages p").first.wait_for()


def find_an_order(stack: DeskStack, window: Window) -> None:
    """By the beginning of its number, from any page."""
    (order, *_) = stack.orders("state = 'imported' AND order_number LIKE '%-%-%'")
    window.type(window.page.get_by_role("searchbox", name="Find an order"), order.number[:9])
    window.click(_button(window.page, "Find"))
    window.page.get_by_text(order.number, exact=True).first.wait_for()


def todays_counts(stack: DeskStack, window: Window) -> None:
    window.page.locator(".tile", has_text="Received").wait_for()


def quarantined_by_reason(stack: DeskStack, window: Window) -> None:
    window.page.get_by_role("link", name="No row in a code table").wait_for()


def complete_a_table_and_replay(stack: DeskStack, window: Window) -> None:
    """The missing row is added, and the orders that pass with it are released, in one step."""
    page = window.page
    window.click(page.get_by_role("link", name="Tables", exact=True))
    window.click(page.get_by_role("link", name="ship_via", exact=True).last)
    window.click(page.get_by_role("button", name="Add a row for Will Call"))
    dialog = page.get_by_role("dialog")
    window.type(dialog.get_by_label("Value"), "{type: pickup, class: Pickup}")
    window.type(dialog.get_by_label("Reason"), "pick-up at the warehouse is possible now")
    window.click(_button(dialog, "Save"))
    _done(window)


def decide_a_pair(stack: DeskStack, window: Window) -> None:
    page = _opened(stack, window, "state = 'held' AND reason = 'suffix_without_base'")
    window.click(_button(page, "Decide"))
    dialog = page.get_by_role("dialog", name="Decide about the held versions")
    window.click(dialog.get_by_role("radio", name="Discard"))
    window.type(dialog.get_by_label("Reason"), "a copy by mistake")
    window.click(_button(dialog, "Decide"))
    _done(window)


def settle_an_order(stack: DeskStack, window: Window) -> None:
    page = _opened(stack, window, "state = 'in_doubt'")
    window.click(_button(page, "Settle"))
    dialog = page.get_by_role("dialog", name="Settle the order in doubt")
    window.click(dialog.get_by_role("radio", name="The order is not in the OMS"))
    window.type(dialog.get_by_label("Reason"), "searched by number and customer")
    window.click(_button(dialog, "Settle"))
    _done(window)


def correct_an_address(stack: DeskStack, window: Window) -> None:
    page = _opened(stack, window, "state = 'quarantined' AND reason = 'unknown_country'")
    window.click(_button(page, "Correct values"))
    dialog = page.get_by_role("dialog", name="Correct values of the order")
    window.type(dialog.locator("[name='field.ship_country']"), "US")
    window.type(dialog.get_by_label("Reason"), "the customer said so on the phone")
    window.click(_button(dialog, "Correct"))
    _done(window)


def trend(stack: DeskStack, window: Window) -> None:
    window.page.get_by_text("Orders per day", exact=True).first.wait_for()


def export_csv(stack: DeskStack, window: Window) -> None:
    window.click(window.page.get_by_role("link", name="Orders", exact=True))
    with window.page.expect_download():
        window.click(window.page.get_by_role("link", name="Export as CSV"))


TASKS: dict[str, Callable[[DeskStack, Window], None]] = {
    "find an order by the beginning of its number": find_an_order,
    "today's counts": todays_counts,
    "quarantined orders by reason": quarantined_by_reason,
    "complete a code table and replay the orders": complete_a_table_and_replay,
    "decide about a pair": decide_a_pair,
    "settle an order in doubt": settle_an_order,
    "correct an address": correct_an_address,
    "trend of 30 days": trend,
    "export as CSV": export_csv,
}
