"""The desk's frame: permissions, headers, errors, relative links and static files, with pages made for these tests."""

from __future__ import annotations

import logging
from typing import Annotated

import pytest
from fastapi import FastAPI, Form
from fastapi.responses import Response
from starlette.requests import Request
from starlette.testclient import TestClient

from order_relay.desk.access import Configurator, Operator, Principal, Revealer, Viewer
from order_relay.desk.deployment import DeskDeployment
from order_relay.desk.rendering import done, render
from order_relay.desk.security import HEADERS
from order_relay.desk.web_app import create_app
from order_relay.errors import (
    ConcurrentUpdateError,
    ConfigurationError,
    IllegalTransitionError,
    TransientError,
)
from tests.support.desk import ADMIN, OWN_PAGE, VIEWER, FixedAccess, FixedHost, FixedParts, desk_client

pytestmark = pytest.mark.unit

ERRORS = {
    "stale": (ConcurrentUpdateError, 409),
    "illegal": (IllegalTransitionError, 422),
    "wrong": (ConfigurationError, 422),
    "later": (TransientError, 503),
    "defect": (KeyError, 500),
}


def with_pages(user: Principal | None = ADMIN) -> FastAPI:
    app = create_app(DeskDeployment(FixedParts(), FixedHost()), FixedAccess(user))

    @app.get("/test/page")
    async def page(request: Request, user: Viewer) -> Response:
        return render(request, "error.html", title="<b>", message="a page")

    @app.post("/test/act")
    async def act(user: Operator) -> Response:
        return done(f"done by {user.name}")

    @app.post("/test/configure")
    async def configure(user: Configurator) -> Response:
        return done("configured")

    @app.post("/test/reveal")
    async def reveal(user: Revealer) -> Response:
        return done("revealed")

    @app.post("/test/fail/{kind}")
    async def fail(kind: str, user: Viewer) -> Response:
        raise ERRORS[kind][0]("order 17 of Ann Example")

    @app.post("/test/number/{number}")
    async def number(number: int, user: Viewer) -> Response:
        return done("")

    return app


def test_anonymous_requests_are_refused() -> None:
    with desk_client(with_pages(None)) as client:
        assert client.get("/test/page").status_code == 401
        assert client.post("/test/act").status_code == 401


def test_a_user_without_any_pipeline_sees_nothing() -> None:
    with desk_client(with_pages(Principal("new", frozenset()))) as client:
        answer = client.get("/test/page")
    assert answer.status_code == 403
    assert "permission to read its DAG" in answer.text


@pytest.mark.parametrize("path", ["act", "configure", "reveal"])
def test_each_permission_is_needed(path: str) -> None:
    with desk_client(with_pages(VIEWER)) as client:
        assert client.post(f"/test/{path}").status_code == 403
    with desk_client(with_pages(ADMIN)) as client:
        assert client.post(f"/test/{path}").status_code == 204


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"X-Order-Desk": "./"},
        {"Sec-Fetch-Site": "cross-site", "X-Order-Desk": "./"},
        {"Sec-Fetch-Site": "same-site", "X-Order-Desk": "./"},
        {"Sec-Fetch-Site": "none", "X-Order-Desk": "./"},
        {"Sec-Fetch-Site": "same-origin", "X-Order-Desk": "//evil.example/"},
    ],
)
def test_changes_must_come_from_our_own_pages(headers: dict[str, str]) -> None:
    with TestClient(with_pages()) as client:
        assert client.post("/test/act", headers=headers).status_code == 403
        assert client.post("/test/act", headers=OWN_PAGE).status_code == 204


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://testserver", 204),
        ("http://testserver:8080", 403),
        ("http://evil.example", 403),
        ("http://testserver.evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_without_https_the_origin_must_be_this_host(origin: str, status: int) -> None:
    """Browsers send ``Sec-Fetch-Site`` to HTTPS and loopback addresses only."""
    with TestClient(with_pages()) as client:
        answer = client.post("/test/act", headers={"Origin": origin, "X-Order-Desk": "./"})
        assert answer.status_code == status
        both = {"Origin": "http://testserver", "Sec-Fetch-Site": "cross-site", "X-Order-Desk": "./"}
        assert client.post("/test/act", headers=both).status_code == 403


def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    app = with_pages()

    @app.post("/test/text")
    async def text(user: Viewer, text: Annotated[str, Form()]) -> Response:
        return done(str(len(text)))

    with desk_client(app) as client:
        assert client.post("/test/text", data={"text": "x" * 900_000}).status_code == 204
        assert client.post("/test/text", data={"text": "x" * 1_000_001}).status_code == 400


@pytest.mark.parametrize("path", ["/test/page", "/nothing", "/static/desk.css", "/static/nothing", "/test/fail/x"])
def test_every_response_carries_the_security_headers(path: str) -> None:
    with desk_client(with_pages()) as client:
        answers = [client.get(path), client.post(path), client.post("/test/fail/defect")]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert answer.headers["Cache-Control"] in {"no-store", "no-cache"}


@pytest.mark.parametrize("kind", ERRORS)
def test_our_errors_are_shown_and_unexpected_ones_are_not(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), desk_client(with_pages()) as client:
        answer = client.post(f"/test/fail/{kind}")
    assert answer.status_code == ERRORS[kind][1]
    assert ("Ann Example" in answer.text) == (kind != "defect")
    assert "Ann Example" not in caplog.text
    assert ("KeyError" in caplog.text) == (kind == "defect")


def test_invalid_input_is_named_without_its_value() -> None:
    with desk_client(with_pages()) as client:
        answer = client.post("/test/number/secret")
    assert answer.status_code == 422
    assert "number" in answer.text
    assert "secret" not in answer.text


def test_texts_are_escaped_and_links_are_relative() -> None:
    with TestClient(with_pages()) as client:
        page = client.get("/test/page").text
    assert "<b>" not in page
    assert '<a href="../orders">' in page
    assert 'src="../static/desk.js' in page
    assert 'href="/' not in page


def test_fragments_have_the_links_of_the_page_that_asked() -> None:
    with desk_client(with_pages()) as client:
        page = client.get("/test/page", headers={"X-Order-Desk": "../../"}).text
    assert '<a href="../../orders">' in page
