"""The settings that the connection of a REST source has. Light: Airflow imports it in each of its processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from order_relay.http.connection_settings import HttpSettings, MaxWait

Parallel = Annotated[
    int, Field(title="Concurrent requests", description="Orders that are read at the same time", ge=1, le=64)
]
Tries = Annotated[
    int,
    Field(
        title="Tries per order",
        description="An order that cannot be read in this many tries is set aside; the others proceed",
        ge=1,
        le=10,
    ),
]
Pause = Annotated[
    float,
    Field(
        title="Pause between tries (s)",
        description="The first pause; each further one is four times as long",
        ge=0,
        le=60,
    ),
]
ReadRate = Annotated[
    float,
    Field(
        title="Requests per second",
        description="0: limited only by the number of concurrent requests",
        ge=0,
        le=10_000,
    ),
]


@dataclass(frozen=True, kw_only=True)
class ReadLimits:
    """Limits of a client. Times are seconds.

    ``requests_per_s`` (0: unlimited) and ``parallel`` (concurrent requests) apply to the whole client. ``max_wait_s``:
    the longest requested pause that is waited for. ``tries``: requests for one order before it is set aside;
    ``pause_s``: the first pause between them, each further one is four times as long.
    """

    requests_per_s: float = 0.0
    max_wait_s: float = 120.0
    parallel: int = 4
    tries: int = 3
    pause_s: float = 0.5


class ReadSettings(HttpSettings):
    """How orders are read. Times are seconds; limits apply to the whole client."""

    parallel: Parallel = 4
    detail_tries: Tries = 3
    detail_pause_s: Pause = 0.5
    requests_per_s: ReadRate = 0
    max_wait_s: MaxWait = 120

    @property
    def limits(self) -> ReadLimits:
        """See ``ReadLimits``."""
        return ReadLimits(
            requests_per_s=self.requests_per_s,
            max_wait_s=self.max_wait_s,
            parallel=self.parallel,
            tries=self.detail_tries,
            pause_s=self.detail_pause_s,
        )
