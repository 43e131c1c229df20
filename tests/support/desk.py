"""The desk in tests: an installation of temporary parts, a fixed user, and a client that behaves like its own pages."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from typing import Any

from fastapi import FastAPI, Request
from starlette.datastructures import State
from starlette.testclient import TestClient

from order_relay.desk.access import Principal
from order_relay.desk.deployment import DeskDeployment
from order_relay.desk.web_app import create_app
from order_relay.pipeline.runs.stop_switch import StopSwitch, read_switch
from order_relay.pipeline.settings.pipeline import PipelineSettings
from order_relay.wiring.pipeline import Wiring

PIPELINE = "supercat_to_shopatron"
OTHER = "cloudsuite_to_shopatron"

ADMIN = Principal("admin", frozenset({PIPELINE}), may_act=True, may_configure=True, may_reveal=True)
OPERATOR = Principal("op", frozenset({PIPELINE}), may_act=True)
VIEWER = Principal("viewer", frozenset({PIPELINE}))

OWN_PAGE = {"Sec-Fetch-Site": "same-origin", "X-Order-Desk": "./", "HX-Request": "true"}
"""Headers of a request that one of the desk's pages sends."""


@dataclass
class FixedAccess:
    """Everybody is ``user``; ``None``: nobody is signed in."""

    user: Principal | None = ADMIN

    async def principal(self, request: Request) -> Principal | None:
        """The fixed user."""
        return self.user


@dataclass(frozen=True)
class FixedFinding:
    """A finding of doctor."""

    level: str
    check: str
    found: str
    advice: str = ""


@dataclass
class FixedHost:
    """A host with a stop switch and paused DAGs that a test sets."""

    switch: StopSwitch = field(default_factory=StopSwitch)
    paused: dict[str, bool] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    rechecked: list[str] = field(default_factory=list)
    found: list[FixedFinding] = field(default_factory=list)
    diagnosed: list[bool] = field(default_factory=list)

    def stop_switch(self) -> StopSwitch:
        """The switch."""
        return self.switch

    def set_stop_switch(self, value: str) -> None:
        """Record the value, and switch accordingly."""
        self.written.append(value)
        self.switch = read_switch(value, {PIPELINE, OTHER})

    def recheck_reviews(self, numbers: Collection[str]) -> None:
        """Record the numbers."""
        self.rechecked += sorted(numbers)

    def paused_dags(self) -> dict[str, bool]:
        """The paused DAGs."""
        return self.paused

    def findings(self, *, vendors: bool) -> list[FixedFinding]:
        """The findings of the test."""
        self.diagnosed.append(vendors)
        return self.found

    def run_path(self, dag_id: str, run_id: str) -> str:
        """A path as in Airflow."""
        return f"/dags/{dag_id}/runs/{run_id}"


@dataclass
class FixedParts:
    """An installation of the parts that a test has."""

    ledger_url: str = ""
    store: Any = None
    pipelines: Mapping[str, PipelineSettings] = field(default_factory=dict)
    wirings: Mapping[str, Wiring] = field(default_factory=dict)

    def wiring(self, pipeline: str) -> Wiring:
        """The wiring of a pipeline."""
        return self.wirings[pipeline]


def desk_app(parts: FixedParts | None = None, user: Principal | None = ADMIN, host: FixedHost | None = None) -> FastAPI:
    """The desk's app. All share their routes, which FastAPI needs 60 ms to make: ``create_app`` makes others."""
    app = copy(_first_app())
    desk = DeskDeployment(parts or FixedParts(), host or FixedHost())
    app.state = State({"desk": desk, "access": FixedAccess(user)})
    return app


@cache
def _first_app() -> FastAPI:
    return create_app(DeskDeployment(FixedParts(), FixedHost()), FixedAccess())


def desk_client(app: FastAPI) -> TestClient:
    """A client whose requests look like those of the desk's pages. Unexpected errors are answered, not raised."""
    return TestClient(app, headers=OWN_PAGE, raise_server_exceptions=False)


def main_text(page: str) -> str:
    """The page's main part without tags, with single spaces."""
    main = page[page.index("<main") : page.index("</main>")]
    return " ".join(unescape(re.sub(r"<title>.*?</title>|<[^>]*>", " ", main)).split())
