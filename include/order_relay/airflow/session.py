"""Opening what a task works on: a pipeline's wiring, or the ledger alone. Imports the engine; no DAG file does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException

from order_relay.airflow import connections
from order_relay.errors import OrderRelayError, redacted_trace
from order_relay.ledger import Ledger, migrate
from order_relay.wiring.pipeline import Wiring

log = logging.getLogger(__name__)


@contextmanager
def open_wiring(pipeline: str, *, dry_run: bool = False, shadow: bool = False) -> Iterator[Wiring]:
    """The pipeline put together from Airflow's connections and variables. Raises ``ConfigurationError``."""
    url, filesystem = connections.store_filesystem(connections.store_url())
    with (
        redacted_errors(),
        Wiring.for_pipeline(
            pipeline,
            connections.connection,
            connections.ledger_url(),
            url,
            filesystem=filesystem,
            dry_run=dry_run or shadow,
            shadow=shadow,
        ) as wiring,
    ):
        yield wiring


@contextmanager
def open_ledger() -> Iterator[Ledger]:
    """The ledger of all pipelines, migrated first: these DAGs may run before any pipeline did."""
    url = connections.ledger_url()
    with redacted_errors():
        migrate(url)
        ledger = Ledger.open(url)
        try:
            yield ledger
        finally:
            ledger.close()


@contextmanager
def redacted_errors() -> Iterator[None]:
    """Errors leave a task without words that may quote an order: Airflow logs an error whole, its causes included.

    Our own errors carry no customer's data and keep their words; of what caused them, and of errors that nobody raised
    on purpose, only kinds and places are told. Raises ``OrderRelayError`` for the latter.
    """
    try:
        yield
    except OrderRelayError as error:
        if error.__cause__ is not None:
            log.warning("%s", redacted_trace(error))
        raise error from None
    except AirflowException:
        raise
    except Exception as error:
        raise OrderRelayError(f"unexpected, without words that may quote an order: {redacted_trace(error)}") from None


def account_names(wiring: Wiring) -> tuple[str, str]:
    """Source and destination account, as the ledger binds them."""
    return wiring.source.account, wiring.destination.account
