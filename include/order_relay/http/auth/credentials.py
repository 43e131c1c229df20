"""Credentials that a vendor declares: headers that never change, or the OAuth2 client credentials grant.

They hold what is sent and how an answer is read, and send nothing themselves. No message and no archive may contain a
credential, in any of its spellings.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from order_relay.errors import ThrottledError
from order_relay.http.auth.oauth import TokenAndLifetime, parse_token_response
from order_relay.http.throttle import is_throttling, retry_after_s


@dataclass(frozen=True)
class Grant:
    """Headers and query parameters that authorize one request.

    ``token``: the one in them, if it expires. ``hidden``: texts that no message and no archive may contain.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)
    token: str = field(default="", repr=False)


def spellings(*secrets: str) -> tuple[str, ...]:
    """The secrets as they are and as they appear in URLs, the longest first."""
    found: set[str] = set()
    for secret in filter(None, secrets):
        found |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def without_secrets(text: str, hidden: tuple[str, ...]) -> str:
    """The text with ``***`` for each of ``hidden`` (see ``spellings``): a response may quote the request."""
    for secret in filter(None, hidden):
        text = text.replace(secret, "***")
    return text


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Headers that authorize every request. ``secrets``: see ``ClientCredentials``."""

    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def grant(self, _token: str = "") -> Grant:
        """What is sent with a request."""
        return Grant(self.headers, hidden=spellings(*self.secrets))


def basic_auth(login: str, password: str) -> StaticCredentials:
    """HTTP Basic authentication (RFC 7617), for an API key and its secret as well."""
    value = basic_value(login, password)
    return StaticCredentials({"Authorization": value}, (value.removeprefix("Basic "), login, password))


def api_key(header: str, key: str) -> StaticCredentials:
    """An API key in a header of its own."""
    return StaticCredentials({header: key}, (key,))


def bearer(token: str, scheme: str = "Bearer") -> StaticCredentials:
    """A token that does not expire."""
    return StaticCredentials({"Authorization": f"{scheme} {token}"}, (token,))


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientCredentials:
    """The OAuth2 client credentials grant (RFC 6749, section 4.4).

    ``form``: further members of the request, such as ``scope``. ``secret_in_form``: id and secret are sent in the form
    instead of a Basic header. ``lifetime_s``: assumed if the response states none. ``check``: the settings to check if
    the request is refused. ``is_throttling``: which answers ask to slow down, by status and headers.
    """

    token_url: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_in_form: bool = False
    lifetime_s: float = 3600.0
    check: str = "token_url, client id and client secret"
    is_throttling: Callable[[int, Mapping[str, str]], bool] = is_throttling

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that no message and no archive may contain."""
        return (self.client_id, self.client_secret)

    def grant(self, token: str = "") -> Grant:
        """What is sent with a request, once there is a token."""
        return Grant({"Authorization": f"Bearer {token}"}, hidden=spellings(token, *self.secrets), token=token)

    def request(self) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form of the token request."""
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        form = {"grant_type": "client_credentials", **self.form}
        if self.secret_in_form:
            return headers, {**form, "client_id": self.client_id, "client_secret": self.client_secret}
        return {**headers, "Authorization": basic_value(self.client_id, self.client_secret)}, form

    def read(self, status: int, headers: Mapping[str, str], body: bytes) -> TokenAndLifetime:
        """Token and lifetime from the response. ``headers`` must be case-insensitive.

        Raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError``.
        """
        if self.is_throttling(status, headers):
            raise ThrottledError("the token URL asked to slow down", retry_after_s(headers))
        return parse_token_response(status, body, lifetime_s=self.lifetime_s, check=self.check)


Credentials = StaticCredentials | ClientCredentials


def basic_value(login: str, password: str) -> str:
    """The value of the ``Authorization`` header for Basic authentication."""
    return "Basic " + b64encode(f"{login}:{password}".encode()).decode()
