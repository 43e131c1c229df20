"""A connection's fields are read strictly, and complaints name the field without showing a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError


def make(**fields: Any) -> Connection:
    return Connection("vendor_default", **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"host": "https://vendor.example/"}, "https://vendor.example"),
        ({"host": "vendor.example"}, "https://vendor.example"),
        ({"host": "vendor.example", "schema": "http", "port": 8080}, "http://vendor.example:8080"),
        ({"host": "http://127.0.0.1:9000/api/v2/", "port": 1}, "http://127.0.0.1:9000/api/v2"),
    ],
)
def test_base_url(fields: dict[str, Any], expected: str) -> None:
    assert make(**fields).base_url() == expected


@pytest.mark.parametrize("host", ["", "ftp://vendor.example", "https://rep:secret@vendor.example", "https://"])
def test_a_wrong_host_is_refused_by_name(host: str) -> None:
    with pytest.raises(ConfigurationError, match="'vendor_default', field 'host'") as caught:
        make(host=host).base_url()
    assert "secret" not in str(caught.value)


WRONG: list[tuple[str, Any, Callable[[Connection], Any]]] = [
    ("org", None, lambda c: c.text("org")),
    ("org", ["a"], lambda c: c.text("org")),
    ("org", True, lambda c: c.text("org")),
    ("timeout_s", "soon", lambda c: c.number("timeout_s", 60)),
    ("timeout_s", -1, lambda c: c.number("timeout_s", 60)),
    ("timeout_s", "nan", lambda c: c.number("timeout_s", 60)),
    ("manufacturer_id", None, lambda c: c.integer("manufacturer_id", minimum=1)),
    ("manufacturer_id", "1.5", lambda c: c.integer("manufacturer_id", minimum=1)),
    ("manufacturer_id", 0, lambda c: c.integer("manufacturer_id", minimum=1)),
    ("trust_env", "maybe", lambda c: c.flag("trust_env")),
]


@pytest.mark.parametrize(("name", "value", "read"), WRONG)
def test_a_wrong_extra_is_refused_by_name(name: str, value: Any, read: Callable[[Connection], Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"field '{name}'"):
        read(make(extra={name: value}))


def test_forms_give_numbers_and_flags_as_text() -> None:
    extra = {"timeout_s": "2.5", "manufacturer_id": "1042", "trust_env": "true"}
    connection = make(extra=extra)
    assert connection.number("timeout_s", 60) == 2.5
    assert connection.integer("manufacturer_id", minimum=1) == 1042
    assert connection.flag("trust_env")


def test_what_is_absent_has_its_default() -> None:
    connection = make()
    assert connection.text("org", "demo") == "demo"
    assert connection.number("timeout_s", 60) == 60
    assert connection.integer("catalog_id", minimum=0, default=0) == 0
    assert not connection.flag("trust_env")


def test_neither_repr_nor_fingerprint_shows_a_secret() -> None:
    connection = make(login="rep", password="s3cret", extra={"token": "t0ken"})
    shown = repr(connection) + connection.fingerprint()
    assert not any(secret in shown for secret in ("rep'", "s3cret", "t0ken"))


def test_the_fingerprint_changes_with_any_field() -> None:
    base: dict[str, Any] = {"host": "https://vendor.example", "login": "rep", "password": "a", "extra": {"org": "x"}}
    changes: list[dict[str, Any]] = [
        {},
        {"host": "https://other.example"},
        {"login": "b"},
        {"password": "b"},
        {"extra": {"org": "y"}},
    ]
    assert len({make(**{**base, **change}).fingerprint() for change in changes}) == len(changes)
