"""The fields of ``shiprush_feed``: read and checked in one place, and described for Airflow's connection form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from order_relay.connections import Connection
from order_relay.vendors.shiprush.statuses import CANCELLED_WORDS, WORDS
from order_relay.vendors.shiprush.xml_text import line_text

ENTERED = ("imported", "ready")
_UNMATCHED = (200, 404)


@dataclass(frozen=True)
class ShipRushSettings:
    """What a connection says about one ShipRush store.

    ``pipelines``: whose orders are in the feed (empty: all). ``entered``: an order is in the feed from this state on.
    ``unmatched_status``: the answer to a notice about an order that is not ours. ``words``: what ShipRush calls each
    of our statuses. ``currency`` of shipping costs, which notices do not name. ``size_limit_bytes`` of a notice.
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
    """The settings of a connection. Raises ``ConfigurationError`` that names the field and never shows its value."""
    login = connection.text("login")
    if ":" in login:
        raise connection.wrong("login", "holds a colon, which Basic authentication does not allow")
    entered = connection.text("entered", "imported")
    if entered not in ENTERED:
        raise connection.wrong("entered", f"is none of {', '.join(ENTERED)}")
    unmatched = connection.integer("unmatched_status", minimum=200, maximum=404, default=200)
    if unmatched not in _UNMATCHED:
        raise connection.wrong("unmatched_status", "is neither 404 nor 200")
    return ShipRushSettings(
        login=login,
        password=connection.text("password"),
        pipelines=frozenset(filter(None, map(str.strip, connection.text("pipelines", "").split(",")))),
        entered=entered,
        page_size=connection.integer("page_size", minimum=1, maximum=500, default=50),
        unmatched_status=unmatched,
        words=_words(connection),
        currency=connection.text("currency", "USD"),
        size_limit_bytes=connection.integer("size_limit_bytes", minimum=1 << 12, maximum=1 << 26, default=1 << 20),
    )


def _words(connection: Connection) -> dict[str, str]:
    given = connection.mapping("words")
    if unknown := sorted(given.keys() - WORDS.keys()):
        raise connection.wrong("words", f"knows {', '.join(WORDS)}; not {json.dumps(unknown)}")
    words = {**WORDS, **{status: str(word).strip() for status, word in given.items()}}
    if any(not 1 <= len(word) <= 50 or line_text(word, 50) != word for word in words.values()):
        raise connection.wrong("words", "holds a word that is empty, longer than 50 characters, or not plain text")
    words["cancelled"] = words["cancelled"].lower()
    if words["cancelled"] not in CANCELLED_WORDS:
        raise connection.wrong(
            "words",
            f"cancelled must be one of {', '.join(CANCELLED_WORDS)}: ShipRush takes no "
            "other word for cancelled and would ship the order",
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
    "extra": {
        "pipelines": {
            "type": "string",
            "title": "Pipelines",
            "description": "Pipelines whose orders are in the feed, separated by commas; empty: all",
        },
        "entered": {
            "type": "string",
            "title": "In the feed from",
            "enum": list(ENTERED),
            "default": "imported",
            "description": "An order is in the feed once it has reached this state, and stays there from then on",
        },
        "page_size": {
            "type": "integer",
            "title": "Orders a page",
            "minimum": 1,
            "maximum": 500,
            "default": 50,
            "description": "ShipRush reads the number of pages from the answer and asks for each of them",
        },
        "unmatched_status": {
            "type": "integer",
            "title": "Answer to notices of unknown orders",
            "enum": list(_UNMATCHED),
            "default": 200,
            "description": "The notice is kept for an operator either way; after 404 ShipRush may repeat it",
        },
        "words": {
            "type": "string",
            "title": "Status words",
            "description": f"JSON object from our status ({', '.join(WORDS)}) to the word in your ShipRush store; "
            f"cancelled must be one of {', '.join(CANCELLED_WORDS)}",
        },
        "currency": {
            "type": "string",
            "title": "Currency of shipping costs",
            "default": "USD",
            "description": "ISO 4217; notices do not name one",
        },
        "size_limit_bytes": {
            "type": "integer",
            "title": "Size limit of a notice (bytes)",
            "minimum": 1 << 12,
            "default": 1 << 20,
            "description": "The body of a larger notice is not read; what its query says is kept for an operator",
        },
    },
}
"""What Airflow's connection form shows. ``extra`` holds JSON Schema fragments, one per extra field."""
