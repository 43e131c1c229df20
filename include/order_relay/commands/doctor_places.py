"""Doctor's checks of what we own ourselves: pipeline files, ledger, batch store."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from order_relay.commands.findings import Finding, fail, ok, warn
from order_relay.commands.setup import Setup, without_password


def pipelines(setup: Setup) -> Iterator[Finding]:
    """Every pipeline file is read and validated; the first error is told with file and key."""
    known = setup.pipelines
    if not known:
        yield fail("pipelines", "no pipeline file found", "put one file per pipeline into include/config/")
    for name, settings in sorted(known.items()):
        yield ok(f"pipeline {name}", "its file is valid")
        for remark in settings.remarks():
            yield warn(f"pipeline {name}", remark, "change it before real orders are sent")


def ledger(setup: Setup) -> Iterator[Finding]:
    """The ledger answers, has the right revision, and writes durably (``Ledger.open`` asserts all three)."""
    url = setup.ledger_url
    where = without_password(url)
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
    """The URL without what stands before an ``@``: a connection's id there is harmless, a password would not be."""
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
