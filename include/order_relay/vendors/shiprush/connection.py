"""The fields of ``shiprush_feed``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from order_relay.http.connection_settings import BasicLogin, ConnectionSettings, NameSet, Secret, TextMapping
from order_relay.vendors.shiprush.statuses import CANCELLED_WORDS, WORDS
from order_relay.vendors.shiprush.xml_text import line_text


def _words(given: Mapping[str, str]) -> dict[str, str]:
    """All words: the given ones and, for the other statuses, the defaults. Raises ``ValueError``."""
    if unknown := sorted(given.keys() - WORDS.keys()):
        raise ValueError(f"has unknown statuses {json.dumps(unknown)}; available: {', '.join(WORDS)}")
    words = {**WORDS, **{status: word.strip() for status, word in given.items()}}
    if any(not 1 <= len(word) <= 50 or line_text(word, 50) != word for word in words.values()):
        raise ValueError("must map statuses to plain text of 1 to 50 characters")
    words["cancelled"] = words["cancelled"].lower()
    cancelled = ", ".join(CANCELLED_WORDS)
    if words["cancelled"] not in CANCELLED_WORDS:
        raise ValueError(f"cancelled must be one of {cancelled}: with any other word ShipRush would ship the order")
    others = (status for status in words if status != "cancelled")
    if wrong := sorted(status for status in others if words[status].lower() in CANCELLED_WORDS):
        raise ValueError(f"{', '.join(wrong)} must not be one of {cancelled}: ShipRush would cancel the order")
    return words


class ShipRushSettings(ConnectionSettings):
    """One ShipRush store.

    ``pipelines``: whose orders are in the feed (empty: all). ``entered``: the state from which an order is in the feed.
    ``unmatched_status``: HTTP status for a notice about an unknown order. ``words``: ShipRush's word for each of our
    statuses. ``shop_cancellations``: whether an order that the shop cancelled is offered before an operator decides.
    ``currency``: of shipping costs, which notices do not name. ``size_limit_bytes``: of a notice.
    """

    login: BasicLogin = Field(title="User name that ShipRush presents", examples=["shiprush"])
    password: Secret = Field(title="Password that ShipRush presents")
    pipelines: NameSet = Field(
        frozenset(),
        title="Pipelines",
        description="Pipelines whose orders are in the feed, separated by commas; empty: all",
        examples=["shop_to_oms"],
    )
    entered: Literal["imported", "ready"] = Field(
        "imported",
        title="In the feed from",
        description="An order is added to the feed when it reaches this state, and stays in it",
    )
    page_size: int = Field(
        50,
        title="Orders per page",
        description="ShipRush reads the number of pages from the response and requests each of them",
        ge=1,
        le=500,
    )
    unmatched_status: Literal[200, 404] = Field(
        200,
        title="Status for notices of unknown orders",
        description="The notice is kept for an operator in both cases; after 404 ShipRush may repeat it",
    )
    words: Annotated[TextMapping, AfterValidator(_words)] = Field(
        dict(WORDS),
        title="Status words",
        description=f"JSON object from our status ({', '.join(WORDS)}) to the word in your ShipRush store; "
        f"cancelled must be one of {', '.join(CANCELLED_WORDS)}",
    )
    shop_cancellations: Literal["stop", "offer"] = Field(
        "stop",
        title="Orders cancelled in the shop after the import",
        description="stop: shown as cancelled until an operator has decided; offer: shipped unless an operator cancels",
    )
    currency: str = Field("USD", title="Currency of shipping costs", description="ISO 4217; notices do not name one")
    size_limit_bytes: int = Field(
        1 << 20,
        title="Size limit of a notice (bytes)",
        description="The body of a larger notice is not read; its query is kept for an operator",
        ge=1 << 12,
        le=1 << 26,
    )
