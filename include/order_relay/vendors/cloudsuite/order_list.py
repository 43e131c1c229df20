"""The list of orders (docs/vendors/cloudsuite.md, "Facts", list)."""

from __future__ import annotations

import re
from datetime import tzinfo

from order_relay.http.reading.order_list import OrderList
from order_relay.http.reading.pages import ListShape, Offsets
from order_relay.http.reading.window import TimeWindow
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings

ORDER_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


def order_list(settings: CloudSuiteSettings) -> OrderList:
    """The list of an account, without filters."""
    return OrderList(
        path=api_path(settings, "order"),
        queries=[{"state": state, "offline": "false"} for state in settings.listed_states],
        history_queries=[{"state": state, "offline": "false"} for state in settings.history_states],
        pager=Offsets(size=settings.page_size, linked=True),
        shape=ListShape(member="results", total="count", next="next", others=("previous",)),
        window=confirm_dates(settings.zone),
        ids=ORDER_ID,
        ids_text="consist of digits, such as 9101 (CS9101 is an order number)",
        hint="check the base URL",
    )


def confirm_dates(zone: tzinfo | None) -> TimeWindow:
    """How confirmation dates are requested: in the shop's local time, which carries no zone."""
    return TimeWindow(start="confirm_date__gte", end="confirm_date__lte", format="%Y-%m-%dT%H:%M:%S", zone=zone)


def api_path(settings: CloudSuiteSettings, path: str) -> str:
    """The path of an object of the API, such as ``order/7``."""
    return f"api/{path}{'' if settings.no_trailing_slash else '/'}"
