"""YAML without its traps: duplicate keys are errors, and only decimal numbers are numbers.

YAML 1.1 reads ``NO`` (Norway, or the payment type) as false, ``012`` as ten and ``2026-01-02`` as a date. Here ``true``
and ``false`` are the only booleans, numbers are decimal, and everything else is text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from order_relay.errors import ConfigurationError
from order_relay.orders.yaml_loader import SafeLoader


class _Loader(SafeLoader):
    """The safe loader with other rules for plain scalars."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - the base class's way

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key.value!r}", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)\.[0-9]+", "-0123456789"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a file. Raises ``ConfigurationError`` with the file, the line and the problem."""
    try:
        value = _load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError(f"{path.name}{line}: {error.problem}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path.name}: cannot be read as YAML ({type(error).__name__})") from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(f"{path.name}: must contain keys and values, such as 'source:' and 'destination:'")
    return value


def read_value(text: str, where: str) -> Any:
    """One value as it is written in a file. Raises ``ConfigurationError`` with ``where`` and the problem."""
    try:
        return _load(text)
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError(f"{where}: {error.problem}; put texts with special characters in quotes") from None
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{where}: cannot be read as YAML ({type(error).__name__})") from None


def _load(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
