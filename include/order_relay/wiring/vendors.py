"""Vendors found by their folder: ``vendors/NAME/``."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Self

from order_relay import vendors
from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.payload.transformer import source_reader
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.settings.pipeline import UNKNOWN_ACCOUNT, PipelineSettings
from order_relay.pipeline.settings.sections import VendorAccount


class WiredParts:
    """Common to the wirings of pipelines and status accounts: a context manager that closes source and ledger."""

    connections: Callable[[str], Connection]
    store_url: str
    filesystem: Any

    @cached_property
    def store(self) -> BatchStore:
        """The batch store."""
        return BatchStore(self.store_url, self.filesystem)

    def connection_of(self, party: VendorAccount) -> Connection:
        """A vendor account's connection, with the file's options."""
        connection = self.connections(party.connection)
        return replace(connection, extra={**connection.extra, **party.options})

    def close(self) -> None:
        """Close the source and the ledger, if they were created."""
        for name in ("source", "ledger"):
            made = self.__dict__.pop(name, None)
            if made is not None:
                made.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def vendor_names() -> list[str]:
    """Vendors with a ``vendor.py``; the other folders under ``vendors/`` only serve endpoints."""
    packages = (found.name for found in pkgutil.iter_modules(vendors.__path__) if found.ispkg)
    return sorted(name for name in packages if find_spec(f"{vendors.__name__}.{name}.vendor"))


def vendor_module(vendor: str, part: str) -> ModuleType:
    """A module of a vendor's folder. Raises ``ConfigurationError`` with the available vendors."""
    name = f"{vendors.__name__}.{vendor}.{part}"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(f"unknown vendor {vendor!r}; available: {', '.join(vendor_names())}") from None


def canonical_reader(settings: PipelineSettings) -> CanonicalReader:
    """The reader of a pipeline's archived orders; needs no connection. Raises ``ConfigurationError``."""
    source, destination = (
        VendorFormat.load(part.SCHEMA, part.MAPPING)
        for part in (vendor_module(party.vendor, "vendor") for party in (settings.source, settings.destination))
    )
    return source_reader(source, destination, settings.transform_settings(UNKNOWN_ACCOUNT))
