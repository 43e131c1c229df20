"""Choices that a destination's mapping file declares, fixed or by a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.suggestions import did_you_mean


def read_choice(
    section: Mapping[str, Any], key: str, allowed: Sequence[str], values: Mapping[str, Any], where: str
) -> str:
    """One of ``allowed``, the first if the key is missing. ``{setting: x}`` reads the setting from ``values``.

    Raises ``ConfigurationError`` that names the key.
    """
    given = section.get(key, allowed[0])
    if isinstance(given, Mapping) and set(given) == {"setting"}:
        name = str(given["setting"])
        if name not in values:
            raise ConfigurationError(f"{where}.{key}: unknown setting {name!r}{did_you_mean(name, values)}")
        given = values[name]
    if given not in allowed:
        raise ConfigurationError(
            f"{where}.{key}: must be one of {', '.join(allowed)}, or a setting with one of these values"
        )
    return str(given)
