"""The installation that commands and the order desk work on. Parts are opened on first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from order_relay.errors import ConfigurationError

if TYPE_CHECKING:
    from order_relay.batches.store import BatchStore
    from order_relay.connections import Connection
    from order_relay.ledger import Ledger
    from order_relay.pipeline.runs.stop_switch import StopSwitch
    from order_relay.pipeline.settings.pipeline import PipelineSettings
    from order_relay.wiring.pipeline import Wiring


class Installation:
    """Connections, ledger, batch store and pipeline files of this installation.

    They are resolved as in a task, by ``order_relay.airflow.connections``: environment first, then Airflow's database.
    """

    before: ClassVar[list[Callable[[], None]]] = []
    """Callables run before anything is opened; ``cli.app.main`` adds to them."""

    def __init__(self) -> None:
        for prepare in self.before:
            prepare()

    def connection(self, conn_id: str) -> Connection:
        """A connection by its id; raises ``ConfigurationError`` if it is unknown."""
        from order_relay.airflow import connections

        return connections.connection(conn_id)

    @cached_property
    def ledger_url(self) -> str:
        """The ledger's database URL; may contain a password."""
        from order_relay.airflow import connections

        return connections.ledger_url()

    @cached_property
    def store_url(self) -> str:
        """The root of the batch store."""
        from order_relay.airflow import connections

        return connections.store_url()

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The open ledger; raises ``ConfigurationError`` if it is missing or at another revision."""
        from order_relay.ledger import Ledger

        ledger = Ledger.open(self.ledger_url)
        try:
            yield ledger
        finally:
            ledger.close()

    @cached_property
    def store(self) -> BatchStore:
        """The batch store."""
        from order_relay.batches.store import BatchStore

        return BatchStore(*self.store_location)

    @cached_property
    def store_location(self) -> tuple[str, Any]:
        """The batch store's URL without connection id, and the file system that Airflow creates for the connection."""
        from order_relay.airflow import connections

        return connections.store_filesystem(self.store_url)

    @property
    def alert_target(self) -> str:
        """Destination of alerts, as text; raises ``ConfigurationError`` if their connection is invalid."""
        from order_relay.airflow.notify import notifiers

        return notifiers.describe_target()

    @property
    def stop_switch(self) -> StopSwitch:
        """The Variable ``order_relay_stop``; if it cannot be read, everything counts as stopped."""
        from order_relay.airflow.metadata import stop_variable

        return stop_variable.read_or_stop_all()

    def paused_dags(self) -> dict[str, bool]:
        """DAG id -> paused; raises ``TransientError`` if Airflow's database cannot be read."""
        from order_relay.airflow.metadata import database

        return database.paused_dags()

    @cached_property
    def pipelines(self) -> Mapping[str, PipelineSettings]:
        """All pipelines by name. A file is read on first access, so an invalid one affects its own pipeline only; it
        raises ``ConfigurationError`` naming file and key.
        """
        from order_relay.pipeline.settings import pipeline
        from order_relay.wiring.transformation import checked

        return _PipelineFiles(pipeline.pipeline_files(), lambda path: checked(pipeline.load_file(path)))

    def ran(self) -> list[str]:
        """Pipelines that have a file and ran in live mode at least once."""
        with self.ledger() as ledger:
            return [name for name in sorted(self.pipelines) if ledger.runs.last_sequence(name)]

    def wiring(self, pipeline: str) -> Wiring:
        """The wiring of a pipeline, whose parts are created and validated on first use. The caller closes it."""
        from order_relay.wiring.pipeline import Wiring

        url, filesystem = self.store_location
        return Wiring(self.pipelines[pipeline], self.connection, self.ledger_url, url, filesystem)

    def chosen(self, pipeline: str | None, source: str | None = None) -> list[str] | None:
        """Pipelines selected by the options, ``None`` for all; raises ``ConfigurationError`` if none matches."""
        if pipeline is None and source is None:
            return None
        known = self.pipelines
        names = [n for n in known if pipeline in (None, n) and source in (None, n.partition("_to_")[0])]
        if not names:
            from order_relay.orders.suggestions import suggest

            what = f"pipeline {pipeline!r}" if pipeline is not None else f"source {source!r}"
            available = known if pipeline is not None else {one.source.vendor for one in known.values()}
            raise ConfigurationError(f"unknown {what}; {suggest(pipeline or source or '', available)}")
        return names


class _PipelineFiles(Mapping[str, "PipelineSettings"]):
    """Pipelines by name; a file is read on first access."""

    def __init__(self, files: Mapping[str, Path], load: Callable[[Path], PipelineSettings]) -> None:
        self._files, self._load = files, cache(load)

    def __getitem__(self, name: str) -> PipelineSettings:
        return self._load(self._files[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def without_password(url: str) -> str:
    """The database URL with its password masked."""
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)
