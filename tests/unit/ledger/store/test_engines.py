"""The arguments of PostgreSQL connections."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from order_relay.ledger.store.database import database_url, make_engine


@pytest.mark.parametrize(("query", "prepared"), [("", True), ("?pgbouncer=true", False), ("?pgbouncer=false", True)])
def test_nothing_is_prepared_behind_pgbouncer(query: str, prepared: bool) -> None:
    """In transaction mode, the next transaction may use a server connection without the prepared statement."""
    seen: list[dict[str, Any]] = []

    class NotConnectedError(Exception):
        pass

    def connect(_dialect: Any, _record: Any, _args: Any, arguments: dict[str, Any]) -> None:
        seen.append(arguments)
        raise NotConnectedError

    engine = make_engine(database_url(f"postgresql://relay@db.example/ledger{query}"))
    sa.event.listen(engine, "do_connect", connect)
    with pytest.raises(NotConnectedError):
        engine.connect()
    (arguments,) = seen
    assert arguments.get("prepare_threshold", 5) == (5 if prepared else None)
    assert "pgbouncer" not in arguments, "libpq does not know it"
    assert arguments["host"] == "db.example"
