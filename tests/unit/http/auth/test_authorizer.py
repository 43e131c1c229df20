"""What each kind of authorization sends, when a token is renewed, and that no message shows a credential."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest

from order_relay.errors import SourceAuthError, ThrottledError, TransientError
from order_relay.http.auth.authorizer import Auth, IssuedToken, QueryKey, open_authorizer, request_headers
from order_relay.http.auth.credentials import ClientCredentials, api_key, basic_auth, bearer
from order_relay.http.reading.reply import parse_order
from order_relay.http.reading.status_table import StatusTable
from order_relay.http.reading.transport import Transport
from tests.support.http_server import Handler, client_of, vendor

TOKEN_URL = "https://id.example/token"
SECRET = "s3cret/+=%"
OAUTH = ClientCredentials(token_url=TOKEN_URL, client_id="id", client_secret=SECRET)


OK = httpx.Response(200, json={})


def transport(auth: Auth, handler: Handler) -> Transport:
    return Transport(vendor(), auth, StatusTable(), client=client_of(handler))


@pytest.mark.parametrize(
    ("auth", "header", "expected"),
    [
        (basic_auth("jo", SECRET), "Authorization", "Basic " + b64encode(f"jo:{SECRET}".encode()).decode()),
        (bearer("abc"), "Authorization", "Bearer abc"),
        (bearer("abc", "Token"), "Authorization", "Token abc"),
        (api_key("X-Key", "abc"), "X-Key", "abc"),
    ],
)
def test_constant_credentials_are_sent_with_each_request(auth, header, expected):
    seen = []
    transport(auth, lambda r: seen.append(r.headers[header]) or httpx.Response(200, json={})).read(
        "order/1", parse_order
    )
    assert seen == [expected]


def test_a_key_in_the_query_is_added_to_the_other_parameters_and_to_links():
    seen = []
    server = transport(
        QueryKey("key", "k y"), lambda r: seen.append(dict(r.url.params)) or httpx.Response(200, json={})
    )
    server.read("orders", parse_order, {"page": 2})
    server.read("https://vendor.example/api/orders?page=3&key=old", parse_order)
    assert seen == [{"page": "2", "key": "k y"}, {"page": "3", "key": "k y"}]


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize(
    "auth",
    [
        basic_auth("someone", SECRET),
        bearer(SECRET),
        QueryKey("key", SECRET),
        api_key("X-Key", SECRET),
    ],
)
def test_no_message_contains_what_was_sent_in_any_spelling(auth, status):
    def echo(request: httpx.Request) -> httpx.Response:
        said = " ".join([str(request.url), *request.headers.values(), SECRET, quote(SECRET), "someone"])
        return httpx.Response(status, json={"message": said})

    with pytest.raises(Exception, match=str(status)) as caught:
        transport(auth, echo).read("order/1", parse_order)
    encoded = b64encode(f"someone:{SECRET}".encode()).decode()
    assert not [text for text in (SECRET, quote(SECRET), quote(SECRET, safe=""), encoded) if text in str(caught.value)]
    assert "its message" in str(caught.value)


def test_a_refused_constant_credential_is_not_sent_again():
    seen = []
    server = transport(basic_auth("a", "b"), lambda r: seen.append(r) or httpx.Response(401, json={"message": "no"}))
    with pytest.raises(SourceAuthError) as caught:
        server.read("order/1", parse_order)
    assert str(caught.value) == ("Vendor refused the credentials (HTTP 401): edit the connection; its message: no")
    assert len(seen) == 1


class Issuer:
    """Issues the tokens t1, t2, ...; ``valid`` decides which the API accepts."""

    def __init__(self, *valid: str, answer: httpx.Response | None = None) -> None:
        self.valid = valid
        self.answer = answer
        self.forms: list[dict[str, str]] = []
        self.headers: list[str] = []
        self.used: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if str(request.url) == TOKEN_URL:
            self.forms.append(dict(httpx.QueryParams(request.content.decode())))
            self.headers.append(request.headers.get("Authorization", ""))
            return self.answer or httpx.Response(200, json={"access_token": f"t{len(self.forms)}", "expires_in": 300})
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.used.append(token)
        return httpx.Response(200 if token in self.valid else 401, json={"message": f"token {token} is refused"})


def test_client_credentials_are_exchanged_for_a_token_once():
    issuer = Issuer("t1")
    server = transport(replace(OAUTH, form={"scope": "openid"}, secret_in_form=True), issuer)
    for _ in range(3):
        server.read("order/1", parse_order)
    assert issuer.forms == [
        {"grant_type": "client_credentials", "scope": "openid", "client_id": "id", "client_secret": SECRET}
    ]
    assert issuer.used == ["t1"] * 3


def test_client_credentials_may_be_sent_by_basic_authentication():
    issuer = Issuer("t1")
    transport(OAUTH, issuer).read("order/1", parse_order)
    assert issuer.forms == [{"grant_type": "client_credentials"}]
    assert issuer.headers == ["Basic " + b64encode(f"id:{SECRET}".encode()).decode()]


def test_a_refused_token_is_renewed_once():
    issuer = Issuer("t2")
    transport(OAUTH, issuer).read("order/1", parse_order)
    assert issuer.used == ["t1", "t2"]
    issuer = Issuer()
    with pytest.raises(SourceAuthError, match="refused the credentials") as caught:
        transport(OAUTH, issuer).read("order/1", parse_order)
    assert issuer.used == ["t1", "t2"]
    assert "t2" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401, json={"error": SECRET}), SourceAuthError),
        (httpx.Response(302, headers={"Location": "https://login.example"}), SourceAuthError),
        (httpx.Response(429, headers={"Retry-After": "7"}), ThrottledError),
        (httpx.Response(503), TransientError),
        (httpx.Response(200, html="<html>"), TransientError),
        (httpx.Response(200, json={"access_token": "a\nb"}), TransientError),
        (httpx.Response(200, content=b'{"access_token": "' + b"x" * 70_000), TransientError),
    ],
)
def test_what_the_token_url_answers(answer, error):
    grants = open_authorizer(OAUTH, vendor(), client_of(Issuer(answer=answer)))
    with pytest.raises(error) as caught:
        grants.grant()
    assert SECRET not in str(caught.value)


def issued() -> IssuedToken:
    return IssuedToken(
        url=TOKEN_URL,
        document={"key": SECRET},
        read=lambda document: (document["token"], 60.0),
        secrets=(SECRET,),
        header="X-Token",
        scheme="",
        check="user name and API key",
    )


def test_a_token_may_be_issued_in_the_vendors_own_way():
    seen = []

    def handler(request: httpx.Request) -> httpx.Response:
        if str(request.url) == TOKEN_URL:
            seen.append(json.loads(request.content))
            return httpx.Response(201, json={"token": "t1"})
        seen.append(request.headers["X-Token"])
        return OK

    transport(issued(), handler).read("order/1", parse_order)
    assert seen == [{"key": SECRET}, "t1"]


def test_a_refusal_of_the_vendors_own_way_names_what_to_check():
    with pytest.raises(SourceAuthError, match="HTTP 403: check user name and API key"):
        transport(issued(), lambda _: httpx.Response(403)).read("order/1", parse_order)


def test_headers_for_a_users_own_tasks():
    assert dict(request_headers(api_key("X-Key", "k"), vendor())()) == {"X-Key": "k"}
