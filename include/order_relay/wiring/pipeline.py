"""The composition root of a pipeline: from its name to its vendors, ledger, store and settings.

A vendor is a folder, ``vendors/NAME/``, with a declaration in its ``vendor.py``. Every part is created on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.ledger.operators.code_tables import CodeTableRow
from order_relay.orders.identity.source_identity import IdentityPaths
from order_relay.orders.payload.transformer import Transformer
from order_relay.pipeline.ports import (
    Destination,
    FeedbackTaker,
    PastReader,
    PortalFileFormat,
    PortalOwner,
    Source,
)
from order_relay.pipeline.runs import dry_run as dry_run_module
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_pipeline
from order_relay.pipeline.settings.sections import VendorAccount
from order_relay.vendors import load_vendor
from order_relay.wiring.dry_run import ReadOnlySource, SearchOnlyDestination, UnreachableDestination
from order_relay.wiring.transformation import (
    checked,
    fact_names,
    naming_rows,
    payload_hooks,
    transform_settings,
    with_rows,
)
from order_relay.wiring.vendors import WiredParts


@dataclass
class Wiring(WiredParts):
    """One pipeline with all its parts. Close it, or use it in a ``with`` block.

    ``connections`` returns a connection by its id. ``filesystem`` is the batch store's, if it needs credentials.
    ``dry_run``: the ledger is a scratch copy kept under the run's name in the batch store; nothing is written to either
    vendor. ``shadow``: a dry run that may search the destination.
    """

    settings: PipelineSettings
    connections: Callable[[str], Connection]
    ledger_url: str = field(repr=False)
    store_url: str
    filesystem: Any = None
    dry_run: bool = False
    shadow: bool = False
    _built: dict[tuple[int, ...], Transformer] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def for_pipeline(
        cls, name: str, connections: Callable[[str], Connection], ledger_url: str, store_url: str, **options: Any
    ) -> Wiring:
        """Load and wire the pipeline of this name; ``options``: the other fields. Raises ``ConfigurationError``."""
        return cls(checked(load_pipeline(name)), connections, ledger_url, store_url, **options)

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.settings.name

    @cached_property
    def source_connection(self) -> Connection:
        """The source's connection, with the file's options; its ``fingerprint()`` changes when it is edited."""
        return self.connection_of(self.settings.source)

    @cached_property
    def destination_connection(self) -> Connection:
        """The destination's connection, with the file's options."""
        return self.connection_of(self.settings.destination)

    @cached_property
    def source(self) -> Source:
        """The source account. Raises ``ConfigurationError`` that names connection and field."""
        made: Source = self._account("source")
        return ReadOnlySource(made) if self.dry_run else made

    @property
    def reads_files(self) -> bool:
        """Whether the source's orders come in files, which only history imports read."""
        return load_vendor(self.settings.source.vendor).reads_files

    @contextmanager
    def past_source(self) -> Iterator[Source]:
        """The orders of the source's past, which acknowledges nothing; closed at the end.

        Raises ``ConfigurationError`` if the source has no such list, or its connection does not switch it on.
        """
        account = self._account("source")
        found = account.past_orders() if isinstance(account, PastReader) else None
        if found is None:
            raise ConfigurationError(
                f"{self.name}: reading.backfill_from_source and reconcile.source_days need a source that can list its "
                f"past; see the field 'download' of the connection {self.settings.source.connection!r}"
            )
        with closing(found):
            yield found

    @property
    def write_back_source(self) -> FeedbackTaker:
        """The source account, if it takes feedback about its orders. Raises ``ConfigurationError`` otherwise."""
        source = self.source
        if not isinstance(source, FeedbackTaker):
            raise ConfigurationError(f"{self.name}: {self.settings.source.vendor} does not support write-back")
        return source

    @property
    def portal_format(self) -> PortalFileFormat:
        """The form of the files for the source's sales portal. Raises ``ConfigurationError`` if it takes none."""
        account = self._account("source")
        if not isinstance(account, PortalOwner):
            raise ConfigurationError(
                f"{self.settings.file}: portal_files: {self.settings.source.vendor} has no sales portal that takes "
                "files; remove the section"
            )
        return account.portal_files()

    @cached_property
    def destination(self) -> Destination:
        """The destination account. Raises ``ConfigurationError`` that names connection and field."""
        made: Destination = self._account("destination")
        if self.shadow:
            return SearchOnlyDestination(made)
        return UnreachableDestination(made) if self.dry_run else made

    @cached_property
    def transformer(self) -> Transformer:
        """Turns orders into the destination's payloads, with the present rows of code tables in the ledger.

        Raises ``ConfigurationError`` for a wrong mapping. Stages of a run use ``transformer_for`` instead.
        """
        return self.build_transformer(self.ledger.code_tables.rows(self.name))

    def transformer_for(self, ledger: Ledger, run: str) -> Transformer:
        """As ``transformer``, with the rows that the run ``run`` uses: all its tasks use the same ones."""
        return self.build_transformer(ledger.code_tables.rows(self.name, run))

    def build_transformer(self, rows: Sequence[CodeTableRow] = ()) -> Transformer:
        """A transformer with these rows beside those of the files. Raises ``ConfigurationError``."""
        versions = tuple(row.version for row in rows)
        if 0 in versions:  # not in the ledger: what a change would do
            return self._transformer(rows)
        if versions not in self._built:
            self._built = {versions: self._transformer(rows)}
        return self._built[versions]

    def _transformer(self, rows: Sequence[CodeTableRow]) -> Transformer:
        facts: dict[str, Any] = {}
        for party in (self.settings.source, self.settings.destination):
            account = load_vendor(party.vendor).settings.from_connection(self.connection_of(party))
            facts |= {name: getattr(account, name) for name in fact_names(party.vendor)}
        formats = self.source.format, self.destination.format
        hooks = payload_hooks(self.settings.destination.vendor)
        with naming_rows(self.name, rows):
            return Transformer(*formats, transform_settings(with_rows(self.settings, rows), facts), hooks)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger. Raises ``ConfigurationError`` if it needs migrating, and in a dry run (see ``ledger_for``)."""
        if self.dry_run:
            raise ConfigurationError("a dry run works on a scratch ledger: open it with ledger_for()")
        return Ledger.open(self.ledger_url)

    @contextmanager
    def ledger_for(self, run: str, *, keep: bool = True) -> Iterator[Ledger]:
        """The ledger for one task of the run ``run``: the real one, or the scratch copy of a dry run.

        The scratch copy is made from the real ledger by the run's first task and kept in the batch store after each
        task, so that the next one finds it on whichever machine; ``keep=False`` for tasks that only read.
        """
        if not self.dry_run:
            yield self.ledger
            return
        with dry_run_module.scratch_ledger(self.store, self.name, run, self.ledger_url, keep=keep) as ledger:
            yield ledger

    def check(self) -> None:
        """Create every part that may be misconfigured, before anything is done. Raises ``ConfigurationError``."""
        form = self.source.format
        IdentityPaths.from_mapping(form.mapping.get("identity", {}), f"{form.name}: identity")
        self.build_transformer()  # for its checks; there may be no ledger yet
        self.store  # noqa: B018
        if self.settings.files.fetch is not None and not self.reads_files:
            raise ConfigurationError(f"{self.settings.file}: files.fetch: {form.name} does not read files; remove it")
        if self.settings.portal_files.enabled:
            self.portal_format  # noqa: B018

    def _account(self, role: Literal["source", "destination"]) -> Any:
        party: VendorAccount = getattr(self.settings, role)
        vendor = load_vendor(party.vendor)
        if not getattr(vendor, role):
            raise ConfigurationError(f"{self.name}: {party.vendor} cannot be used as a {role}")
        return vendor.account(role, self.connection_of(party))
