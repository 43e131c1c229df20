"""The settings that the connection of a destination has. Light: Airflow imports it in each of its processes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from order_relay.http.connection_settings import NetworkSettings

WholeTimeout = Annotated[
    float,
    Field(
        title="Time-out (s)",
        description="For a whole request, from connecting to the last byte of the response",
        ge=1,
        le=3600,
    ),
]
Connections = Annotated[
    int,
    Field(title="Connections", description="Concurrent connections, for the whole run", ge=1, le=1000),
]
SendRate = Annotated[
    float,
    Field(
        title="Requests per second",
        description="For the whole run; 0: limited only by the connections",
        ge=0,
        le=100_000,
    ),
]
SearchBy = Annotated[
    Literal["auto", "external_id", "window", "none"],
    Field(title="Find orders by", description="auto: external id first, then date window"),
]
VisibleAfter = Annotated[
    float,
    Field(
        title="Visible after (s)",
        description="How long after an import a search may still not show the order. Wait this long before the first "
        "run after a ledger was restored",
        ge=0,
        le=7 * 86_400,
    ),
]


class SendSettings(NetworkSettings):
    """How orders are sent and looked up. Times are seconds; limits apply to the whole run."""

    timeout_s: WholeTimeout = 60
    connections: Connections = 8
    requests_per_s: SendRate = 0
    search_by: SearchBy = "auto"
    visible_after_s: VisibleAfter = 60
