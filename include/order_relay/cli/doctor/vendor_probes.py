"""Doctor's checks of the far sides: connections, credentials, and the vendors' unknowns, probed where that is harmless.

Nothing here marks an order as received, and nothing is posted but token requests.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from order_relay.cli.doctor.checks import CheckResult, Severity, fail, ok, warn
from order_relay.errors import OrderRelayError
from order_relay.ledger.schema.records import PositiveControl
from order_relay.orders.messages import SearchResult, Selection
from order_relay.pipeline.lookup.evidence import UNSUPPORTED_SEARCH, describe_failure, place_controls, why_not_absent
from order_relay.times import utc_text

if TYPE_CHECKING:
    from order_relay.cli.deployment import Installation
    from order_relay.pipeline.ports import Destination, DestinationSession, Source

KnownOrders = Sequence[PositiveControl]
"""Orders known to be imported (see ``Ledger.controls``); perhaps none."""


def in_use(installation: Installation, pipeline: str) -> bool:
    """Whether a pipeline ran, or its source's connection is defined: files of others may lie there unused."""
    try:
        installation.connection(installation.pipelines[pipeline].source.connection)
    except OrderRelayError:
        try:
            with installation.ledger() as ledger:
                return ledger.last_sequence(pipeline) > 0
        except OrderRelayError:
            return False  # the ledger's own line of the doctor has said what is wrong with it
    return True


def source_checks(installation: Installation, pipeline: str) -> Iterator[CheckResult]:
    """The source of a pipeline: its connection is there and typed, and what it offers can be read."""
    with installation.wiring(pipeline) as wiring:
        name, port = f"connection {wiring.settings.source.connection}", wiring.source
    vendor = wiring.settings.source.vendor
    yield ok(name, f"all fields are as {vendor} needs them")
    yield from vendor_source_probes(name, vendor, port)
    yield from source(name, port)


def destination_checks(installation: Installation, pipeline: str) -> Iterator[CheckResult]:
    """The destination: its connection, credentials and searches, and what the vendor's folder asks on top."""
    with installation.wiring(pipeline) as wiring:
        party, port = wiring.settings.destination, wiring.destination
    name = f"connection {party.connection}"
    yield ok(name, f"all fields are as {party.vendor} needs them")
    yield from destination(name, port, _known_imported(installation, port.account))
    if find_spec(f"order_relay.vendors.{party.vendor}.probes") is not None:
        yield from asyncio.run(_run_vendor_probes(name, party.vendor, port))


def vendor_source_probes(name: str, vendor: str, port: Source) -> Iterator[CheckResult]:
    """What the vendor's folder says about a source's connection on top; nothing is requested."""
    if find_spec(f"order_relay.vendors.{vendor}.probes") is not None:
        for level, found, advice in import_module(f"order_relay.vendors.{vendor}.probes").source_probes(port):
            yield CheckResult(Severity(level), name, found, advice)


def mapping(installation: Installation, pipeline: str) -> Iterator[CheckResult]:
    """The vendors' mappings, the pipeline's overrides and what the connections say fit together."""
    with installation.wiring(pipeline) as wiring:
        wiring.check()
    yield ok(f"pipeline {pipeline}", "its mappings and tables fit together")


def _known_imported(installation: Installation, account: str) -> KnownOrders:
    """Orders of this account that are known to be imported, for a search that must hit."""
    try:
        with installation.ledger() as ledger:
            return ledger.controls(account)
    except OrderRelayError:
        return ()  # the ledger's own line of the doctor has said what is wrong with it


async def _run_vendor_probes(name: str, vendor: str, port: Destination) -> list[CheckResult]:
    probes = import_module(f"order_relay.vendors.{vendor}.probes").probes
    return [CheckResult(Severity(level), name, found, advice) for level, found, advice in await probes(port)]


def source(name: str, port: Source) -> Iterator[CheckResult]:
    """What the source offers now (of the last hour, where it is asked by time). It reads and marks nothing."""
    offered = unreadable = 0
    now = datetime.now(UTC)
    for offer in port.offers(Selection(start=now - timedelta(hours=1), end=now) if port.windowed else Selection()):
        offered += 1
        unreadable += bool(offer.problem)
    yield ok(name, f"credentials work; {offered} orders on offer (read once, nothing was marked as received)")
    if unreadable:
        yield warn(name, f"{unreadable} of them can not be read", "they will be quarantined; see `quarantine` then")


def destination(name: str, port: Destination, known: KnownOrders) -> Iterator[CheckResult]:
    """A token, and both kinds of search with a key that can not exist and one that must."""
    yield from asyncio.run(_destination(name, port, known))


async def _destination(name: str, port: Destination, known: KnownOrders) -> list[CheckResult]:
    async with port.session(1) as session:
        findings = [ok(name, "a token was given")]
        by_key = await _search_by_key(session, known)
        by_window = await _search_by_window(session)
    findings += [
        _search_result(name, "search by external id", by_key),
        _search_result(name, "search by time window", by_window),
    ]
    broken = by_key.broken or by_window.broken
    if broken and not (by_key.works or by_window.works) and port.search_by != "none":
        advice = "orders that must be looked up are not sent before this works; check host and path, or ask the vendor"
        findings.append(fail(name, f"orders cannot be searched: {broken}", advice))
    else:
        findings.append(_search_by_advice(name, port.search_by, by_key.works, by_window.works, sure=bool(known)))
    return findings


@dataclass(frozen=True)
class Probe:
    """Whether a search works, and why. ``broken``: it failed in a way that says nothing about what is supported."""

    works: bool
    why: str
    broken: str = ""


def _failed(page: SearchResult) -> Probe:
    cause = describe_failure(page)
    return Probe(works=False, why=cause, broken="" if page.problem in UNSUPPORTED_SEARCH else cause)


async def _search_by_key(session: DestinationSession, known: KnownOrders) -> Probe:
    """Whether a search by our own key can be trusted, alone and in a list, and why."""
    unknown = f"order-relay-probe-{secrets.token_hex(8)}"
    absent = await session.find_by_key([unknown])
    if not absent.complete:
        return _failed(absent)
    if absent.rows:
        return Probe(works=False, why="an unknown key was answered with orders: the parameter seems to be ignored")
    if not known:
        why = "an unknown key was answered with nothing; no order is known yet to prove that a hit is found"
        return Probe(works=True, why=why)
    hit = await session.find_by_key([known[0].key])
    if not why_not_absent(hit, known[:1]):
        lists = [await session.find_by_key(terms) for terms in place_controls([unknown], known)]
        honoured = not any(why_not_absent(page, known) for page in lists)
        more = "" if honoured else "; lists of keys are not answered in full, so each order is looked up by itself"
        return Probe(works=True, why=f"an order known to be imported was found by its key{more}")
    if any(row.oms_id == known[0].oms_id and not row.destination_key for row in hit.rows):
        why = "an order known to be imported was found, but rows do not carry the external id"
        return Probe(works=False, why=why)
    return Probe(works=False, why=f"an order known to be imported was not found by its key{_problem_suffix(hit)}")


async def _search_by_window(session: DestinationSession) -> Probe:
    """Whether a search by creation time is answered at all. The window is one minute, so that little is read."""
    end = datetime.now(UTC)
    page = await session.find_by_window(utc_text(end - timedelta(minutes=1)), utc_text(end))
    if not page.complete:
        return _failed(page)
    if page.rows and not any(row.destination_key for row in page.rows):
        return Probe(works=False, why="it is answered, but rows do not carry the external id")
    return Probe(works=True, why=f"answered completely, {len(page.rows)} orders in the last minute")


def _search_result(name: str, search: str, probe: Probe) -> CheckResult:
    if probe.works:
        return ok(name, f"{search}: {probe.why}")
    advice = "orders in doubt need one search that works, see the next line"
    return warn(name, f"{search} does not work: {probe.why}", advice)


def _search_by_advice(name: str, setting: str, by_key: bool, by_window: bool, *, sure: bool) -> CheckResult:
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


def _problem_suffix(page: SearchResult) -> str:
    return f" ({page.problem})" if page.problem else ""
