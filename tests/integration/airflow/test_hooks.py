"""Hooks of the vendors' connection types: the pitfalls of Airflow's ``HttpHook``, and the *Test* button."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowException
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

from order_relay.airflow import hooks
from order_relay.airflow.connections import connection
from order_relay.airflow.provider import connection_forms, hook_class
from order_relay.desk.standalone.passwords import hash_password
from order_relay.errors import ConfigurationError
from order_relay.vendors.supercat.connection import SuperCatSettings

BODY = "order of Jane Doe"
FIELDS: dict[str, dict[str, Any]] = {
    "supercat": {"login": "rep", "password": "secret-1", "extra": {"org": "acme"}},
    "shopatron": {
        "login": "key-1",
        "password": "secret-1",
        "extra": {"token_url": "{url}/token", "manufacturer_id": 7, "catalog_id": 0, "headers": {"x-tenant": "5"}},
    },
    "cloudsuite": {"login": "client-1", "password": "secret-1", "extra": {"token_url": "{url}/token"}},
    "acommerce": {"login": "user-1", "password": "secret-1", "extra": {"auth_url": "{url}", "channel": "77"}},
    "shiprush": {"login": "rush", "password": "secret-1234567890"},
}
CLIENTS = ["acommerce", "cloudsuite", "shopatron", "supercat"]


@dataclass
class Server:
    """A vendor on a local port. ``refuse``: whether it answers token requests with HTTP 401."""

    url: str
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    refuse: bool = False

    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.requests]


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            token = self.path.endswith("/token")
            status = 401 if token and found.refuse else {"/missing": 404, "/moved": 302}.get(self.path, 200)
            document = {"access_token": "token-1", "expires_in": 300, "token": {"token_id": "token-1"}}
            body = json.dumps(document).encode() if token else BODY.encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"http://localhost:{self.server.server_port}/elsewhere")  # type: ignore[attr-defined]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, *_: Any) -> None:
            """No access log."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Server(f"http://127.0.0.1:{httpd.server_port}")
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield found
    httpd.shutdown()
    httpd.server_close()


Define = Callable[..., str]


@pytest.fixture
def define(monkeypatch: pytest.MonkeyPatch) -> Define:
    """Defines a vendor's default connection as JSON in the environment; returns its id."""

    def make(vendor: str, url: str, **changes: Any) -> str:
        known = json.loads(json.dumps(FIELDS[vendor]).replace("{url}", url))
        extra = known.get("extra", {}) | changes.pop("extra", {})
        host = {} if vendor == "shiprush" else {"host": url}
        fields = {"conn_type": vendor, **host, **known, **changes, "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT", json.dumps(fields))
        return f"{vendor}_default"

    return make


def hook_of(vendor: str) -> Any:
    return getattr(hooks, f"{vendor.capitalize()}Hook")()


@pytest.mark.parametrize("vendor", sorted(FIELDS))
def test_airflow_makes_the_hook_of_each_vendor_type(vendor: str, define: Define) -> None:
    hook = BaseHook.get_hook(define(vendor, "https://vendor.example"))
    info = ProvidersManagerTaskRuntime().hooks[vendor]
    assert isinstance(hook, HttpHook)
    assert info is not None
    assert type(hook).__name__ == hook_class(connection_forms()[vendor])
    assert (type(hook).conn_type, type(hook).default_conn_name) == (vendor, f"{vendor}_default")
    assert (info.connection_type, info.connection_testable) == (vendor, True)
    assert info.connection_id_attribute_name == "http_conn_id"


@pytest.mark.parametrize("vendor", CLIENTS)
def test_our_own_fields_do_not_become_headers(vendor: str, define: Define) -> None:
    define(vendor, "https://vendor.example", extra={"page_size": 100, "size_limit_bytes": 65536})
    session = hook_of(vendor).get_conn()
    assert set(session.headers) == set(requests.Session().headers)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"host": "vendor.example"}, "https://vendor.example"),
        ({"host": "vendor.example", "schema": "http"}, "http://vendor.example"),
        ({"host": "https://vendor.example/api/", "port": 8443}, "https://vendor.example:8443/api"),
        ({"host": "https://vendor.example:9000/api", "port": 8443}, "https://vendor.example:9000/api"),
    ],
)
def test_the_base_url_is_https_by_default_and_a_port_goes_before_the_path(
    fields: dict[str, Any], expected: str, define: Define
) -> None:
    define("supercat", "", **fields)
    hook = hook_of("supercat")
    hook.get_conn()
    assert hook.base_url == expected
    assert hook.url_from_endpoint("orders") == f"{expected}/orders"
    assert SuperCatSettings.from_connection(connection("supercat_default")).base_url == expected


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, True),
        ({"verify": "false"}, False),
        ({"verify_ssl": False}, False),
        ({"verify": "true"}, True),
        ({"verify": "/etc/ssl/ours.pem"}, "/etc/ssl/ours.pem"),
    ],
)
def test_verify_is_a_boolean_or_a_path_also_as_text(extra: dict[str, Any], expected: Any, define: Define) -> None:
    name = define("supercat", "https://vendor.example", extra=extra)
    assert hook_of("supercat").get_conn().verify == expected
    assert connection(name).http.verify == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("client.pem", "client.pem"),
        (["client.pem", "client.key"], ("client.pem", "client.key")),
        ('["client.pem", "client.key"]', ("client.pem", "client.key")),
    ],
)
def test_a_client_certificate_is_one_path_or_two(given: Any, expected: Any, define: Define) -> None:
    assert connection(define("supercat", "https://vendor.example", extra={"cert": given})).http.cert == expected


@pytest.mark.parametrize(
    "extra",
    [
        {"proxy": "http://proxy:3128"},
        {"proxies": {"https": "http://proxy:3128"}},
        {"proxies": '{"https": "http://proxy:3128", "http": "http://other:1"}'},
        {"proxies": {"all": "http://proxy:3128"}},
    ],
)
def test_a_proxy_is_a_url_or_an_object(extra: dict[str, Any], define: Define) -> None:
    name = define("supercat", "https://vendor.example", extra=extra)
    session = hook_of("supercat").get_conn()
    assert requests.utils.select_proxy("https://vendor.example/x", session.proxies) == "http://proxy:3128"
    assert connection(name).http.proxy == "http://proxy:3128"


@pytest.mark.parametrize(
    ("extra", "expected"), [({}, False), ({"trust_env": "false"}, False), ({"trust_env": "true"}, True)]
)
def test_the_environments_proxy_is_used_only_on_request(extra: dict[str, Any], expected: bool, define: Define) -> None:
    define("supercat", "https://vendor.example", extra=extra)
    assert hook_of("supercat").get_conn().trust_env is expected


@pytest.mark.parametrize(
    ("extra", "expected"),
    [({}, 60.0), ({"timeout": "7"}, 7.0), ({"timeout": [3, 9]}, 9.0), ({"timeout": 7, "timeout_s": 5}, 5.0)],
)
def test_requests_have_a_time_out_which_is_ours_or_the_providers(
    extra: dict[str, Any], expected: float, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = define("supercat", "https://vendor.example", extra=extra)
    seen: list[Any] = []

    def send(_: Any, request: requests.PreparedRequest, **arguments: Any) -> requests.Response:
        seen.append(arguments["timeout"])
        response = requests.Response()
        response.status_code, response.url, response.raw = 200, request.url or "", None
        response._content = b""
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    hook_of("supercat").get_conn().get("https://vendor.example/x")
    hook_of("supercat").run("x")
    assert seen == [expected, expected]
    assert SuperCatSettings.from_connection(connection(name)).timeout_s == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("verify", 7),
        ("cert", ["a", "b", "c"]),
        ("cert", "[oops"),
        ("proxy", "squid"),
        ("proxies", {"https": 3128}),
        ("timeout", "soon"),
        ("srv_lookup", True),
        ("trust_env", "perhaps"),
    ],
)
def test_an_invalid_field_is_named_and_its_value_is_not_shown(name: str, value: Any, define: Define) -> None:
    conn_id = define("supercat", "https://vendor.example", extra={name: value})
    with pytest.raises(ConfigurationError, match=f"'supercat_default', field '{name}'") as caught:
        connection(conn_id)
    assert str(value) not in str(caught.value).removeprefix(f"connection 'supercat_default', field '{name}'")
    assert hook_of("supercat").test_connection() == (False, str(caught.value))


@pytest.mark.parametrize(
    ("vendor", "header", "value"),
    [
        ("supercat", "authorization", "Basic cmVwOnNlY3JldC0x"),
        ("shopatron", "authorization", "Bearer token-1"),
        ("shopatron", "api-key", "key-1"),
        ("shopatron", "x-tenant", "5"),
        ("cloudsuite", "authorization", "Bearer token-1"),
        ("acommerce", "x-subject-token", "token-1"),
    ],
)
def test_a_session_is_authorized_for_the_vendor(
    vendor: str, header: str, value: str, server: Server, define: Define
) -> None:
    define(vendor, server.url)
    hook = hook_of(vendor)
    session = hook.get_conn()
    for _ in range(2):
        assert session.get(hook.url_from_endpoint("orders")).text == BODY
    assert hook.run("orders").status_code == 200
    orders = [headers for _, path, headers in server.requests if path == "/orders"]
    assert [headers.get(header) for headers in orders] == [value] * 3
    assert len(server.requests) - len(orders) <= 2  # one token for each session


@pytest.mark.parametrize("vendor", CLIENTS)
def test_credentials_are_sent_to_the_vendors_server_only(vendor: str, server: Server, define: Define) -> None:
    define(vendor, server.url)
    session = hook_of(vendor).get_conn()
    session.get(server.url.replace("127.0.0.1", "localhost") + "/elsewhere")
    with pytest.raises(requests.TooManyRedirects):
        session.get(f"{server.url}/moved")
    assert [path for path in server.paths() if "elsewhere" in path] == ["GET /elsewhere"]
    (headers,) = (headers for _, path, headers in server.requests if path == "/elsewhere")
    assert not {"authorization", "api-key", "x-subject-token"} & headers.keys()


def test_an_error_names_the_status_and_its_body_is_not_logged(
    server: Server, define: Define, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    define("supercat", server.url)
    with pytest.raises(AirflowException, match="SuperCat eCat returned HTTP 404"):
        hook_of("supercat").run("missing")
    captured = capsys.readouterr()
    assert BODY not in caplog.text + captured.out + captured.err


@pytest.mark.parametrize(
    ("vendor", "contacted", "message"),
    [
        ("supercat", ["GET /"], "login was not tested"),
        ("shopatron", ["POST /token"], "issued a token"),
        ("cloudsuite", ["POST /token"], "issued a token"),
        ("acommerce", ["POST /identity/token"], "issued a token"),
        ("shiprush", [], "All fields are valid"),
    ],
)
def test_the_test_button_contacts_each_vendor_harmlessly(
    vendor: str,
    contacted: list[str],
    message: str,
    server: Server,
    define: Define,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Airflow's API does it: the form's fields become a URI in the environment."""
    define(vendor, server.url)
    variable = f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT"
    stored = Connection.from_json(os.environ[variable], conn_id=f"{vendor}_default")
    monkeypatch.setenv(variable, stored.get_uri())
    done, text = stored.test_connection()
    assert done, text
    assert message in text
    assert server.paths() == contacted
    if vendor == "supercat":
        assert "authorization" not in server.requests[0][2]


@pytest.mark.parametrize("vendor", ["shopatron", "cloudsuite", "acommerce"])
def test_refused_credentials_fail_the_test_without_showing_them(vendor: str, server: Server, define: Define) -> None:
    define(vendor, server.url)
    server.refuse = True
    done, text = hook_of(vendor).test_connection()
    assert not done
    assert "401" in text
    assert "secret-1" not in text
    assert len(server.requests) == 1


@pytest.mark.parametrize("vendor", CLIENTS)
def test_a_server_that_cannot_be_reached_fails_the_test(vendor: str, define: Define) -> None:
    define(vendor, "http://127.0.0.1:1")
    done, text = hook_of(vendor).test_connection()
    assert not done
    assert "127.0.0.1" in text


def test_a_static_token_is_not_sent_by_the_test(server: Server, define: Define) -> None:
    define("cloudsuite", server.url, extra={"auth": "token"})
    done, text = hook_of("cloudsuite").test_connection()
    assert done
    assert "not tested" in text
    assert "authorization" not in server.requests[0][2]


def test_shiprush_has_no_api_to_call(define: Define) -> None:
    define("shiprush", "")
    with pytest.raises(ConfigurationError, match="calls Order Relay"):
        hook_of("shiprush").get_conn()


def test_an_undefined_connection_fails_the_test() -> None:
    done, text = hooks.ShopatronHook("nowhere").test_connection()
    assert not done
    assert "'nowhere' is not defined" in text


def test_there_are_no_other_hooks() -> None:
    with pytest.raises(AttributeError, match="NobodyHook"):
        _ = hooks.NobodyHook


def test_the_desks_test_checks_its_users(monkeypatch: pytest.MonkeyPatch) -> None:
    users = {"ann": {"role": "viewer", "password": hash_password("correct horse battery")}}
    for extra, accepted, words in (({"users": users}, True, "1 user may sign in"), ({}, False, "at least one user")):
        fields = json.dumps({"conn_type": "order_relay_desk", "extra": extra})
        monkeypatch.setenv("AIRFLOW_CONN_ORDER_RELAY_DESK", fields)
        done, text = BaseHook.get_hook("order_relay_desk").test_connection()
        assert done is accepted
        assert words in text


def test_the_ledgers_test_says_whether_the_database_can_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"conn_type": "order_relay_ledger", "host": "127.0.0.1", "port": 1, "schema": "relay", "login": "me"}
    monkeypatch.setenv("AIRFLOW_CONN_ORDER_RELAY_LEDGER", json.dumps(fields))
    done, text = BaseHook.get_hook("order_relay_ledger").test_connection()
    assert not done
    assert "cannot be reached" in text
