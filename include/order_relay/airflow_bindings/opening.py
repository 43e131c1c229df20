"""Opening what a task works on: a pipeline's wiring, or the ledger alone. Imports the engine; no DAG file does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from order_relay.airflow_bindings import connections
from order_relay.ledger import Ledger, migrate
from order_relay.wiring import Wiring


@contextmanager
def opened_wiring(pipeline: str, *, dry_run: bool = False, shadow: bool = False) -> Iterator[Wiring]:
    """The pipeline put together from Airflow's connections and variables. Raises ``WrongSetup``."""
    url, filesystem = connections.store_filesystem(connections.store_url())
    with Wiring.for_pipeline(
        pipeline, connections.connection, connections.ledger_url(), url, filesystem=filesystem,
        dry_run=dry_run or shadow, shadow=shadow,
    ) as wiring:
        yield wiring


@contextmanager
def opened_ledger() -> Iterator[Ledger]:
    """The ledger of all pipelines, migrated first: these DAGs may run before any pipeline did."""
    url = connections.ledger_url()
    migrate(url)
    ledger = Ledger.open(url)
    try:
        yield ledger
    finally:
        ledger.close()


def accounts(wiring: Wiring) -> tuple[str, str]:
    """Source and destination account, as the ledger binds them."""
    return wiring.source.account, wiring.destination.account
