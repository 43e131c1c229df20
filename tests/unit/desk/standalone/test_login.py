"""Signing in and out of a desk without Airflow."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from order_relay.desk.access import Operator, Viewer
from order_relay.desk.deployment import DeskDeployment
from order_relay.desk.security import HEADERS
from order_relay.desk.standalone import login
from order_relay.desk.standalone.accounts import Account, Accounts
from order_relay.desk.standalone.login import SessionAccess, create_standalone_app
from order_relay.desk.standalone.passwords import hash_password
from order_relay.errors import ConfigurationError
from tests.support.desk import OWN_PAGE, PIPELINE, FixedHost, FixedParts, desk_client

PASSWORD = "correct horse battery"
CHEAP = (4, 8, 1)
HASH = hash_password(PASSWORD, CHEAP)
PAGE = "/test/page"


class Desk:
    """A desk with one operator, ``ann``, whose accounts a test may change."""

    def __init__(self, *, secure: bool = False) -> None:
        self.accounts: Accounts | Exception = Accounts({"ann": Account("ann", HASH, "operator")}, 1_800, 43_200)
        self.access = SessionAccess(self.load, [PIPELINE], secure=secure)
        self.access.nobody = hash_password("of an unknown user", CHEAP)
        self.app = self._app()
        self.client = desk_client(self.app)
        if secure:
            self.client.base_url = self.client.base_url.copy_with(scheme="https")

    def load(self) -> Accounts:
        if isinstance(self.accounts, Exception):
            raise self.accounts
        return self.accounts

    def _app(self) -> FastAPI:
        app = create_standalone_app(DeskDeployment(FixedParts(), FixedHost()), self.access)

        @app.get(PAGE)
        async def page(user: Viewer) -> str:
            return user.name

        @app.post("/test/act")
        async def act(user: Operator) -> str:
            return user.name

        return app

    def log_in(self, name: str = "ann", password: str = PASSWORD) -> int:
        return int(self.client.post("/login", data={"name": name, "password": password}).status_code)

    def sees(self) -> int:
        return int(self.client.get(PAGE).status_code)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(login, "ACCOUNTS_TTL_S", 0.0)
    made = Desk()
    with made.client:
        yield made


def test_the_login_page_is_shown_instead_of_a_page(desk: Desk) -> None:
    with TestClient(desk.app) as anonymous:
        answer = anonymous.get(PAGE)
    assert answer.status_code == 401
    assert 'hx-post="../login"' in answer.text
    assert 'type="password"' in answer.text
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_signing_in_and_out(desk: Desk) -> None:
    answer = desk.client.post("/login", data={"name": "ann", "password": PASSWORD})
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (204, "true")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("order_desk=")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert desk.client.get(PAGE).json() == "ann"
    assert desk.client.post("/test/act").json() == "ann"
    token = dict(desk.client.cookies)["order_desk"]
    assert desk.client.post("/logout").status_code == 204
    assert "order_desk" not in desk.client.cookies
    desk.client.cookies.set("order_desk", token)
    assert desk.sees() == 401


def test_behind_tls_the_cookie_is_sent_by_https_only() -> None:
    desk = Desk(secure=True)
    answer = desk.client.post("/login", data={"name": "ann", "password": PASSWORD})
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-order_desk=")
    assert {"HttpOnly", "Path=/", "SameSite=strict", "Secure"} <= set(cookie.split("; "))


def test_a_new_login_ends_the_session_before(desk: Desk) -> None:
    desk.log_in()
    before = dict(desk.client.cookies)["order_desk"]
    desk.log_in()
    assert dict(desk.client.cookies)["order_desk"] != before
    desk.client.cookies.clear()
    desk.client.cookies.set("order_desk", before)
    assert desk.sees() == 401


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("ANN", PASSWORD), ("ann", PASSWORD.title())]
)
def test_a_wrong_login_is_refused_in_the_same_words(name: str, password: str, desk: Desk) -> None:
    answer = desk.client.post("/login", data={"name": name, "password": password})
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    assert "Wrong name or password." in answer.text
    assert desk.sees() == 401


def test_the_password_of_an_unknown_user_is_compared_as_well(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(login, "matches", lambda password, stored: compared.append(stored) or False)
    desk.log_in("ann", "wrong")
    desk.log_in("nobody", "wrong")
    assert compared == [HASH, desk.access.nobody]


def test_failed_logins_are_logged_without_what_was_typed(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        desk.log_in("ann", "a secret")
        desk.log_in("password in the wrong field", "x")
    assert [record.message for record in caplog.records] == [
        "order desk: failed login of 'ann' from testclient",
        "order desk: failed login of an unknown user from testclient",
    ]


def test_guessing_is_stopped_for_known_and_unknown_names(desk: Desk) -> None:
    for name in ("ann", "nobody"):
        assert [desk.log_in(name, "wrong") for _ in range(6)] == [401] * 5 + [429]
    answer = desk.client.post("/login", data={"name": "ann", "password": PASSWORD})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert "Try again in 1 min." in answer.text


@pytest.mark.parametrize(
    "changed",
    [
        Accounts({}, 1_800, 43_200),
        Accounts({"ann": Account("ann", hash_password("another password", CHEAP), "operator")}, 1_800, 43_200),
        Accounts({"ann": Account("ann", HASH, "operator")}, -1, 43_200),
        Accounts({"ann": Account("ann", HASH, "operator")}, 1_800, -1),
    ],
    ids=["user removed", "password changed", "idle", "too old"],
)
def test_a_session_ends_with_its_account(changed: Accounts, desk: Desk) -> None:
    desk.log_in()
    assert desk.sees() == 200
    desk.accounts = changed
    assert desk.sees() == 401


def test_a_role_that_is_taken_away_is_gone_at_once(desk: Desk) -> None:
    desk.log_in()
    desk.accounts = Accounts({"ann": Account("ann", HASH, "viewer")}, 1_800, 43_200)
    assert desk.client.post("/test/act").status_code == 403
    desk.accounts = Accounts({"ann": Account("ann", HASH, "viewer", frozenset({"other"}))}, 1_800, 43_200)
    assert desk.sees() == 403


def test_an_invalid_connection_signs_everybody_out(desk: Desk) -> None:
    desk.log_in()
    desk.accounts = ConfigurationError("connection 'order_relay_desk', field 'users': is not valid JSON")
    answer = desk.client.get(PAGE)
    assert (answer.status_code, "not valid JSON" in answer.text) == (422, True)


def test_another_sites_page_can_neither_sign_in_nor_out(desk: Desk) -> None:
    desk.log_in()
    with TestClient(desk.app, cookies=dict(desk.client.cookies)) as other:
        for path in ("/login", "/logout", "/test/act"):
            headers = OWN_PAGE | {"Sec-Fetch-Site": "cross-site"}
            assert other.post(path, data={"name": "ann", "password": PASSWORD}, headers=headers).status_code == 403
    assert desk.sees() == 200
