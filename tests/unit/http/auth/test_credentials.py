import json
from dataclasses import replace

import pytest
from multidict import CIMultiDict

from order_relay.errors import ConfigurationError, ThrottledError, TransientError
from order_relay.http.auth.credentials import ClientCredentials, api_key, basic_auth, bearer, without_secrets

CREDENTIALS = ClientCredentials(token_url="https://t.example", client_id="id", client_secret="hush")
DEFAULT_LIFETIME_S = CREDENTIALS.lifetime_s


def read(status=200, headers=None, **document):
    return CREDENTIALS.read(status, CIMultiDict(headers or {}), json.dumps(document).encode())


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        (3600, 3600),
        ("120", 120),
        (0.5, 0.5),
        (None, DEFAULT_LIFETIME_S),
        (True, DEFAULT_LIFETIME_S),
        (-1, DEFAULT_LIFETIME_S),
        ("soon", DEFAULT_LIFETIME_S),
        (1e300, DEFAULT_LIFETIME_S),
    ],
)
def test_lifetimes(stated, seconds):
    assert read(access_token="t", expires_in=stated) == ("t", seconds)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 302])
def test_refused_credentials_and_wrong_addresses(status):
    with pytest.raises(ConfigurationError, match=f"HTTP {status}"):
        read(status, error="invalid_client")


@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_failures_pass(status):
    with pytest.raises(TransientError):
        read(status)


def test_throttled():
    with pytest.raises(ThrottledError) as caught:
        read(429, {"Retry-After": "9"})
    assert caught.value.wait_s == 9


@pytest.mark.parametrize("token", [None, "", 5, "a\r\nb", "ü"])
def test_an_unusable_token(token):
    with pytest.raises(TransientError):
        read(access_token=token)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"[" * 100_000])
def test_bodies_that_are_none(body):
    with pytest.raises(TransientError):
        CREDENTIALS.read(200, {}, body)


def test_client_id_and_secret_go_into_a_header_or_the_form():
    headers, form = CREDENTIALS.request()
    assert headers["Authorization"] == "Basic aWQ6aHVzaA=="
    assert form == {"grant_type": "client_credentials"}
    in_form = replace(CREDENTIALS, secret_in_form=True, form={"scope": "orders"})
    headers, form = in_form.request()
    assert "Authorization" not in headers
    assert form == {
        "grant_type": "client_credentials",
        "scope": "orders",
        "client_id": "id",
        "client_secret": "hush",
    }


def test_credentials_that_never_change():
    assert basic_auth("id", "hush").headers == {"Authorization": "Basic aWQ6aHVzaA=="}
    assert api_key("X-Api-Key", "k").headers == {"X-Api-Key": "k"}
    assert bearer("t").headers == {"Authorization": "Bearer t"}


def test_texts_are_kept_without_any_spelling_of_a_credential():
    grant = bearer("a/b +").grant()
    text = "token a/b + in a URL: ?t=a%2Fb%20%2B, ?t=a%2Fb+%2B, a/b%20%2B"
    assert without_secrets(text, grant.hidden) == "token *** in a URL: ?t=***, ?t=***, ***"


@pytest.mark.parametrize("credentials", [CREDENTIALS, basic_auth("login", "hush"), api_key("H", "hush")])
def test_no_secret_is_shown(credentials):
    assert "hush" not in repr(credentials)
    assert "hush" in credentials.secrets
