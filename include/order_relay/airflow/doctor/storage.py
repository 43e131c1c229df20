"""Doctor's checks of pipeline files, ledger, batch store and alert target."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from order_relay import COMMAND
from order_relay.airflow.doctor.checks import CheckResult, fail, ok, run_guarded, warn
from order_relay.airflow.installation import Installation, without_password
from order_relay.errors import ConfigurationError
from order_relay.pipeline.settings.locations import IN_AIRFLOW_HOME, airflow_home, config_folder, packaged_folder

if TYPE_CHECKING:
    from order_relay.ledger import Ledger


def pipelines(installation: Installation) -> Iterator[CheckResult]:
    """Validate every pipeline file; an invalid one does not keep the others from being checked."""
    folder = config_folder()
    if not installation.pipelines:
        yield fail("pipelines", f"no pipeline file found in {folder}", "add one file per pipeline")
        return
    yield ok("pipelines", f"{len(installation.pipelines)} files in {folder}")
    if folder == packaged_folder():
        target = airflow_home() / IN_AIRFLOW_HOME
        yield warn("pipelines", "using the packaged defaults", f"copy them to {target} and edit them there")
    for name in sorted(installation.pipelines):
        yield from run_guarded(f"pipeline {name}", "correct the file", partial(_pipeline_file, installation, name))


def _pipeline_file(installation: Installation, name: str) -> Iterator[CheckResult]:
    from order_relay.wiring.transformation import remarks

    found = remarks(installation.pipelines[name])
    yield ok(f"pipeline {name}", "its file is valid")
    for remark in found:
        yield warn(f"pipeline {name}", remark, "")


def is_valid(installation: Installation, name: str) -> bool:
    """Whether a pipeline's file is valid; an invalid one is reported by its own check."""
    try:
        return bool(installation.pipelines[name])
    except ConfigurationError:
        return False


def ledger(installation: Installation, *, whole: bool = True) -> Iterator[CheckResult]:
    """Check the ledger's revision and durability (``Ledger.open`` does) and, if ``whole``, run the accounting check."""
    url = installation.ledger_url
    where = unquote(without_password(url)) if url.startswith("sqlite") else without_password(url)
    found, needed = _revisions(url)
    if found != needed:
        what = f"is at revision {found}, this version needs {needed}" if found else "has no tables yet"
        yield warn("ledger", f"{where} {what}", f"run `{COMMAND} ledger migrate`, or let the next run do it")
        return
    with installation.ledger() as opened:
        received = opened.accounting.counts()["received"]
        if whole:
            yield from accounting(opened)
    yield ok("ledger", f"{where}: current revision, durable commits, {received} submissions")
    if url.startswith("sqlite"):
        yield warn(
            "ledger",
            "is a SQLite file, which suits a single machine with a local disk",
            "for several workers, define connection order_relay_ledger of type postgres",
        )


def _revisions(url: str) -> tuple[str | None, str]:
    """Revision of the ledger's tables (``None`` without tables) and the revision this version needs."""
    from order_relay.ledger.store import database, migrate

    opened = database.Database(url)
    try:
        return opened.read(lambda tx: migrate.current_revision(tx.conn)), migrate.head()
    finally:
        opened.close()


def store(installation: Installation) -> Iterator[CheckResult]:
    """Write, read and remove a probe object."""
    batch_store = installation.store
    name = f"doctor/probe-{secrets.token_hex(6)}.jsonl.gz"
    text = secrets.token_hex(16).encode()
    written = batch_store.write_jsonl(name, [text])
    try:
        found = list(batch_store.read_jsonl(name, written.sha256))
    finally:
        batch_store.remove(name)
    if found != [text]:
        yield fail(
            "batch store",
            "a probe object was read back with different contents",
            "check the storage behind the batch store",
        )
    elif batch_store.exists(name):
        yield fail("batch store", "a probe object could not be removed", "grant this user permission to delete")
    else:
        yield ok(
            "batch store", f"{_without_credentials(installation.store_url)}: written, read and removed a probe object"
        )


def alerts(installation: Installation) -> Iterator[CheckResult]:
    """The destination of alerts; nothing is sent."""
    yield ok("alerts", f"sent to {installation.alert_target}")


def _without_credentials(url: str) -> str:
    """A local path, or the URL without user and password."""
    from order_relay.batches.filesystems import LOCAL_SCHEMES, local_path, scheme_of

    if scheme_of(url) in LOCAL_SCHEMES:
        return local_path(url)
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def accounting(opened: Ledger) -> Iterator[CheckResult]:
    """The accounting check within the ledger (``report`` also compares the archive)."""
    breaches = opened.accounting.invariant_violations()
    if not breaches:
        yield ok("accounting check", "passed")
    for breach in breaches:
        yield fail(
            "accounting check", breach, f"run `{COMMAND} report`; read docs/operations.md before you restore a backup"
        )
