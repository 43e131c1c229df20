"""The identity of an order: its identifying columns, read by the section ``identity`` of ``mapping.yaml``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.empty_values import is_empty
from order_relay.orders.identity.lineage import LINEAGE_FORMATS, TEXT, usable_lineage
from order_relay.orders.identity.scalars import identifier_of, integer_of, text_of
from order_relay.orders.json_text import canonical_hash
from order_relay.orders.paths import check_path, first_value, iterate_values, list_values, remove_paths, split_at_list

IDENTITY_COLUMNS: tuple[str, ...] = (
    "source_id",  # str: the source's id of this submission; "sha256:<hash>" if it has none that can be used
    "lineage",  # str: the uuid in upper case, or the source id if there is no usable one
    "order_number",  # str: exactly as received, never cut or normalized; "" if there is none
    "version",  # int: orders the versions of a lineage, the highest is the newest
    "suffix",  # int | None: the version suffix of the order number
    "base_number",  # str: the order number without that suffix
    "reference",  # str: the last part of an order number that is joined of several, else ""
    "items",  # tuple[str, ...]: item numbers, sorted, each once
    "customer_number",  # str
    "customer_po",  # str
    "content_hash",  # str: the fingerprint of its content
    "problem",  # str: a refusal code found while reading or identifying, or ""
)
"""The result of ``identify`` for each offered order. The offers frame of a batch has these, ``part`` and ``row``."""

POSITION_COLUMNS: tuple[str, ...] = ("part", "row")
"""Position of the raw order in its batch: number of the part, and line within the part; both from 0."""

IDENTITY_UNUSABLE = "identity_unusable"
"""Refusal code: no id, no version number, or a value that the ledger cannot store (see ``scalars.text_of``)."""

ORDER_NUMBER_UNUSABLE = "order_number_unusable"
"""Refusal code: the order number is present, but too long, not text, or not an identifier (see ``identifiers``)."""

UNREADABLE_VALUE = "unreadable_value"
"""Refusal code: the document holds a value that has no JSON form."""

HASHED_ID_PREFIX = "sha256:"
"""Prefix of the source id of a submission without an id of its own; the hash of its content follows."""

SEPARATE_LINEAGE_MARK = "//"


@dataclass(frozen=True)
class IdentityPaths:
    """The paths of an order's identity in a vendor's document (``orders.paths``).

    ``order_number`` may be several paths, whose values are all required and joined by dashes.
    ``lineage_form``: ``uuid`` if ``lineage`` holds one, so that any other value is ignored; ``text`` accepts any text
    that is not a placeholder.
    ``suffix_pattern``: empty (the default) if order numbers carry no version.
    ``items_need``: a line counts as an item only if one of these paths (seen from the line) is not null. Without it, a
    promotion text on every order would make different orders look alike.
    ``volatile``: members that change without the order changing, such as the time of the last access. They are
    ignored when a known order is offered again.
    """

    source_id: str
    order_number: tuple[str, ...]
    lineage: str = ""
    version: str = ""
    items: str = ""
    customer_number: str = ""
    customer_po: str = ""
    lineage_form: str = TEXT
    suffix_pattern: str = ""
    items_need: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, section: Mapping[str, Any], where: str = "identity") -> IdentityPaths:
        """Read the section of a mapping file.

        Raises ``ConfigurationError`` with ``where``, the key and the allowed values.
        """
        allowed = tuple(cls.__dataclass_fields__)
        section = dict(section)
        if isinstance(section.get("order_number"), str):
            section["order_number"] = [section["order_number"]] if section["order_number"] else []
        for key, value in section.items():
            if key not in allowed:
                raise ConfigurationError(f"{where}: unknown key {key!r}; allowed: {', '.join(allowed)}")
            if key in _LISTS:
                if not isinstance(value, list | tuple) or not all(isinstance(path, str) and path for path in value):
                    raise ConfigurationError(f"{where}.{key}: must be a list of paths")
                section[key] = tuple(value)
            elif not isinstance(value, str):
                raise ConfigurationError(f"{where}.{key}: must be a path such as 'customer.number'")
            for path in (section[key] if key in _LISTS else (value,)) if key not in NOT_PATHS else ():
                check_path(path, f"{where}.{key}")
        for key in ("source_id", "order_number"):
            if not section.get(key):
                raise ConfigurationError(f"{where}.{key}: is missing")
        paths = cls(**section)
        if paths.lineage_form not in LINEAGE_FORMATS:
            raise ConfigurationError(f"{where}.lineage_form: must be one of {', '.join(LINEAGE_FORMATS)}")
        try:
            groups = re.compile(paths.suffix_pattern).groupindex
        except re.error:
            groups = {}
        if paths.suffix_pattern and not {"base", "suffix"} <= set(groups):
            raise ConfigurationError(
                f"{where}.suffix_pattern: must be a pattern with the groups 'base' and 'suffix', or empty"
            )
        return paths


NOT_PATHS = ("suffix_pattern", "lineage_form")
"""Keys of the section that do not hold a path."""

_LISTS = ("order_number", "items_need", "volatile")


def separate_lineage(lineage: str, source_id: str) -> str:
    """The lineage of a submission that is a separate order although it has another order's uuid."""
    return f"{source_lineage(lineage)}{SEPARATE_LINEAGE_MARK}{source_id}"


def source_lineage(lineage: str) -> str:
    """The lineage as offered by the source, regardless of later decisions."""
    return lineage.partition(SEPARATE_LINEAGE_MARK)[0]


def text_hash(content: str) -> str:
    """The content hash of an order of which only the text is known."""
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def identify(
    document: Any,
    paths: IdentityPaths,
    problem: str = "",
    content: str = "",
    fingerprint: Callable[[Any], str] | None = None,
) -> dict[str, Any]:
    """The ``IDENTITY_COLUMNS`` of one document. Never raises; without an identity, the content hash is the id.

    ``problem``: the problem found while reading (``SourceOrder.problem``); it takes precedence over those found here.
    ``content``: the text of a malformed order; its hash is used, and ``document`` serves only to identify the order.
    ``fingerprint`` hashes the content (``mapping.content_hash``); without it, every member that is not volatile
    counts. All members count for a document that cannot be identified.
    """
    source_id = identifier_of(first_value(document, paths.source_id))
    raw_numbers = [first_value(document, path) for path in paths.order_number]
    order_number = _number(raw_numbers)
    version = integer_of(first_value(document, paths.version)) if paths.version else 0
    usable = bool(source_id) and version is not None
    if content and paths.lineage and not text_of(first_value(document, paths.lineage)).strip():
        usable = False  # once fixed, the order would have a lineage that contradicts this one
    content_hash, unreadable = _content_hash(document, paths, content, fingerprint if usable else None)
    problem = problem or unreadable
    if not usable:
        source_id, order_number, version = f"{HASHED_ID_PREFIX}{content_hash}", "", 0
        problem = problem or IDENTITY_UNUSABLE
    elif any(raw not in (None, "") for raw in raw_numbers) and not order_number.strip():
        problem, order_number = problem or ORDER_NUMBER_UNUSABLE, ""
    base, suffix = _split(order_number, paths.suffix_pattern)
    lineage = usable_lineage(text_of(first_value(document, paths.lineage)), paths.lineage_form) if usable else ""
    return {
        "source_id": source_id,
        "lineage": lineage.replace(SEPARATE_LINEAGE_MARK, "/") or source_id,
        "order_number": order_number,
        "version": version,
        "suffix": suffix,
        "base_number": base,
        "reference": text_of(raw_numbers[-1]) if order_number and len(raw_numbers) > 1 else "",
        "items": _items(document, paths),
        "customer_number": text_of(first_value(document, paths.customer_number)).strip(),
        "customer_po": text_of(first_value(document, paths.customer_po)),
        "content_hash": content_hash,
        "problem": problem,
    }


def _content_hash(
    document: Any, paths: IdentityPaths, content: str, fingerprint: Callable[[Any], str] | None
) -> tuple[str, str]:
    """The hash of an order's content, and the problem if it has no JSON form, such as half a character."""
    try:
        if content:
            return text_hash(content), ""
        if fingerprint is not None:
            return fingerprint(document), ""
        return canonical_hash(remove_paths(document, paths.volatile)), ""
    except (TypeError, ValueError, OverflowError):
        return hashlib.sha256(repr(document).encode("utf-8", "surrogatepass")).hexdigest(), UNREADABLE_VALUE


def read_order_number(document: Any, paths: IdentityPaths) -> str:
    """The order number of a document that cannot be identified; only shown to operators."""
    return _number([first_value(document, path) for path in paths.order_number]).strip()


def _number(raw: Sequence[Any]) -> str:
    """The parts joined by dashes; "" unless each is usable."""
    parts = [identifier_of(part) for part in raw]
    return "-".join(parts) if all(part.strip() for part in parts) or len(parts) == 1 else ""


def _split(order_number: str, pattern: str) -> tuple[str, int | None]:
    match = re.fullmatch(pattern, order_number) if pattern else None
    return (match["base"], int(match["suffix"])) if match else (order_number, None)


def _items(document: Any, paths: IdentityPaths) -> tuple[str, ...]:
    if not paths.items:
        return ()
    lines, name = split_at_list(paths.items)
    if not paths.items_need or not lines:
        found = iterate_values(document, paths.items)
    else:
        found = (
            value
            for line in iterate_values(document, lines)
            if not all(is_empty(first_value(line, need)) for need in paths.items_need)
            for value in list_values(line, name)
        )
    return tuple(sorted({text for text in map(identifier_of, found) if text}))
