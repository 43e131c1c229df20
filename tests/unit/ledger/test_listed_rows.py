"""The keys of typed rows are the columns of the tables that they are read from."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from order_relay.ledger.schema.listed_rows import OpenAlert, RefusedRecord
from order_relay.ledger.schema.status_tables import status_refusal
from order_relay.ledger.schema.tables import alert


@pytest.mark.parametrize(("row", "table"), [(OpenAlert, alert), (RefusedRecord, status_refusal)])
def test_a_row_of_a_whole_table_has_its_columns(row: type, table: sa.Table) -> None:
    assert list(row.__annotations__) == table.columns.keys()
