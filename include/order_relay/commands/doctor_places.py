"""Doctor's checks of what we own ourselves: pipeline files, ledger, batch store."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import unquote

from order_relay.commands.findings import Finding, fail, guarded, ok, warn
from order_relay.commands.setup import Setup, without_password
from order_relay.errors import WrongSetup
from order_relay.pipeline.config_place import IN_AIRFLOW_HOME, airflow_home, config_folder, packaged_folder


def pipelines(setup: Setup) -> Iterator[Finding]:
    """Every pipeline file is read and validated; a wrong one is named with its key, and the others are checked."""
    folder = config_folder()
    if not setup.pipelines:
        yield fail("pipelines", f"no pipeline file found in {folder}", "put one file per pipeline into it")
        return
    yield ok("pipelines", f"{len(setup.pipelines)} files in {folder}")
    if folder == packaged_folder():
        mine = airflow_home() / IN_AIRFLOW_HOME
        yield warn("pipelines", "these are the packaged defaults", f"copy them to {mine} and edit them there")
    for name in sorted(setup.pipelines):
        yield from guarded(f"pipeline {name}", "correct the file", partial(_file, setup, name))


def _file(setup: Setup, name: str) -> Iterator[Finding]:
    remarks = setup.pipelines[name].remarks()
    yield ok(f"pipeline {name}", "its file is valid")
    for remark in remarks:
        yield warn(f"pipeline {name}", remark, "")


def is_valid(setup: Setup, name: str) -> bool:
    """Whether a pipeline's file can be read; where not, its own line of the doctor has said why."""
    try:
        return bool(setup.pipelines[name])
    except WrongSetup:
        return False


def ledger(setup: Setup) -> Iterator[Finding]:
    """The ledger answers, has the right revision, and writes durably (``Ledger.open`` asserts all three)."""
    url = setup.ledger_url
    where = unquote(without_password(url)) if url.startswith("sqlite") else without_password(url)
    found, needed = _revisions(url)
    if found != needed:
        what = f"is at revision {found}, this program needs {needed}" if found else "has no tables yet"
        yield warn("ledger", f"{where} {what}", "run `ledger migrate`, or let the next run do it")
        return
    with setup.ledger() as book:
        received = book.counts(None, None)["received"]
        yield from law(book)
    yield ok("ledger", f"{where}: current revision, durable commits, {received} submissions")
    if url.startswith("sqlite"):
        yield warn(
            "ledger",
            "is a SQLite file: right for one machine, and only on a local disk",
            "for several workers define connection order_relay_ledger of type postgres",
        )


def _revisions(url: str) -> tuple[str | None, str]:
    """The revision of the ledger's tables (``None``: there are none) and the one that this program needs."""
    from order_relay.ledger import database, migrating  # noqa: PLC0415 - pulls in SQLAlchemy and Alembic

    place = database.Database(url)
    try:
        return place.read(lambda tx: migrating.current(tx.conn)), migrating.head()
    finally:
        place.close()


def store(setup: Setup) -> Iterator[Finding]:
    """A probe object is written, read back and removed."""
    place = setup.store
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
        yield ok("batch store", f"{_without_credentials(setup.store_url)}: written, read and removed a probe object")


def alerts(setup: Setup) -> Iterator[Finding]:
    """Where messages for people go; nothing is sent there."""
    yield ok("alerts", f"go to {setup.alerts_place}")


def _without_credentials(url: str) -> str:
    """A folder's path; of another URL all but what stands before an ``@``: there may be a password."""
    from order_relay.batches.filesystems import LOCAL, local_path, scheme_of  # noqa: PLC0415 - pulls in fsspec

    if scheme_of(url) in LOCAL:
        return local_path(url)
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def law(book: Any) -> Iterator[Finding]:
    """The counting law as far as the ledger alone can tell (``report`` compares the archive as well)."""
    breaches = book.law(None)
    if not breaches:
        yield ok("counting law", "the ledger's books balance")
    for breach in breaches:
        yield fail("counting law", breach, "see `report`; restore a backup only after reading its page in the docs")
