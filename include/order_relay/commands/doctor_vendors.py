"""Doctor's checks of the far sides: connections, credentials, and the vendors' unknowns, probed where that is harmless.

Nothing here marks an order as received, and nothing is posted but token requests.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from order_relay.commands.findings import Finding, Level, fail, ok, warn
from order_relay.errors import OrderRelayError
from order_relay.orders.exchange import Page, Selection

if TYPE_CHECKING:
    from order_relay.commands.setup import Setup
    from order_relay.pipeline.ports import Destination, OmsSession, Source

Known = Sequence[Any] | None
"""An order known to be imported (destination key, OMS id, ...; see ``Ledger.known_imported``), or nothing."""


def in_use(setup: Setup, pipeline: str) -> bool:
    """Whether a pipeline ran, or its source's connection is defined: files of others may lie there unused."""
    try:
        setup.connection(setup.pipelines[pipeline].source.connection)
    except OrderRelayError:
        try:
            with setup.ledger() as ledger:
                return ledger.last_sequence(pipeline) > 0
        except OrderRelayError:
            return False  # the ledger's own line of the doctor has said what is wrong with it
    return True


def source_side(setup: Setup, pipeline: str) -> Iterator[Finding]:
    """The source of a pipeline: its connection is there and typed, and what it offers can be read."""
    with setup.wiring(pipeline) as wiring:
        name, port = f"connection {wiring.settings.source.connection}", wiring.source
    yield ok(name, f"all fields are as {wiring.settings.source.vendor} needs them")
    yield from source(name, port)


def destination_side(setup: Setup, pipeline: str) -> Iterator[Finding]:
    """The destination: its connection, credentials and searches, and what the vendor's folder asks on top."""
    with setup.wiring(pipeline) as wiring:
        party, port = wiring.settings.destination, wiring.destination
    name = f"connection {party.connection}"
    yield ok(name, f"all fields are as {party.vendor} needs them")
    yield from destination(name, port, _known_imported(setup, port.account))
    if find_spec(f"order_relay.vendors.{party.vendor}.probes") is not None:
        yield from asyncio.run(_own_probes(name, party.vendor, port))


def mapping(setup: Setup, pipeline: str) -> Iterator[Finding]:
    """The vendors' mappings, the pipeline's overrides and what the connections say fit together."""
    with setup.wiring(pipeline) as wiring:
        wiring.check()
    yield ok(f"pipeline {pipeline}", "its mappings and tables fit together")


def _known_imported(setup: Setup, account: str) -> Known:
    """An order of this account that is known to be imported, for a search that must hit."""
    try:
        with setup.ledger() as ledger:
            return ledger.known_imported(account, [])
    except OrderRelayError:
        return None  # the ledger's own line of the doctor has said what is wrong with it


async def _own_probes(name: str, vendor: str, port: Destination) -> list[Finding]:
    probes = import_module(f"order_relay.vendors.{vendor}.probes").probes
    return [Finding(Level(level), name, found, advice) for level, found, advice in await probes(port)]


def source(name: str, port: Source) -> Iterator[Finding]:
    """What the source offers now (of the last hour, where it is asked by time). It reads and marks nothing."""
    offered = unreadable = 0
    now = datetime.now(UTC)
    for offer in port.offers(Selection(start=now - timedelta(hours=1), end=now) if port.windowed else Selection()):
        offered += 1
        unreadable += bool(offer.problem)
    yield ok(name, f"credentials work; {offered} orders on offer (read once, nothing was marked as received)")
    if unreadable:
        yield warn(name, f"{unreadable} of them can not be read", "they will be quarantined; see `quarantine` then")


def destination(name: str, port: Destination, known: Known) -> Iterator[Finding]:
    """A token, and both kinds of search with a key that can not exist and one that must."""
    yield from asyncio.run(_destination(name, port, known))


async def _destination(name: str, port: Destination, known: Known) -> list[Finding]:
    async with port.session(1) as session:
        findings = [ok(name, "a token was given")]
        by_key = await _search_by_key(session, known)
        by_window = await _search_by_window(session)
    findings += [_told(name, "search by external id", by_key), _told(name, "search by time window", by_window)]
    findings.append(_advice(name, port.search_by, by_key[0], by_window[0], sure=known is not None))
    return findings


async def _search_by_key(session: OmsSession, known: Known) -> tuple[bool, str]:
    """Whether a search by our own key can be trusted, and why."""
    absent = await session.find_by_key([f"order-relay-probe-{secrets.token_hex(8)}"])
    if not absent.complete:
        return False, absent.problem or "no complete answer"
    if absent.rows:
        return False, "an unknown key was answered with orders: the parameter seems to be ignored"
    if known is None:
        return True, "an unknown key was answered with nothing; no order is known yet to prove that a hit is found"
    hit = await session.find_by_key([known[0]])
    if any(row.destination_key == known[0] and row.oms_id == known[1] for row in hit.rows):
        return True, "an order known to be imported was found by its key"
    if any(row.oms_id == known[1] for row in hit.rows):
        return False, "an order known to be imported was found, but rows do not carry the external id"
    return False, "an order known to be imported was not found by its key" + _because(hit)


async def _search_by_window(session: OmsSession) -> tuple[bool, str]:
    """Whether a search by creation time is answered at all. The window is one minute, so that little is read."""
    end = datetime.now(UTC)
    page = await session.find_by_window(_iso(end - timedelta(minutes=1)), _iso(end))
    if not page.complete:
        return False, page.problem or "no complete answer"
    if page.rows and not any(row.destination_key for row in page.rows):
        return False, "it is answered, but rows do not carry the external id"
    return True, f"answered completely, {len(page.rows)} orders in the last minute"


def _told(name: str, probe: str, result: tuple[bool, str]) -> Finding:
    works, why = result
    if works:
        return ok(name, f"{probe}: {why}")
    return warn(name, f"{probe} does not work: {why}", "orders in doubt need one search that works, see the next line")


def _advice(name: str, setting: str, by_key: bool, by_window: bool, *, sure: bool) -> Finding:
    """Which ``search_by`` follows from what was found, and whether the one that is set can work."""
    best = "external_id" if by_key else "window" if by_window else "none"
    fits = {"external_id": by_key, "window": by_window, "auto": by_key or by_window, "none": True}.get(setting, False)
    if best == "none":
        found = "no search works: orders in doubt stay so until a person settles them"
        return warn(name, found, "set search_by to none, or ask the vendor which search the account has")
    if not fits:
        return fail(name, f"search_by is {setting!r}, which does not work here", f"set search_by to {best}")
    if setting == "none":
        return warn(name, "search_by is 'none' although a search works", f"set search_by to {best}, or leave it out")
    certainty = "" if sure else " (ask again when the first order is imported: only a hit proves a search)"
    return ok(name, f"search_by {setting!r} fits; {best!r} would do{certainty}")


def _because(page: Page) -> str:
    return f" ({page.problem})" if page.problem else ""


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
