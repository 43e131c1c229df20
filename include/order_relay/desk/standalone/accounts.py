"""The connection ``order_relay_desk``: the accounts of a desk with its own login, and how long sessions last."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from order_relay.connections import Connection
from order_relay.desk.access import Principal
from order_relay.desk.standalone.passwords import check_hash

CONNECTION = "order_relay_desk"

PERMISSIONS: Mapping[str, frozenset[str]] = {
    "viewer": frozenset(),
    "operator": frozenset({"may_act", "may_reveal"}),
    "admin": frozenset({"may_act", "may_reveal", "may_configure"}),
}
"""By role: what it may do beside seeing orders with masked personal data."""

_FIELDS = {"password", "role", "pipelines"}

LONGEST_NAME = 100
"""Characters of a user's name."""


@dataclass(frozen=True, slots=True)
class Account:
    """One user. ``password``: its hash. ``pipelines``: those the user may see; ``None`` for all."""

    name: str
    password: str = field(repr=False)
    role: str = "viewer"
    pipelines: frozenset[str] | None = None

    def principal(self, known: Collection[str]) -> Principal:
        """The user's permissions; ``known``: all pipelines."""
        visible = frozenset(known) if self.pipelines is None else self.pipelines & frozenset(known)
        return Principal(self.name, visible, **dict.fromkeys(PERMISSIONS[self.role], True))


@dataclass(frozen=True, slots=True)
class Accounts:
    """The users by name. Sessions end after ``idle_s`` seconds without a request, and ``session_s`` seconds after the
    login."""

    users: Mapping[str, Account]
    idle_s: float
    session_s: float


def read_accounts(connection: Connection) -> Accounts:
    """The accounts of a connection. Raises ``ConfigurationError`` that names the field, never a value of it."""
    raw = connection.extra.get("users")
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except ValueError:
            raise connection.wrong("users", "is not valid JSON") from None
    if not isinstance(raw, dict) or not raw:
        raise connection.wrong(
            "users",
            'must name at least one user, such as {"ann": {"role": "operator", "password": "scrypt$..."}}; '
            "`order-relay serve --hash-password` makes the hash",
        )
    return Accounts(
        users={name: _account(connection, name, fields) for name, fields in raw.items()},
        idle_s=60 * connection.number("idle_minutes", 30, minimum=1, maximum=24 * 60),
        session_s=3600 * connection.number("session_hours", 12, minimum=0.1, maximum=7 * 24),
    )


def _account(connection: Connection, name: str, fields: Any) -> Account:
    """One user of the field ``users``."""
    if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise connection.wrong("users", f"names must be printable text of at most {LONGEST_NAME} characters")
    if not isinstance(fields, dict) or not {"password", "role"} <= fields.keys() <= _FIELDS:
        raise connection.wrong("users", f"user {name!r} needs password and role, and may have pipelines; nothing else")
    if fields["role"] not in PERMISSIONS:
        raise connection.wrong("users", f"the role of user {name!r} must be one of: {', '.join(PERMISSIONS)}")
    try:
        check_hash(str(fields["password"]))
    except ValueError as error:
        raise connection.wrong(
            "users", f"the password of user {name!r} {error}; make one with `order-relay serve --hash-password`"
        ) from None
    pipelines = fields.get("pipelines")
    if pipelines is not None and not (isinstance(pipelines, list) and all(isinstance(one, str) for one in pipelines)):
        raise connection.wrong("users", f"pipelines of user {name!r} must be a list of pipeline names")
    return Account(name, str(fields["password"]), fields["role"], None if pipelines is None else frozenset(pipelines))
