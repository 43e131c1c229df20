"""Doctor's checks of vendors: connections, credentials and harmless probes of undocumented behaviour.

No order is acknowledged, and nothing is posted except token requests.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from order_relay import COMMAND
from order_relay.airflow.doctor.checks import CheckResult, Severity, fail, ok, warn
from order_relay.errors import OrderRelayError
from order_relay.ledger.operators.code_tables import CodeTableRow
from order_relay.ledger.schema.records import PositiveControl
from order_relay.orders.messages import SearchResult, Selection
from order_relay.pipeline.lookup.evidence import (
    ROWS_WITHOUT_KEY,
    UNSUPPORTED_SEARCH,
    describe_failure,
    place_controls,
    why_not_absent,
)
from order_relay.times import utc_text
from order_relay.vendors import optional_module

if TYPE_CHECKING:
    from order_relay.airflow.installation import Installation
    from order_relay.pipeline.ports import Destination, DestinationSession, Source

KnownOrders = Sequence[PositiveControl]
"""Positive controls: orders known to be imported. May be empty."""


def in_use(installation: Installation, pipeline: str) -> bool:
    """Whether a pipeline ran or its source connection is defined; packaged pipeline files may be unused."""
    try:
        installation.connection(installation.pipelines[pipeline].source.connection)
    except OrderRelayError:
        try:
            with installation.ledger() as ledger:
                return ledger.runs.last_sequence(pipeline) > 0
        except OrderRelayError:
            return False  # reported by the ledger's own check
    return True


def source_checks(installation: Installation, pipeline: str) -> Iterator[CheckResult]:
    """Check a pipeline's source: its connection is valid and its orders can be read."""
    with installation.wiring(pipeline) as wiring:
        name, port = f"connection {wiring.settings.source.connection}", wiring.source
        reads_files = wiring.reads_files
    vendor = wiring.settings.source.vendor
    yield ok(name, f"all fields are valid for {vendor}")
    yield from vendor_source_probes(name, vendor, port)
    if reads_files:
        yield ok(name, "orders are read from files, by history_import only")
        return
    yield from source(name, port)


def destination_checks(installation: Installation, pipeline: str) -> Iterator[CheckResult]:
    """Check a destination's connection, credentials and searches, and run the vendor's own probes."""
    with installation.wiring(pipeline) as wiring:
        party, port = wiring.settings.destination, wiring.destination
    name = f"connection {party.connection}"
    yield ok(name, f"all fields are valid for {party.vendor}")
    yield from destination(name, port, _known_imported(installation, port.account))
    if probes := optional_module(party.vendor, "probes"):
        yield from (CheckResult(Severity(level), name, *row) for level, *row in asyncio.run(probes.probes(port)))


def vendor_source_probes(name: str, vendor: str, port: Source) -> Iterator[CheckResult]:
    """The vendor's own checks of a source connection; no request is sent."""
    if probes := optional_module(vendor, "probes"):
        for level, found, advice in probes.source_probes(port):
            yield CheckResult(Severity(level), name, found, advice)


def mapping(installation: Installation, pipeline: str) -> Iterator[CheckResult]:
    """Check that mappings, overrides and connections of a pipeline are consistent."""
    with installation.wiring(pipeline) as wiring:
        wiring.check()
        wiring.build_transformer(_operators_rows(installation, pipeline))
    yield ok(f"pipeline {pipeline}", "mappings and tables are consistent")


def _operators_rows(installation: Installation, pipeline: str) -> Sequence[CodeTableRow]:
    """The rows of code tables that operators made."""
    try:
        with installation.ledger() as ledger:
            return ledger.code_tables.rows(pipeline)
    except OrderRelayError:
        return ()  # reported by the ledger's own check


def _known_imported(installation: Installation, account: str) -> KnownOrders:
    """Positive controls of an account, for a search that must find them."""
    try:
        with installation.ledger() as ledger:
            return ledger.lookups.positive_controls(account)
    except OrderRelayError:
        return ()  # reported by the ledger's own check


def source(name: str, port: Source) -> Iterator[CheckResult]:
    """Read the source's current orders (those of the last hour if it is queried by time) without acknowledging any."""
    offered = unreadable = 0
    now = datetime.now(UTC)
    for offer in port.fetch(Selection(start=now - timedelta(hours=1), end=now) if port.windowed else Selection()):
        offered += 1
        unreadable += bool(offer.problem)
    yield ok(name, f"credentials work; {offered} orders offered (read only, nothing was acknowledged)")
    if unreadable:
        yield warn(
            name,
            f"{unreadable} of them cannot be read",
            f"the next run quarantines them; list them with `{COMMAND} quarantine`",
        )


def destination(name: str, port: Destination, known: KnownOrders) -> Iterator[CheckResult]:
    """Request a token and try both kinds of search, with a key that cannot exist and one that must."""
    yield from asyncio.run(_destination(name, port, known))


async def _destination(name: str, port: Destination, known: KnownOrders) -> list[CheckResult]:
    async with port.session(1) as session:
        findings = [ok(name, "a session was opened, with a token if the vendor issues them")]
        by_key = await _search_by_key(session, known)
        by_window = await _search_by_window(session)
    if port.idempotent:
        findings.append(ok(name, "orders in doubt are sent again under the same key, which never stores them twice"))
        if port.search_by == "none":
            return findings
    findings += [
        _search_result(name, "search by external id", by_key),
        _search_result(name, "search by time window", by_window),
    ]
    broken = by_key.broken or by_window.broken
    if broken and not (by_key.works or by_window.works) and port.search_by != "none":
        advice = "orders that need a lookup are not sent until a search works; check host and path, or ask the vendor"
        findings.append(fail(name, f"orders cannot be searched: {broken}", advice))
    else:
        findings.append(_search_by_advice(name, port.search_by, by_key.works, by_window.works, sure=bool(known)))
    return findings


@dataclass(frozen=True)
class Probe:
    """Whether a search works, and why.

    ``broken``: it failed without showing whether it is supported. ``declared``: the vendor has such a search.
    """

    works: bool
    why: str
    broken: str = ""
    declared: bool = True


def _failed(page: SearchResult) -> Probe:
    cause = describe_failure(page)
    broken = "" if page.problem in UNSUPPORTED_SEARCH else cause
    return Probe(works=False, why=cause, broken=broken, declared=page.problem != "undeclared")


async def _search_by_key(session: DestinationSession, known: KnownOrders) -> Probe:
    """Whether a search by destination key is reliable, for one key and for a list of keys."""
    unknown = f"order-relay-probe-{secrets.token_hex(8)}"
    absent = await session.find_by_key([unknown])
    if not absent.complete:
        return _failed(absent)
    if absent.rows:
        return Probe(works=False, why="an unknown key returned orders; the search parameter seems to be ignored")
    if not known:
        why = "an unknown key returned nothing; not verified with an imported order, as there is none yet"
        return Probe(works=True, why=why)
    hit = await session.find_by_key([known[0].key])
    problem = why_not_absent(hit, known[:1])
    if not problem:
        lists = [await session.find_by_key(terms) for terms in place_controls([unknown], known)]
        honoured = not any(why_not_absent(page, known) for page in lists)
        more = "" if honoured else "; results for lists of keys are incomplete, so orders are looked up one by one"
        return Probe(works=True, why=f"an imported order was found by its key{more}")
    if problem == ROWS_WITHOUT_KEY:
        why = "an imported order was found, but the result has no external id"
        return Probe(works=False, why=why)
    return Probe(works=False, why=f"an imported order was not found by its key{_problem_suffix(hit)}")


async def _search_by_window(session: DestinationSession) -> Probe:
    """Whether a search by creation time works. The window is one minute, to read little."""
    end = datetime.now(UTC)
    page = await session.find_by_window(utc_text(end - timedelta(minutes=1)), utc_text(end))
    if not page.complete:
        return _failed(page)
    if why_not_absent(page, (), trust_without_controls=True) == ROWS_WITHOUT_KEY:
        return Probe(works=False, why="it returns orders without external ids")
    return Probe(works=True, why=f"complete result, {len(page.rows)} orders in the last minute")


def _search_result(name: str, search: str, probe: Probe) -> CheckResult:
    if probe.works:
        return ok(name, f"{search}: {probe.why}")
    if not probe.declared:
        return ok(name, f"{search}: none, the vendor has no such search")
    advice = "orders in doubt need at least one working search, see the next line"
    return warn(name, f"{search} does not work: {probe.why}", advice)


def _search_by_advice(name: str, setting: str, by_key: bool, by_window: bool, *, sure: bool) -> CheckResult:
    """Recommend ``search_by`` from the results, and check the one that is set."""
    best = "external_id" if by_key else "window" if by_window else "none"
    fits = {"external_id": by_key, "window": by_window, "auto": by_key or by_window, "none": True}.get(setting, False)
    if best == "none":
        found = f"no search works: orders in doubt need an operator (`{COMMAND} settle`)"
        return warn(name, found, "set search_by to none, or ask the vendor which search the account has")
    if not fits:
        return fail(name, f"search_by is {setting!r}, but that search does not work", f"set search_by to {best}")
    if setting == "none":
        return warn(name, "search_by is 'none' although a search works", f"set search_by to {best} or remove it")
    certainty = "" if sure else " (run doctor again after the first import: only a found order proves a search)"
    return ok(name, f"search_by {setting!r} works; recommended: {best!r}{certainty}")


def _problem_suffix(page: SearchResult) -> str:
    return f" ({page.problem})" if page.problem else ""
