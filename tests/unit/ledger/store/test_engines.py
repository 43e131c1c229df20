"""The arguments of PostgreSQL connections."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from order_relay.ledger.store.database import database_url, make_engine


def arguments_of(query: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What psycopg gets for a URL with this query."""
    seen: list[dict[str, Any]] = []

    class NotConnectedError(Exception):
        pass

    def connect(**arguments: Any) -> None:
        seen.append(arguments)
        raise NotConnectedError

    # not by the event ``do_connect``: it belongs to the dialect, which engines share in tests (tests.support.speedups)
    monkeypatch.setattr(psycopg, "connect", connect)
    engine = make_engine(database_url(f"postgresql://relay@db.example/ledger{query}"))
    with pytest.raises(NotConnectedError):
        engine.connect()
    (arguments,) = seen
    return arguments


@pytest.mark.parametrize(("query", "prepared"), [("", True), ("?pgbouncer=true", False), ("?pgbouncer=false", True)])
def test_nothing_is_prepared_behind_pgbouncer(query: str, prepared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In transaction mode, the next transaction may use a server connection without the prepared statement."""
    arguments = arguments_of(query, monkeypatch)
    assert arguments.get("prepare_threshold", 5) == (5 if prepared else None)
    assert "pgbouncer" not in arguments, "libpq does not know it"
    assert arguments["host"] == "db.example"


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", "-c jit=off"),
        ("?options=-csearch_path%3Drelay", "-c jit=off -csearch_path=relay"),
        ("?pgbouncer=true", None),
    ],
)
def test_statements_are_not_compiled(query: str, options: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a large ledger, compiling a statement takes seconds. PgBouncer refuses options."""
    assert arguments_of(query, monkeypatch).get("options") == options
