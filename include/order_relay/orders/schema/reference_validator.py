"""The reference validator: ``jsonschema`` with this package's formats, number types and ECMA-262 patterns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import jsonschema

from order_relay.orders.schema.formats import FORMATS, is_integer, is_number


@lru_cache(maxsize=256)
def _ecma(pattern: str) -> re.Pattern[str]:
    """A JSON Schema pattern (ECMA-262) in Python: ``$`` must not match before a final line feed."""
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern))


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, str) and not _ecma(pattern).search(instance):
        yield jsonschema.ValidationError("does not match the pattern")


def reference_validator(schema: Mapping[str, Any]) -> Any:
    """A ``jsonschema`` validator of this schema, with our formats and number types."""
    base = jsonschema.Draft202012Validator
    types = base.TYPE_CHECKER.redefine("number", lambda _, value: is_number(value))
    types = types.redefine("integer", lambda _, value: is_integer(value))
    checker = jsonschema.FormatChecker(formats=())
    for name, accepts in FORMATS.items():
        checker.checks(name)(accepts)
    exact: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        base, {"pattern": _pattern}, type_checker=types
    )
    return exact(schema, format_checker=checker)
