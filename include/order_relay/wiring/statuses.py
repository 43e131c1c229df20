"""The composition root of a status account: from its name to its vendor, ledger, store and settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from pydantic import ValidationError

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.status_queries import OwnOrders
from order_relay.orders.fulfilment.status_csv import CsvColumns, CsvFormat
from order_relay.orders.fulfilment.status_paths import MEMBERS_KEY, check_field_names
from order_relay.orders.fulfilment.status_records import StatusMapping
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.fulfilment.status_poll import StatusReader, StatusSource
from order_relay.pipeline.settings.pipeline import load_pipeline, pipeline_files
from order_relay.pipeline.settings.status_account import NAMED_DELIMITERS, StatusSettings
from order_relay.vendors import load_vendor
from order_relay.wiring.transformation import canonical_reader
from order_relay.wiring.vendors import WiredParts


@dataclass
class StatusWiring(WiredParts):
    """One status account. Close it, or use it in a ``with`` block. Every part is created on first use."""

    settings: StatusSettings
    connections: Callable[[str], Connection]
    ledger_url: str = field(repr=False)
    store_url: str
    filesystem: Any = None

    @property
    def connection(self) -> Connection:
        """Its connection, with the file's options."""
        return self.connection_of(self.settings.source)

    @cached_property
    def source(self) -> StatusSource:
        """The vendor's account. Raises ``ConfigurationError`` that names connection and field."""
        vendor = load_vendor(self.settings.source.vendor)
        if not vendor.status_source:
            raise ConfigurationError(f"{self.settings.name}: {vendor.name} provides no statuses")
        made: StatusSource = vendor.account("status_source", self.connection)
        return made

    @cached_property
    def reader(self) -> StatusReader:
        """Reads its records. Raises ``ConfigurationError`` for a wrong mapping."""
        return status_reader(self.settings)

    @cached_property
    def form(self) -> CsvFormat:
        """The format of its CSV drops. Raises ``ConfigurationError``."""
        files = self.settings.files
        delimiter = NAMED_DELIMITERS.get(files.delimiter, files.delimiter)
        return CsvFormat(self._columns(), files.encoding, delimiter, files.time_format, files.time_zone)

    def _columns(self) -> CsvColumns:
        try:
            return CsvColumns(
                **{**load_vendor(self.settings.source.vendor).format().mapping["csv"], **self.settings.files.columns}
            )
        except ValidationError as error:
            key = ".".join(map(str, error.errors()[0]["loc"]))
            raise ConfigurationError(f"{self.settings.name}: files.columns.{key}: is unknown or not text") from None

    @property
    def ours(self) -> OwnOrders:
        """The orders that it reports on."""
        chosen = self.settings.ours.pipelines
        unknown = sorted(set(chosen) - set(pipeline_files()))
        if unknown:
            raise ConfigurationError(f"{self.settings.name}: ours.pipelines: unknown pipeline {unknown[0]!r}")
        return OwnOrders(tuple(chosen or pipeline_files()), self.settings.ours.number)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, bound to this account. Raises ``ConfigurationError`` if it is bound to another."""
        ledger = Ledger.open(self.ledger_url)
        try:
            ledger.status_history.bind(self.settings.name, self.source.account)
        except BaseException:
            ledger.close()
            raise
        return ledger

    @cached_property
    def archive(self) -> OrderArchive:
        """The archived orders of every pipeline."""
        rows = self.ledger.code_tables.rows
        return OrderArchive(self.store, cache(lambda name: canonical_reader(load_pipeline(name), rows(name))))


def status_reader(settings: StatusSettings) -> StatusReader:
    """The reader of an account's records; needs no connection. Raises ``ConfigurationError`` for a wrong mapping."""
    changes = dict(settings.mapping)
    declared = changes.pop(MEMBERS_KEY, ())
    form = load_vendor(settings.source.vendor).format()
    shape = StatusMapping.from_mapping(_merged(form.mapping["record"], changes), f"{settings.name}: mapping")
    check_field_names(shape, form.schema, declared, f"{settings.name}.yaml")
    poll = settings.poll
    return StatusReader(shape, poll.full, poll.pushes_without_time == "arrival", poll.missing_events == "ask")


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Objects are merged, lists and single values replaced."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
