"""Writes files for a source's sales portal: the orders that changed, and the tracking numbers of recent parcels.

A file is uploaded under a temporary name and then renamed, which never replaces a file that is there. A file that this
pipeline did not write last is never touched: another system may own it. The ledger knows the SHA-256 of ours.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from order_relay.errors import ConfigurationError, OrderRelayError, TransientError
from order_relay.failpoints import failpoint
from order_relay.ledger import Ledger
from order_relay.ledger.write_back.portal_files import TAKEN, WRITTEN, PortalFileState
from order_relay.orders.fulfilment.portal_orders import PortalFile
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.fulfilment.portal_changes import ChangedOrders, find_changes, read_portal_orders
from order_relay.pipeline.fulfilment.status_fetch import FileServer, FileSkipped, RemoteFile
from order_relay.pipeline.ports import PortalFileFormat
from order_relay.pipeline.settings.sections import PortalFileSettings

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 50 << 20
"""Limit of a file that is written or compared."""

LONG_WAIT = timedelta(days=1)
"""A file that the portal has not taken after this time is mentioned as a warning."""


class UploadServer(FileServer, Protocol):
    """A folder on a server to which files are written as well. ``move`` never replaces a file."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file, replacing one of this name, and check its size. Raises ``FileSkipped``."""


@dataclass(frozen=True)
class PortalContext:
    """What the files are written with."""

    ledger: Ledger
    archive: OrderArchive
    server: UploadServer
    form: PortalFileFormat
    settings: PortalFileSettings


@dataclass(frozen=True)
class _Content:
    """What a file holds. ``most``: changed orders in one file; ``None``: all parcels of a period, if any changed."""

    build: Callable[[ChangedOrders], PortalFile]
    most: int | None


@dataclass(frozen=True)
class _Claim:
    """A claimed file and what is known of it. ``there``: our own file, if it is still in its place."""

    name: str
    owner: str
    state: PortalFileState
    there: RemoteFile | None = None
    there_digest: str = ""


def write_portal_files(ctx: RunContext, parts: PortalContext) -> dict[str, int]:
    """Write both files; returns counts named ``FILE_written`` (rows), ``FILE_waiting``, ``FILE_busy``,
    ``FILE_left_out``.

    A problem with one file does not affect the other. Raises ``ConfigurationError`` if a file is in its place that this
    pipeline did not write, or if it would be too large; ``TransientError`` if the server failed or refused.
    """
    counts: Counter[str] = Counter()
    failures: list[OrderRelayError] = []
    form, place = parts.form, f"{parts.settings.connection}:{parts.settings.folder}"
    contents = {
        form.order_file_name: _Content(partial(_order_file, parts), parts.settings.most_orders),
        form.tracking_file_name: _Content(partial(_tracking_file, ctx, parts), None),
    }
    for name, content in contents.items():
        owner = secrets.token_hex(8)
        state = parts.ledger.portal_files.claim(ctx, name, place, owner)
        if state is None:
            counts[f"{name}_busy"] += 1
            continue
        try:
            _write(ctx, parts, _Claim(name, owner, state), content, counts)
        except OrderRelayError as error:
            failures.append(error)
        finally:
            parts.ledger.portal_files.release(ctx, name, owner)
    log.info("portal files: %s", dict(counts) or "nothing was due")
    if failures:
        raise failures[0]
    return dict(counts)


def _write(ctx: RunContext, parts: PortalContext, claim: _Claim, content: _Content, counts: Counter[str]) -> None:
    claim = _examine(ctx, parts, claim)
    state, now = claim.state, claim.state.now
    if claim.there is not None and parts.settings.not_taken == "wait":
        level = logging.WARNING if now - state.at > LONG_WAIT else logging.INFO
        log.log(level, "%s: written at %s, not taken by the portal yet", claim.name, f"{state.at:%Y-%m-%d %H:%M}Z")
        counts[f"{claim.name}_waiting"] += 1
        return
    oldest = now - timedelta(days=parts.settings.days)
    start = state.covered_to or oldest
    if claim.there is not None:
        start = max(start, oldest)
    changed = find_changes(parts.ledger, ctx.pipeline, start, now, content.most, whole=claim.there is not None)
    file = content.build(changed) if changed.places else None
    digest = hashlib.sha256(file.data).hexdigest() if file else ""
    for reason, number in file.left_out.items() if file else ():
        log.warning("%s: left out %d: %s", claim.name, number, reason)
        counts[f"{claim.name}_left_out"] += number
    if file is None or not file.rows or (digest == state.digest and state.state in (WRITTEN, TAKEN)):
        if claim.there is None:  # else it is not known what the portal has
            parts.ledger.portal_files.advance(ctx, claim.name, claim.owner, changed.end)
        return
    _upload(ctx, parts, claim, file, changed.end)
    counts[f"{claim.name}_written"] += file.rows


def _examine(ctx: RunContext, parts: PortalContext, claim: _Claim) -> _Claim:
    """Look at the folder: remove what a killed upload left, and recognize our own file in its place."""
    name, owner, state = claim.name, claim.owner, claim.state
    files = {file.name: file for file in parts.server.files()}
    for file in files.values():
        if file.name.startswith(_part_prefix(ctx, name)):
            parts.server.delete(file)
    there = files.get(name)
    if there is None:
        if state.state == WRITTEN and state.covers_to is not None:
            parts.ledger.portal_files.advance(ctx, name, owner, state.covers_to)
            state = replace(state, state=TAKEN, covered_to=state.covers_to)
        return _Claim(name, owner, state)
    digest = _digest(parts.server, there)
    if digest not in {state.digest, state.replaced} - {""}:
        raise ConfigurationError(
            f"{parts.settings.connection}: {parts.settings.folder}/{name} ({there.size} bytes) is not the file that "
            f"{ctx.pipeline} wrote last, so it was not touched. Usually the ERP writes it: if so, set portal_files: "
            "{enabled: false}. Otherwise let the portal take it, or remove it; the next run then writes its own"
        )
    if digest == state.digest and state.state != WRITTEN:  # killed, or the answer was lost, after the renaming
        parts.ledger.portal_files.settle(ctx, name, owner)
        state = replace(state, state=WRITTEN)
    return _Claim(name, owner, state, there, digest)


def _digest(server: UploadServer, file: RemoteFile) -> str:
    """SHA-256 of a file on the server; empty if it is larger than any of ours."""
    if file.size > MAX_FILE_BYTES:
        return ""
    return hashlib.sha256(server.read(file, file.size)).hexdigest()


def _upload(ctx: RunContext, parts: PortalContext, claim: _Claim, file: PortalFile, covers_to: datetime) -> None:
    digest = hashlib.sha256(file.data).hexdigest()
    ledger, server, name, owner = parts.ledger.portal_files, parts.server, claim.name, claim.owner
    if len(file.data) > MAX_FILE_BYTES:
        raise ConfigurationError(
            f"{name} would have {len(file.data)} bytes, more than {MAX_FILE_BYTES}; lower portal_files.most_orders or "
            "portal_files.tracking_days"
        )
    if not ledger.begin(ctx, name, owner, digest=digest, replaced=claim.there_digest, covers_to=covers_to):
        raise _taken_over(name)
    part = RemoteFile(_part_prefix(ctx, name) + owner, len(file.data), "")
    with failpoint("portal file written"):
        server.write(part.name, file.data)
    if not ledger.renew(ctx, name, owner):
        raise _taken_over(name)
    if claim.there is not None:
        with failpoint("portal file removed"), suppress(FileSkipped):  # taken meanwhile; the renaming decides
            server.delete(claim.there)
    try:
        with failpoint("portal file renamed"):
            server.move(part, parts.settings.folder, name)
    except FileSkipped as error:
        found = {one.name: one for one in server.files()}.get(name)
        if found is None or _digest(server, found) != digest:  # refused, and not an answer that was wrong
            raise TransientError(
                f"{parts.settings.connection}: {part.name} could not be renamed to {name}: {error}; it is tried again"
            ) from None
    if not ledger.settle(ctx, name, owner):
        raise _taken_over(name)


def _part_prefix(ctx: RunContext, name: str) -> str:
    """Begins the names of this pipeline's uploads in progress; pipelines' names have no dots."""
    return f".{name}.{ctx.pipeline}."


def _taken_over(name: str) -> TransientError:
    return TransientError(f"{name}: another task has taken over this file; nothing more was done")


def _order_file(parts: PortalContext, changed: ChangedOrders) -> PortalFile:
    orders, unreadable = read_portal_orders(parts.ledger, parts.archive, changed)
    file = parts.form.order_file(orders)
    return replace(file, left_out={**file.left_out, **unreadable})


def _tracking_file(ctx: RunContext, parts: PortalContext, changed: ChangedOrders) -> PortalFile:
    settings = parts.settings
    since = changed.end - timedelta(days=settings.tracking_days)
    parcels = parts.ledger.portal_files.parcels_since(ctx.pipeline, since, settings.most_parcels + 1)
    if len(parcels) > settings.most_parcels:
        raise ConfigurationError(
            f"more than {settings.most_parcels} parcels of the last {settings.tracking_days:g} days: lower "
            "portal_files.tracking_days or raise portal_files.most_parcels. Nothing was written, since the portal "
            "replaces all its tracking numbers by those of the file"
        )
    return parts.form.tracking_file(parcels)
