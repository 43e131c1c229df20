"""The one place that knows everybody: from a pipeline's name to its vendors, ledger, store and settings.

Vendors are found by their folder: ``vendors/NAME/vendor.py`` with ``SOURCE`` or ``DESTINATION``, and
``vendors/NAME/connection.py`` with ``read_settings``. Every part is made when first asked for.
"""

from __future__ import annotations

import pkgutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from order_relay import vendors
from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.orders.identity.source_identity import IdentityPaths
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.messages import Acknowledgement, Selection, SendResult, SourceOrder
from order_relay.orders.payload.transformer import Transformer, source_reader
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.ports import Destination, DestinationSession, FeedbackTaker, Source
from order_relay.pipeline.runs import dry_run as dry_run_module
from order_relay.pipeline.settings.pipeline import UNKNOWN_ACCOUNT, PipelineSettings, load_pipeline
from order_relay.pipeline.settings.sections import VendorAccount

ACCOUNT_FACTS = ("manufacturer_id", "catalog_id", "status_field", "status_values", "time_zone")
"""What connections say that the transformation takes, where their settings have it; the destination's comes last."""


def vendor_names() -> list[str]:
    """The folders under ``vendors/`` that wiring can use: the others are only served (a feed that is fetched)."""
    packages = (found.name for found in pkgutil.iter_modules(vendors.__path__) if found.ispkg)
    return sorted(name for name in packages if find_spec(f"{vendors.__name__}.{name}.vendor"))


def vendor_module(vendor: str, part: str) -> ModuleType:
    """A module of a vendor's folder. Raises ``ConfigurationError`` that names the vendors there are."""
    name = f"{vendors.__name__}.{vendor}.{part}"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(f"there is no vendor {vendor!r}; there are: {', '.join(vendor_names())}") from None


def canonical_reader(settings: PipelineSettings) -> CanonicalReader:
    """Reads the archived orders of a pipeline; needs none of its connections. Raises ``ConfigurationError``."""
    source, destination = (
        VendorFormat.load(part.SCHEMA, part.MAPPING)
        for part in (vendor_module(party.vendor, "vendor") for party in (settings.source, settings.destination))
    )
    return source_reader(source, destination, settings.transform_settings(UNKNOWN_ACCOUNT))


@dataclass
class Wiring:
    """One pipeline, put together. Close it, or use it in a ``with`` block.

    ``connections`` gives a connection by its id. ``filesystem`` is the batch store's, where somebody has one with
    credentials. ``executor_spreads``: tasks run on several machines; then a SQLite ledger and a local batch store are
    refused (``store_shared``: a person says that all machines mount the same folder). ``dry_run``: the ledger is a
    scratch copy kept under the run's name in the batch store, and neither side can be written to. ``shadow``: a dry
    run that may search the destination.
    """

    settings: PipelineSettings
    connections: Callable[[str], Connection]
    ledger_url: str = field(repr=False)
    store_url: str
    filesystem: Any = None
    executor_spreads: bool = False
    store_shared: bool = False
    dry_run: bool = False
    shadow: bool = False

    @classmethod
    def for_pipeline(
        cls, name: str, connections: Callable[[str], Connection], ledger_url: str, store_url: str, **options: Any
    ) -> Wiring:
        """Put the pipeline of this name together; ``options`` are the other fields. Raises ``ConfigurationError``."""
        return cls(load_pipeline(name), connections, ledger_url, store_url, **options)

    def __post_init__(self) -> None:
        if not self.executor_spreads:
            return
        if self.ledger_url.startswith("sqlite") and not self.dry_run:
            raise ConfigurationError("the ledger is SQLite, but the executor spreads over machines; use PostgreSQL")
        if self.store_url.startswith("file:") and not self.store_shared:
            raise ConfigurationError(
                "the batch store is a local folder, but the executor spreads over machines; use an object "
                "store, or state that every machine mounts the same folder"
            )

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.settings.name

    @cached_property
    def source_connection(self) -> Connection:
        """The source's connection, with the file's options; its ``fingerprint()`` tells when it changed."""
        return self._connection(self.settings.source)

    @cached_property
    def destination_connection(self) -> Connection:
        """The destination's connection, with the file's options."""
        return self._connection(self.settings.destination)

    @cached_property
    def source(self) -> Source:
        """The source account. Raises ``ConfigurationError`` that names connection and field."""
        made: Source = self._factory(self.settings.source, "SOURCE")(self.source_connection)
        return ReadOnlySource(made) if self.dry_run else made

    @property
    def write_back_source(self) -> FeedbackTaker:
        """The source account, as one that is told what became of its orders. Raises ``ConfigurationError`` where it
        can not.
        """
        source = self.source
        if not isinstance(source, FeedbackTaker):
            raise ConfigurationError(f"{self.name}: {self.settings.source.vendor} takes no feedback")
        return source

    @cached_property
    def destination(self) -> Destination:
        """The destination account. Raises ``ConfigurationError`` that names connection and field."""
        made: Destination = self._factory(self.settings.destination, "DESTINATION")(self.destination_connection)
        if self.shadow:
            return SearchOnlyDestination(made)
        return UnreachableDestination(made) if self.dry_run else made

    @cached_property
    def transformer(self) -> Transformer:
        """From the source's orders to the destination's payloads. Raises ``ConfigurationError`` for a wrong mapping."""
        account: dict[str, Any] = {}
        for party in (self.settings.source, self.settings.destination):
            connection_settings = vendor_module(party.vendor, "connection").read_settings(self._connection(party))
            account |= {
                name: getattr(connection_settings, name) for name in ACCOUNT_FACTS if hasattr(connection_settings, name)
            }
        return Transformer(self.source.format, self.destination.format, self.settings.transform_settings(account))

    @cached_property
    def store(self) -> BatchStore:
        """The batch store."""
        return BatchStore(self.store_url, self.filesystem)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger. Raises ``ConfigurationError`` where it needs migrating. Of a dry run: see ``ledger_for``."""
        if self.dry_run:
            raise ConfigurationError("a dry run works on a scratch ledger: open it with ledger_for()")
        return Ledger.open(self.ledger_url)

    @contextmanager
    def ledger_for(self, run: str, *, keep: bool = True) -> Iterator[Ledger]:
        """The ledger for one task of the run ``run``: the real one, or of a dry run its scratch copy.

        The scratch copy is made from the real ledger by the run's first task and kept in the batch store after each
        task, so that the next one finds it on whichever machine; ``keep=False`` for tasks that only read.
        """
        if not self.dry_run:
            yield self.ledger
            return
        with dry_run_module.scratch_ledger(self.store, self.name, run, self.ledger_url, keep=keep) as ledger:
            yield ledger

    def check(self) -> None:
        """Make everything that can be wrong, before anything is done. Raises ``ConfigurationError``."""
        form = self.source.format
        IdentityPaths.from_mapping(form.mapping.get("identity", {}), f"{form.name}: identity")
        self.transformer  # noqa: B018 - made for its complaints
        self.store  # noqa: B018

    def close(self) -> None:
        """Close the source and the ledger, where they were made."""
        for name in ("source", "ledger"):
            made = self.__dict__.pop(name, None)
            if made is not None:
                made.close()

    def __enter__(self) -> Wiring:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connection(self, party: VendorAccount) -> Connection:
        connection = self.connections(party.connection)
        return replace(connection, extra={**connection.extra, **party.options}) if party.options else connection

    def _factory(self, party: VendorAccount, role: str) -> Callable[[Connection], Any]:
        factory: Callable[[Connection], Any] | None = getattr(vendor_module(party.vendor, "vendor"), role, None)
        if factory is None:
            raise ConfigurationError(f"{self.name}: {party.vendor} can be no {role.lower()}")
        return factory


class ReadOnlySource:
    """A source that is read but never told anything: for dry runs."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.account = source.account
        self.format: VendorFormat = source.format
        self.windowed = source.windowed
        self.acknowledges = source.acknowledges

    def offers(self, selection: Selection) -> Iterator[SourceOrder]:
        """See ``Source.offers``."""
        return self._source.offers(selection)

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Tells the source nothing; no order has an answer."""
        return {}

    def close(self) -> None:
        """See ``Source.close``."""
        self._source.close()


class UnreachableDestination:
    """A destination whose form and limits are known, but that can not be reached: for dry runs."""

    def __init__(self, destination: Destination) -> None:
        self.account = destination.account
        self.format: VendorFormat = destination.format
        self.search_by = destination.search_by
        self.timeout_s = destination.timeout_s
        self.visible_after_s = destination.visible_after_s
        self.connections = destination.connections
        self.requests_per_s = destination.requests_per_s
        self.expected_traits = destination.expected_traits

    def session(self, share: int) -> AbstractAsyncContextManager[DestinationSession]:
        """Raises ``ConfigurationError``: nothing leaves in a dry run."""
        raise ConfigurationError("this is a dry run: nothing is sent and nothing is looked up")


class SearchOnlyDestination(UnreachableDestination):
    """A destination that is asked what it has and given nothing: for shadow runs."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._destination = destination

    @asynccontextmanager
    async def session(self, share: int) -> AsyncIterator[DestinationSession]:
        """See ``Destination.session``."""
        async with self._destination.session(share) as session:
            yield SearchOnlySession(session)


class SearchOnlySession:
    """A session that refuses to send."""

    def __init__(self, session: DestinationSession) -> None:
        self.turn = session.turn
        self.find_by_key = session.find_by_key
        self.find_by_window = session.find_by_window
        self.find_any = session.find_any
        self.read_order = session.read_order

    async def send(self, payload: bytes, destination_key: str, *, not_after: float, attempt: int = 1) -> SendResult:
        """Raises ``ConfigurationError``: nothing is sent in shadow mode."""
        raise ConfigurationError("this pipeline runs in shadow mode: nothing is sent")
