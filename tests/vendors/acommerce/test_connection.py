"""Connection fields, signatures, tokens, clocks."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError, TransientError
from order_relay.vendors.acommerce.connection import LIVE_COMMON, AcommerceSettings
from order_relay.vendors.acommerce.token import DEFAULT_LIFETIME_S, read_token
from order_relay.vendors.acommerce.transport import asked_at
from order_relay.vendors.acommerce.webhooks import is_genuine

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def connection(**extra: Any) -> Connection:
    return Connection("acommerce_default", "https://fulfil.example", "me", "key", extra={"channel": "c-1", **extra})


def test_defaults() -> None:
    settings = AcommerceSettings.from_connection(connection())
    assert (settings.auth_url, settings.scope) == (LIVE_COMMON, "channel/c-1")
    assert settings.account == "acommerce:https://fulfil.example/channel/c-1"
    assert "key" not in repr(settings)


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"partner": "p"}, "channel"),
        ({"channel": ""}, "channel"),
        ({"channel": "a/../b"}, "channel"),
        ({"auth_url": "ftp://x"}, "auth_url"),
        ({"signature": "md5"}, "signature"),
        ({"headers": "[]"}, "headers"),
    ],
)
def test_wrong_fields_are_named(extra: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        AcommerceSettings.from_connection(connection(**extra))


class TestSignatures:
    BODY = b'{"orderId":"A"}'

    def sign(self, algorithm: str = "sha256", secret: bytes = b"hush") -> str:
        return hmac.new(secret, self.BODY, algorithm).hexdigest()

    @pytest.mark.parametrize("algorithm", ["sha256", "sha1", "sha512"])
    def test_genuine(self, algorithm: str) -> None:
        settings = AcommerceSettings.from_connection(connection(hook_secret="hush", signature=algorithm))
        for value in (self.sign(algorithm), self.sign(algorithm).upper(), f"{algorithm}={self.sign(algorithm)}"):
            assert is_genuine(self.BODY, value, settings)

    def test_forged(self) -> None:
        settings = AcommerceSettings.from_connection(connection(hook_secret="hush"))
        plain = hashlib.sha256(self.BODY).hexdigest()
        for value in ("", "x", "é", "\udcff", plain, self.sign("sha1"), self.sign(secret=b"")):
            assert not is_genuine(self.BODY, value, settings)
        assert not is_genuine(self.BODY + b" ", self.sign(), settings)

    def test_without_a_secret_nothing_is_genuine(self) -> None:
        settings = AcommerceSettings.from_connection(connection(hook_secret=""))
        assert not is_genuine(self.BODY, self.sign(secret=b""), settings)


class TestTokens:
    @pytest.mark.parametrize("wrapped", [True, False])
    def test_both_shapes(self, wrapped: bool) -> None:
        fields = {"username": "me", "token_id": "t", "expires_at": "2026-05-01T13:00:00.123456Z"}
        token, lifetime_s = read_token({"token": fields} if wrapped else fields, NOW)
        assert (token, round(lifetime_s)) == ("t", 3600)

    @pytest.mark.parametrize("expires_at", [None, "soon", 5, "2026-05-01T11:00:00Z"])
    def test_an_end_that_is_no_use(self, expires_at: Any) -> None:
        assert read_token({"token": {"token_id": "t", "expires_at": expires_at}}, NOW) == ("t", DEFAULT_LIFETIME_S)

    @pytest.mark.parametrize("document", [{}, {"token": {}}, {"token_id": ""}, {"token_id": "a\nb"}])
    def test_no_token(self, document: dict[str, Any]) -> None:
        with pytest.raises(TransientError):
            read_token(document, NOW)


class TestClocks:
    def asked(self, ahead_s: float) -> datetime:
        date = format_datetime(NOW + timedelta(seconds=ahead_s), usegmt=True)
        return asked_at(NOW - timedelta(seconds=1), NOW, {"Date": date})

    def test_the_vendors_clock_counts_where_it_differs(self) -> None:
        assert self.asked(300) == NOW + timedelta(seconds=299)
        assert self.asked(-300) == NOW - timedelta(seconds=301)

    def test_small_differences_are_rounding(self) -> None:
        assert self.asked(1) == self.asked(-2) == NOW - timedelta(seconds=1)

    @pytest.mark.parametrize("date", ["", "yesterday"])
    def test_without_a_date_ours(self, date: str) -> None:
        assert asked_at(NOW, NOW, {"Date": date}) == NOW
