"""Empty values: sources send empty texts, lists and objects for missing members."""

from __future__ import annotations

from typing import Any

_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
"""Invisible characters that ``str.strip`` does not remove."""


def is_empty(value: Any) -> bool:
    """Whether a value means "missing": null, a text without a visible character, an empty list or object."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or not value.strip().strip(_INVISIBLE).strip()
    return isinstance(value, list | dict) and not value


def drop_empty(document: Any) -> Any:
    """``document`` without members that are empty, or that hold only empty ones; elements of lists are kept.

    If nothing is empty, the same object is returned.
    """
    if isinstance(document, dict):
        kept = {name: drop_empty(value) for name, value in document.items() if not is_empty(value)}
        kept = {name: value for name, value in kept.items() if not is_empty(value)}
        same = len(kept) == len(document) and all(kept[name] is value for name, value in document.items())
        return document if same else kept
    if isinstance(document, list):
        items = [drop_empty(item) for item in document]
        return items if any(new is not old for new, old in zip(items, document, strict=True)) else document
    return document
