"""Opens a pipeline's wiring, or the ledger, for a task. Imports the engine, so DAG files must not import this."""

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
    """A pipeline wired from Airflow's connections and Variables. Raises ``ConfigurationError``."""
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
    """The ledger of all pipelines. It is migrated first, since these DAGs may run before any pipeline did."""
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
    """Keep customer data out of Airflow's logs, which show an exception with its message and all its causes.

    Our own errors carry no customer data and pass with their message. Of their causes, and of unexpected errors, only
    exception types and code locations are logged. Unexpected errors become ``OrderRelayError``.
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
        raise OrderRelayError(f"unexpected error (details redacted): {redacted_trace(error)}") from None


def account_names(wiring: Wiring) -> tuple[str, str]:
    """Source and destination account, as ``bind`` of the ledger takes them."""
    return wiring.source.account, wiring.destination.account
