"""A status account put together: from its name to its vendor, ledger, store and settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

from pydantic import ValidationError

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.errors import WrongSetup
from order_relay.ledger import Ledger
from order_relay.ledger.status_reads import Ours
from order_relay.orders.judging import VendorFormat
from order_relay.orders.status_csv import CsvColumns, CsvForm
from order_relay.orders.status_paths import MEMBERS, check_names
from order_relay.orders.status_records import StatusShape
from order_relay.pipeline.reading_back import OrderArchive
from order_relay.pipeline.settings import load_pipeline, pipeline_files
from order_relay.pipeline.status_settings import NAMED_DELIMITERS, StatusSettings, load_status
from order_relay.pipeline.statuses import StatusReader, StatusSource
from order_relay.wiring import canonical_reader, vendor_part


@dataclass
class StatusWiring:
    """One status account. Close it, or use it in a ``with`` block; every part is made when first asked for."""

    settings: StatusSettings
    connections: Callable[[str], Connection]
    ledger_url: str = field(repr=False)
    store_url: str
    filesystem: Any = None

    @classmethod
    def for_account(
        cls,
        name: str,
        connections: Callable[[str], Connection],
        ledger_url: str,
        store_url: str,
        filesystem: Any = None,
    ) -> StatusWiring:
        """Put the account of this name together. Raises ``WrongSetup``."""
        return cls(load_status(name), connections, ledger_url, store_url, filesystem)

    @property
    def connection(self) -> Connection:
        """Its connection, with the file's options."""
        party = self.settings.source
        found = self.connections(party.connection)
        return replace(found, extra={**found.extra, **party.options})

    @cached_property
    def source(self) -> StatusSource:
        """The vendor's account. Raises ``WrongSetup`` that names connection and field."""
        factory = getattr(vendor_part(self.settings.source.vendor, "vendor"), "STATUS_SOURCE", None)
        if factory is None:
            raise WrongSetup(f"{self.settings.name}: {self.settings.source.vendor} tells no statuses")
        made: StatusSource = factory(self.connection)
        return made

    @cached_property
    def reader(self) -> StatusReader:
        """How its records are read. Raises ``WrongSetup`` for a wrong mapping."""
        return reader_of(self.settings)

    @cached_property
    def form(self) -> CsvForm:
        """How its CSV drops are written. Raises ``WrongSetup``."""
        files = self.settings.files
        delimiter = NAMED_DELIMITERS.get(files.delimiter, files.delimiter)
        return CsvForm(self._columns(), files.encoding, delimiter, files.time_format, files.time_zone)

    def _columns(self) -> CsvColumns:
        try:
            return CsvColumns(**{**_form(self.settings).mapping["csv"], **self.settings.files.columns})
        except ValidationError as error:
            place = ".".join(map(str, error.errors()[0]["loc"]))
            raise WrongSetup(f"{self.settings.name}: files.columns.{place}: is unknown or no text") from None

    @property
    def ours(self) -> Ours:
        """Which orders of ours it is about."""
        chosen = self.settings.ours.pipelines
        unknown = sorted(set(chosen) - set(pipeline_files()))
        if unknown:
            raise WrongSetup(f"{self.settings.name}: ours.pipelines: there is no pipeline {unknown[0]!r}")
        return Ours(tuple(chosen or pipeline_files()), self.settings.ours.number)

    @cached_property
    def store(self) -> BatchStore:
        """The batch store."""
        return BatchStore(self.store_url, self.filesystem)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, bound to this account. Raises ``WrongSetup`` where it belongs to another."""
        ledger = Ledger.open(self.ledger_url)
        try:
            ledger.bind_status(self.settings.name, self.source.account)
        except BaseException:
            ledger.close()
            raise
        return ledger

    @cached_property
    def archive(self) -> OrderArchive:
        """The archived orders of every pipeline."""
        return OrderArchive(self.store, cache(lambda name: canonical_reader(load_pipeline(name))))

    def close(self) -> None:
        """Close source and ledger, where they were made."""
        for name in ("ledger", "source"):
            made = self.__dict__.pop(name, None)
            if made is not None:
                made.close()

    def __enter__(self) -> StatusWiring:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reader_of(settings: StatusSettings) -> StatusReader:
    """How an account's records are read; needs no connection. Raises ``WrongSetup`` for a wrong mapping."""
    changes = dict(settings.mapping)
    declared = changes.pop(MEMBERS, ())
    form = _form(settings)
    shape = StatusShape.from_mapping(_merged(form.mapping["record"], changes), f"{settings.name}: mapping")
    check_names(shape, form.schema, declared, f"{settings.name}.yaml")
    poll = settings.poll
    return StatusReader(shape, poll.full, poll.pushes_without_time == "arrival", poll.missing_events == "ask")


def _form(settings: StatusSettings) -> VendorFormat:
    found: VendorFormat = vendor_part(settings.source.vendor, "vendor").status_format()
    return found


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Objects are merged, lists and single values replaced."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
