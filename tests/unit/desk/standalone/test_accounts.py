"""The connection of a desk with its own login: password hashes, users, roles."""

from __future__ import annotations

from typing import Any

import pytest

from order_relay.connections import Connection
from order_relay.desk.access import Principal
from order_relay.desk.standalone.accounts import CONNECTION, read_accounts
from order_relay.desk.standalone.passwords import check_hash, hash_password, matches
from order_relay.errors import ConfigurationError

PASSWORD = "correct horse battery"
HASH = hash_password(PASSWORD)
CHEAP = (4, 8, 1)


def accounts(users: Any, **extra: Any) -> Any:
    return read_accounts(Connection(CONNECTION, extra={"users": users, **extra}))


def test_a_hash_fits_its_password_only() -> None:
    check_hash(HASH)
    cheap = hash_password(PASSWORD, CHEAP)
    assert matches(PASSWORD, cheap)
    assert not matches(PASSWORD + "!", cheap)
    assert not matches("", cheap)
    assert PASSWORD not in cheap
    assert hash_password(PASSWORD, CHEAP) != cheap


@pytest.mark.parametrize("password", ["too short", "x" * 1025])
def test_a_password_of_the_wrong_length_has_no_hash(password: str) -> None:
    with pytest.raises(ValueError, match="12 to 1024 characters"):
        hash_password(password)


@pytest.mark.parametrize(
    "stored",
    [
        PASSWORD,
        "",
        "***",
        HASH.replace("scrypt", "md5"),
        HASH[:-8],
        HASH.replace("$15$", "$4$"),
        HASH.replace("$15$", "$30$"),
        HASH.replace("$8$3$", "$8$0$"),
    ],
    ids=["clear text", "empty", "masked", "another kind", "cut", "too cheap", "too dear", "no rounds"],
)
def test_a_weak_or_broken_hash_is_refused_without_quoting_it(stored: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        accounts({"ann": {"role": "viewer", "password": stored}})
    assert "'ann'" in str(caught.value)
    assert "--hash-password" in str(caught.value)
    assert not stored or stored not in str(caught.value)


@pytest.mark.parametrize(
    ("users", "named"),
    [
        (None, "at least one user"),
        ({}, "at least one user"),
        ([], "at least one user"),
        ("{", "not valid JSON"),
        ({" ann": {"role": "viewer", "password": HASH}}, "printable"),
        ({"": {"role": "viewer", "password": HASH}}, "printable"),
        ({"a\nb": {"role": "viewer", "password": HASH}}, "printable"),
        ({"ann": {"role": "owner", "password": HASH}}, "viewer, operator, admin"),
        ({"ann": {"role": "viewer"}}, "needs password and role"),
        ({"ann": {"role": "viewer", "password": HASH, "admin": True}}, "nothing else"),
        ({"ann": {"role": "viewer", "password": HASH, "pipelines": "a_to_b"}}, "list of pipeline names"),
    ],
)
def test_invalid_users_are_refused(users: Any, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as caught:
        accounts(users)
    assert HASH not in str(caught.value)


def test_each_role_may_do_more_than_the_one_before() -> None:
    users = {role: {"role": role, "password": HASH} for role in ("viewer", "operator", "admin")}
    users["narrow"] = {"role": "admin", "password": HASH, "pipelines": ["a_to_b", "gone_to_b"]}  # type: ignore[dict-item]
    found = accounts(users).users
    known = frozenset({"a_to_b", "c_to_d"})
    assert {name: account.principal(known) for name, account in found.items()} == {
        "viewer": Principal("viewer", known),
        "operator": Principal("operator", known, may_act=True, may_reveal=True),
        "admin": Principal("admin", known, may_act=True, may_reveal=True, may_configure=True),
        "narrow": Principal("narrow", frozenset({"a_to_b"}), may_act=True, may_reveal=True, may_configure=True),
    }
    assert HASH not in repr(found)


def test_session_limits_have_bounds() -> None:
    users = {"ann": {"role": "viewer", "password": HASH}}
    assert (accounts(users).idle_s, accounts(users).session_s) == (1_800, 43_200)
    assert accounts(users, idle_minutes="5", session_hours=1).idle_s == 300
    for field, value in (("idle_minutes", 0), ("session_hours", 1_000)):
        with pytest.raises(ConfigurationError, match=field):
            accounts(users, **{field: value})
