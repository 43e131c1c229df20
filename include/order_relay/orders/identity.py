"""Who an order is: the few columns by which offers are told apart, without their content.

Where a vendor keeps them stands in the section ``identity`` of its ``mapping.yaml``; this module knows no field name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from order_relay.errors import WrongSetup
from order_relay.orders.json_text import canonical_hash

OFFER_COLUMNS: tuple[str, ...] = (
    "source_id",      # str: the source's id of this submission; "sha256:<hash>" where there is none to use
    "lineage",        # str: the uuid in upper case, or the source id where there is none
    "order_number",   # str: exactly as received, never cut or normalised; "" where there is none
    "version",        # int: orders the versions of a lineage, the highest is the newest
    "suffix",         # int | None: the version suffix of the order number
    "base_number",    # str: the order number without that suffix
    "items",          # tuple[str, ...]: item numbers, sorted, each once
    "customer_po",    # str
    "content_hash",   # str: sha256 over the whole document
    "problem",        # str: a refusal code found while reading or identifying, or ""
)
"""What ``identify`` gives for each offered order. The offers frame of a batch has these, ``part`` and ``row``."""

PLACE_COLUMNS: tuple[str, ...] = ("part", "row")
"""Where the raw order lies in its batch: number of the part, line within the part; both from 0."""

UNUSABLE = "identity_unusable"
"""Refusal code: no id, no number that orders its versions, or one that no ledger can keep (see ``_text``)."""

NUMBER_UNUSABLE = "order_number_unusable"
"""Refusal code: the order number is there, but too long, not text, or holds control characters or half characters."""

UNREADABLE = "unreadable_value"
"""Refusal code: the document holds a value that has no JSON form."""

SEPARATE_MARK = "//"
MAX_TEXT = 200        # characters of an id or number; longer ones are taken for damage, not for an identity
MAX_VERSION = 2**63 - 1  # what a database's largest whole number holds
DEFAULT_SUFFIX = r"(?P<base>[^-]+-[^-]+-[^-]+)-(?P<suffix>[0-9]{1,9})"
"""A fourth dash group of digits. Base numbers hold two dashes themselves (page-supercat.txt, the example family)."""

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class IdentityPaths:
    """Where a vendor's document holds its identity. Paths are dotted names; ``name[]`` goes through a list.

    ``items_need``: a line counts as an item only if one of these paths (seen from the line) is not null. Without it a
    promotion text that stands on every order would make unlike orders look alike.
    """

    source_id: str
    order_number: str
    lineage: str = ""
    version: str = ""
    items: str = ""
    customer_po: str = ""
    suffix_pattern: str = DEFAULT_SUFFIX
    items_need: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, section: Mapping[str, Any], where: str = "identity") -> IdentityPaths:
        """Read the section of a mapping file. Raises ``WrongSetup`` naming ``where``, the key and what is allowed."""
        allowed = tuple(cls.__dataclass_fields__)
        for key, value in section.items():
            if key not in allowed:
                raise WrongSetup(f"{where}: unknown key {key!r}; allowed: {', '.join(allowed)}")
            if not isinstance(value, str) and key != "items_need":
                raise WrongSetup(f"{where}.{key}: must be a path such as 'customer.number'")
        for key in ("source_id", "order_number"):
            if not section.get(key):
                raise WrongSetup(f"{where}.{key}: is missing")
        need = section.get("items_need", ())
        if isinstance(need, str) or not all(isinstance(path, str) for path in need):
            raise WrongSetup(f"{where}.items_need: must be a list of paths")
        paths = cls(**{**section, "items_need": tuple(need)})
        try:
            groups = re.compile(paths.suffix_pattern).groupindex
        except re.error:
            groups = {}
        if not {"base", "suffix"} <= set(groups):
            raise WrongSetup(f"{where}.suffix_pattern: must be a pattern with the groups 'base' and 'suffix'")
        return paths


def separate_lineage(lineage: str, source_id: str) -> str:
    """The lineage of a submission that is an order of its own although it came under another order's uuid."""
    return f"{offered_lineage(lineage)}{SEPARATE_MARK}{source_id}"


def offered_lineage(lineage: str) -> str:
    """The lineage under which the source offered it, whatever was decided since."""
    return lineage.partition(SEPARATE_MARK)[0]


def identify(document: Any, paths: IdentityPaths, problem: str = "") -> dict[str, Any]:
    """The ``OFFER_COLUMNS`` of one document. Raises nothing: what can not be identified gets its content hash as id.

    ``problem`` is what was found while reading (``OfferedOrder.problem``); it stays, and is kept before ours.
    """
    try:
        content_hash = canonical_hash(document)
    except (TypeError, ValueError, OverflowError):  # a value without a JSON form, such as half a character
        content_hash = hashlib.sha256(repr(document).encode("utf-8", "surrogatepass")).hexdigest()
        problem = problem or UNREADABLE
    source_id = _text(_first(document, paths.source_id)).strip()
    raw_number = _first(document, paths.order_number)
    order_number = _text(raw_number)
    version = _whole(_first(document, paths.version)) if paths.version else 0
    usable = bool(source_id) and version is not None
    if not usable:
        source_id, order_number, version = f"sha256:{content_hash}", "", 0
        problem = problem or UNUSABLE
    elif raw_number not in (None, "") and not order_number.strip():
        problem, order_number = problem or NUMBER_UNUSABLE, ""
    base, suffix = _split(order_number, paths.suffix_pattern)
    lineage = _text(_first(document, paths.lineage)).strip().upper() if usable else ""
    return {
        "source_id": source_id,
        "lineage": lineage.replace(SEPARATE_MARK, "/") or source_id,
        "order_number": order_number,
        "version": version,
        "suffix": suffix,
        "base_number": base,
        "items": _items(document, paths),
        "customer_po": _text(_first(document, paths.customer_po)),
        "content_hash": content_hash,
        "problem": problem,
    }


@lru_cache(maxsize=256)
def _steps(path: str) -> tuple[tuple[str, bool], ...]:
    """The names along a path, and whether each one's list is gone through. Split once, not once an order."""
    return tuple((step.removesuffix("[]"), step.endswith("[]")) for step in path.split(".")) if path else ()


def _first(node: Any, path: str) -> Any:
    """The first value at a path, or ``None``."""
    steps = _steps(path)
    if len(steps) == 1 and not steps[0][1]:
        return node.get(path) if isinstance(node, dict) else None
    return next(_values(node, path), None)


def _each(node: Any, path: str) -> Iterable[Any]:
    """All values at a path; without the cost of a generator where no list is on the way."""
    return (_first(node, path),) if "[]" not in path else _values(node, path)


def _values(node: Any, path: str) -> Iterator[Any]:
    """What stands at a path; nothing where a part of it is missing or of another shape."""
    if not path:
        return
    nodes = [node]
    for name, through_list in _steps(path):
        found = [n[name] for n in nodes if isinstance(n, dict) and name in n]
        nodes = [child for n in found if isinstance(n, list) for child in n] if through_list else found
    yield from nodes


def _text(value: Any) -> str:
    """A text or whole number as text; "" for anything else, and for what a database column can not hold."""
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value() and value < MAX_VERSION:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, int) and abs(value) > MAX_VERSION:
        return ""
    text = str(value)
    return "" if len(text) > MAX_TEXT or _UNSTORABLE.search(text) else text


def _whole(value: Any) -> int | None:
    """A whole number not below 0, given as number or as digits."""
    text = _text(value).strip()
    if not _DIGITS.fullmatch(text):
        return None
    number = int(text)
    return number if number <= MAX_VERSION else None


def _split(order_number: str, pattern: str) -> tuple[str, int | None]:
    match = re.fullmatch(pattern, order_number)
    return (match["base"], int(match["suffix"])) if match else (order_number, None)


def _items(document: Any, paths: IdentityPaths) -> tuple[str, ...]:
    if not paths.items:
        return ()
    lines, _, name = paths.items.rpartition("[].")
    if not paths.items_need or not lines:
        found = _values(document, paths.items)
    else:
        found = (
            value
            for line in _values(document, f"{lines}[]")
            if any(_first(line, need) is not None for need in paths.items_need)
            for value in _each(line, name)
        )
    return tuple(sorted({text for text in map(_text, found) if text}))
