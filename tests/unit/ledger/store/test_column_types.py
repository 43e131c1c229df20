"""Conditions that both databases answer by an index, whatever their statistics."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from order_relay.ledger.store.column_types import among, among_selected

ORDER = sa.table("orders", sa.column("id", sa.BigInteger), sa.column("lineage", sa.Text))
OWN = ORDER.alias("own")


@pytest.mark.parametrize(
    ("dialect", "condition"),
    [
        (postgresql.dialect(), "orders.lineage = ANY(ARRAY(SELECT own.lineage FROM orders AS own WHERE own.id = ANY("),
        (sqlite.dialect(), "orders.lineage IN (SELECT own.lineage FROM orders AS own WHERE own.id IN (SELECT value"),
    ],
)
def test_selected_keys_are_looked_up_instead_of_joined(dialect: sa.engine.Dialect, condition: str) -> None:
    families = among_selected(ORDER.c.lineage, sa.select(OWN.c.lineage).where(among(OWN.c.id, "ids")))
    assert condition in " ".join(str(sa.select(ORDER.c.id).where(families).compile(dialect=dialect)).split())
