"""The fields of ``shiprush_feed``: reading them, and Airflow's connection form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from order_relay.connections import Connection
from order_relay.http.connection_fields import ChoiceField, IntegerField, TextField, form_extra, read_fields
from order_relay.vendors.shiprush.statuses import CANCELLED_WORDS, WORDS
from order_relay.vendors.shiprush.xml_text import line_text

ENTERED = ("imported", "ready")
_UNMATCHED = (200, 404)
_ENTERED = ChoiceField(
    "entered",
    "In the feed from",
    "An order is added to the feed when it reaches this state, and stays in it",
    choices=ENTERED,
)
_PAGE_SIZE = IntegerField(
    "page_size",
    "Orders per page",
    "ShipRush reads the number of pages from the response and requests each of them",
    default=50,
    minimum=1,
    maximum=500,
)
_SIZE_LIMIT = IntegerField(
    "size_limit_bytes",
    "Size limit of a notice (bytes)",
    "The body of a larger notice is not read; its query is kept for an operator",
    default=1 << 20,
    minimum=1 << 12,
    maximum=1 << 26,
)


@dataclass(frozen=True)
class ShipRushSettings:
    """One ShipRush store.

    ``pipelines``: whose orders are in the feed (empty: all). ``entered``: the state from which an order is in the feed.
    ``unmatched_status``: HTTP status for a notice about an unknown order. ``words``: ShipRush's word for each of our
    statuses. ``currency``: of shipping costs, which notices do not name. ``size_limit_bytes``: of a notice.
    """

    login: str = field(repr=False)
    password: str = field(repr=False)
    pipelines: frozenset[str] = frozenset()
    entered: str = "imported"
    page_size: int = 50
    unmatched_status: int = 200
    words: Mapping[str, str] = field(default_factory=lambda: dict(WORDS))
    currency: str = "USD"
    size_limit_bytes: int = 1 << 20


def read_settings(connection: Connection) -> ShipRushSettings:
    """The settings of a connection. Raises ``ConfigurationError`` that names the field but never its value."""
    login = connection.text("login")
    if ":" in login:
        raise connection.wrong("login", "must not contain a colon: Basic authentication does not allow it")
    unmatched = connection.integer("unmatched_status", minimum=200, maximum=404, default=200)
    if unmatched not in _UNMATCHED:
        raise connection.wrong("unmatched_status", "must be 200 or 404")
    return ShipRushSettings(
        **read_fields(connection, _ENTERED, _PAGE_SIZE, _SIZE_LIMIT),
        login=login,
        password=connection.text("password"),
        pipelines=frozenset(filter(None, map(str.strip, connection.text("pipelines", "").split(",")))),
        unmatched_status=unmatched,
        words=_words(connection),
        currency=connection.text("currency", "USD"),
    )


def _words(connection: Connection) -> dict[str, str]:
    given = connection.mapping("words")
    if unknown := sorted(given.keys() - WORDS.keys()):
        raise connection.wrong("words", f"has unknown statuses {json.dumps(unknown)}; available: {', '.join(WORDS)}")
    words = {**WORDS, **{status: str(word).strip() for status, word in given.items()}}
    if any(not 1 <= len(word) <= 50 or line_text(word, 50) != word for word in words.values()):
        raise connection.wrong("words", "must map statuses to plain text of 1 to 50 characters")
    words["cancelled"] = words["cancelled"].lower()
    if words["cancelled"] not in CANCELLED_WORDS:
        raise connection.wrong(
            "words",
            f"cancelled must be one of {', '.join(CANCELLED_WORDS)}: with any other word ShipRush would ship the order",
        )
    if wrong := sorted(
        status for status, word in words.items() if status != "cancelled" and word.lower() in CANCELLED_WORDS
    ):
        raise connection.wrong(
            "words",
            f"{', '.join(wrong)} must not be one of {', '.join(CANCELLED_WORDS)}: ShipRush would cancel the order",
        )
    return words


FORM: dict[str, Any] = {
    "connection_type": "shiprush",
    "name": "ShipRush feed (served by us)",
    "hidden_fields": ["host", "schema", "port"],
    "relabeling": {"login": "User name that ShipRush presents", "password": "Password that ShipRush presents"},
    "placeholders": {"login": "shiprush", "pipelines": "supercat_to_shopatron"},
    "extra": form_extra(
        TextField("pipelines", "Pipelines", "Pipelines whose orders are in the feed, separated by commas; empty: all"),
        _ENTERED,
        _PAGE_SIZE,
        TextField(
            "unmatched_status",
            "Status for notices of unknown orders",
            "The notice is kept for an operator in both cases; after 404 ShipRush may repeat it",
            more={"type": "integer", "enum": list(_UNMATCHED), "default": 200},
        ),
        TextField(
            "words",
            "Status words",
            f"JSON object from our status ({', '.join(WORDS)}) to the word in your ShipRush store; "
            f"cancelled must be one of {', '.join(CANCELLED_WORDS)}",
        ),
        TextField(
            "currency", "Currency of shipping costs", "ISO 4217; notices do not name one", more={"default": "USD"}
        ),
        _SIZE_LIMIT,
    ),
}
"""Airflow's connection form. ``extra`` holds a JSON Schema fragment for each extra field."""
