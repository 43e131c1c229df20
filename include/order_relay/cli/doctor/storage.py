"""Doctor's checks of what we own ourselves: pipeline files, ledger, batch store."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import unquote

from order_relay.cli.deployment import Installation, without_password
from order_relay.cli.doctor.checks import CheckResult, fail, ok, run_guarded, warn
from order_relay.errors import ConfigurationError
from order_relay.pipeline.settings.locations import IN_AIRFLOW_HOME, airflow_home, config_folder, packaged_folder


def pipelines(installation: Installation) -> Iterator[CheckResult]:
    """Every pipeline file is read and validated; a wrong one is named with its key, and the others are checked."""
    folder = config_folder()
    if not installation.pipelines:
        yield fail("pipelines", f"no pipeline file found in {folder}", "put one file per pipeline into it")
        return
    yield ok("pipelines", f"{len(installation.pipelines)} files in {folder}")
    if folder == packaged_folder():
        mine = airflow_home() / IN_AIRFLOW_HOME
        yield warn("pipelines", "these are the packaged defaults", f"copy them to {mine} and edit them there")
    for name in sorted(installation.pipelines):
        yield from run_guarded(f"pipeline {name}", "correct the file", partial(_pipeline_file, installation, name))


def _pipeline_file(installation: Installation, name: str) -> Iterator[CheckResult]:
    remarks = installation.pipelines[name].remarks()
    yield ok(f"pipeline {name}", "its file is valid")
    for remark in remarks:
        yield warn(f"pipeline {name}", remark, "")


def is_valid(installation: Installation, name: str) -> bool:
    """Whether a pipeline's file can be read; where not, its own line of the doctor has said why."""
    try:
        return bool(installation.pipelines[name])
    except ConfigurationError:
        return False


def ledger(installation: Installation) -> Iterator[CheckResult]:
    """The ledger answers, has the right revision, and writes durably (``Ledger.open`` asserts all three)."""
    url = installation.ledger_url
    where = unquote(without_password(url)) if url.startswith("sqlite") else without_password(url)
    found, needed = _revisions(url)
    if found != needed:
        what = f"is at revision {found}, this program needs {needed}" if found else "has no tables yet"
        yield warn("ledger", f"{where} {what}", "run `ledger migrate`, or let the next run do it")
        return
    with installation.ledger() as book:
        received = book.counts(None, None)["received"]
        yield from accounting(book)
    yield ok("ledger", f"{where}: current revision, durable commits, {received} submissions")
    if url.startswith("sqlite"):
        yield warn(
            "ledger",
            "is a SQLite file: right for one machine, and only on a local disk",
            "for several workers define connection order_relay_ledger of type postgres",
        )


def _revisions(url: str) -> tuple[str | None, str]:
    """The revision of the ledger's tables (``None``: there are none) and the one that this program needs."""
    from order_relay.ledger.store import database, migrate

    place = database.Database(url)
    try:
        return place.read(lambda tx: migrate.current_revision(tx.conn)), migrate.head()
    finally:
        place.close()


def store(installation: Installation) -> Iterator[CheckResult]:
    """A probe object is written, read back and removed."""
    place = installation.store
    name = f"doctor/probe-{secrets.token_hex(6)}.jsonl.gz"
    text = secrets.token_hex(16).encode()
    written = place.write_jsonl(name, [text])
    try:
        found = list(place.read_jsonl(name, written.sha256))
    finally:
        place.remove(name)
    if found != [text]:
        yield fail("batch store", "a probe object came back changed", "check the storage behind the batch store")
    elif place.exists(name):
        yield fail("batch store", "a probe object could not be removed", "give this user the right to delete")
    else:
        yield ok(
            "batch store", f"{_without_credentials(installation.store_url)}: written, read and removed a probe object"
        )


def alerts(installation: Installation) -> Iterator[CheckResult]:
    """Where messages for people go; nothing is sent there."""
    yield ok("alerts", f"go to {installation.alert_target}")


def _without_credentials(url: str) -> str:
    """A folder's path; of another URL all but what stands before an ``@``: there may be a password."""
    from order_relay.batches.filesystems import LOCAL_SCHEMES, local_path, scheme_of

    if scheme_of(url) in LOCAL_SCHEMES:
        return local_path(url)
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def accounting(book: Any) -> Iterator[CheckResult]:
    """The counting law as far as the ledger alone can tell (``report`` compares the archive as well)."""
    breaches = book.law(None)
    if not breaches:
        yield ok("counting law", "the ledger's books balance")
    for breach in breaches:
        yield fail("counting law", breach, "see `report`; restore a backup only after reading its page in the docs")
