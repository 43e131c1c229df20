"""Doctor's comparison of the schemas that vendors publish with ours, and with what was sent."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from order_relay import COMMAND
from order_relay.airflow.doctor.checks import CheckResult, ok, warn
from order_relay.errors import MalformedResponseError, OrderRelayError
from order_relay.orders.json_text import decode
from order_relay.orders.schema.published_schema import (
    PublishedSchema,
    SchemaAssumption,
    expand_schema,
)
from order_relay.orders.schema.schema_comparison import (
    Direction,
    SchemaDifference,
    compare_schemas,
    list_members,
)
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors import optional_module

if TYPE_CHECKING:
    from order_relay.airflow.installation import Installation
    from order_relay.batches import BatchStore
    from order_relay.ledger.schema.listed_rows import ImportedPayload

LAST_PAYLOADS = 100
"""Number of imported orders whose payloads are checked."""

_NAMED = 5
_INDEX = re.compile(r"/\d+(?=/|$)")


def schema_checks(installation: Installation, pipeline: str) -> Iterator[CheckResult]:
    """Compare the schemas that a pipeline's destination publishes; nothing if it publishes none.

    Raises ``OrderRelayError`` if the account cannot be used.
    """
    with installation.wiring(pipeline) as wiring:
        party, port = wiring.settings.destination, wiring.destination
    module = optional_module(party.vendor, "published_schemas")
    if module is None:
        return
    check = f"schemas of {party.connection}"
    expanded: dict[str, dict[str, Any]] = {}
    for published in asyncio.run(module.published_schemas(port)):
        try:
            theirs = _expanded(published)
            sent = VendorFormat(published.name, theirs, {})
        except OrderRelayError as error:
            advice = "ask the vendor for the schema, or check host and path of the connection"
            yield warn(check, f"{published.name} cannot be compared: {error}", advice)
            continue
        expanded[published.name] = theirs
        yield from _differences(check, published, theirs)
        if not published.names_only:
            yield from _payloads(check, installation, port.account, sent)
    yield from _settled(check, module.assumptions(port), expanded)


def _expanded(published: PublishedSchema) -> dict[str, Any]:
    if published.problem:
        raise MalformedResponseError(published.problem)
    return expand_schema(published.documents, published.name)


def _differences(check: str, published: PublishedSchema, theirs: Mapping[str, Any]) -> Iterator[CheckResult]:
    found = compare_schemas(expand_schema({"": published.ours}, ""), theirs)
    if published.names_only:
        found = [one for one in found if one.rule == "member" and one.ours]
    nulls = [one.member for one in found if one.rule == "not_null" and one.direction is Direction.STRICTER]
    found = [one for one in found if one.rule != "not_null"]
    counted = Counter(one.direction for one in found)
    numbers = ", ".join(f"{counted[kind]} {kind}" for kind in Direction)
    yield ok(check, f"{published.name}: {len(list_members(theirs))} members compared, differences: {numbers}")
    if nulls:
        yield ok(check, f"{published.name}: {len(nulls)} members may not be null, which ours allows ({_names(nulls)})")
    for one in sorted(found, key=lambda one: one.direction is not Direction.STRICTER):
        yield _difference(check, published.name, one)


def _difference(check: str, name: str, one: SchemaDifference) -> CheckResult:
    where = one.member or "the record"
    if one.rule == "member":
        side = "only published" if one.ours is None else "only ours"
        found = f"{name}, {where}: {side}{f', {one.theirs}' if one.theirs else ''}"
    elif isinstance(one.ours, frozenset) and isinstance(one.theirs, frozenset):
        sides = (("only published", one.theirs - one.ours), ("only ours", one.ours - one.theirs))
        text = "; ".join(f"{side}: {_value(values)}" for side, values in sides if values)
        found = f"{name}, {where}: {one.rule}, {text} ({one.direction})"
    else:
        found = (
            f"{name}, {where}: {one.rule}, published: {_value(one.theirs)}, ours: {_value(one.ours)} ({one.direction})"
        )
    if one.direction is Direction.STRICTER:
        advice = "orders may be refused for it; with the rule in our JSON Schema they are quarantined instead"
        return warn(check, found, advice)
    return ok(check, found)


def _payloads(check: str, installation: Installation, account: str, published: VendorFormat) -> Iterator[CheckResult]:
    """Check the payloads of the orders that were imported last. Values are not shown."""
    with installation.ledger() as ledger:
        sent = ledger.queries.last_payloads(account, LAST_PAYLOADS)
    failed: dict[tuple[str, str], list[str]] = defaultdict(list)
    documents = list(_documents(installation.store, sent))
    for number, document in documents:
        for place in {(_INDEX.sub("[]", issue.pointer), issue.code) for issue in published.check(document)}:
            failed[place].append(number)
    missing = len(sent) - len(documents)
    checked = f"{len(documents)} payloads" + (f" ({missing} more are not in the archive)" if missing else "")
    if not failed:
        yield ok(check, f"{published.name}: the last {checked} satisfy it")
    for (pointer, code), numbers in sorted(failed.items()):
        yield warn(
            check,
            f"{published.name}: {code} at {pointer or 'the record'} in {len(numbers)} of the last {checked}, "
            f"such as {_names(numbers)}",
            f"they were imported all the same; see one with `{COMMAND} order NUMBER --payload`",
        )


def _documents(store: BatchStore, sent: Sequence[ImportedPayload]) -> Iterator[tuple[str, Any]]:
    """Order number and payload, read once per object; without those that retention removed or that are damaged."""
    for name, group in groupby(sorted(sent, key=lambda one: one["payload_name"]), key=lambda one: one["payload_name"]):
        numbers = {one["payload_row"]: one["order_number"] for one in group}
        try:
            rows = store.read_rows(name, numbers.keys())
            found = [(numbers[row], decode(text)) for row, text in rows.items()]
        except (OrderRelayError, ValueError):
            continue
        yield from found


def _settled(
    check: str, assumptions: Sequence[SchemaAssumption], schemas: Mapping[str, Mapping[str, Any]]
) -> Iterator[CheckResult]:
    """What each published schema says about an assumption of ours."""
    members = {name: list_members(schema) for name, schema in schemas.items()}
    for one in assumptions:
        if one.schema not in members:
            continue
        rules = members[one.schema].get(one.member)
        if one.rules == ("member",):
            if rules is None:
                advice = "searches may fail: correct the setting, or set search_by to a search that works"
                yield warn(check, f"settled: {one.topic}: not in {one.schema} (we assume: {one.assumed})", advice)
                continue
            words = "listed"
        elif rules is None:
            words = ""
        else:
            words = ", ".join(f"{rule} {_value(rules[rule])}" for rule in one.rules if rules.get(rule) is not None)
        if words:
            yield ok(check, f"settled: {one.topic}: {words} (we assume: {one.assumed})")
        else:
            yield ok(check, f"not settled: {one.topic}: {one.schema} says nothing (we assume: {one.assumed})")


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, frozenset):
        return _names(sorted(map(str, value)))
    return str(value).lower() if isinstance(value, bool) else str(value)[:100]


def _names(names: Sequence[str]) -> str:
    more = f", ... {len(names)} in all" if len(names) > _NAMED else ""
    return ", ".join(str(name)[:60] for name in names[:_NAMED]) + more
