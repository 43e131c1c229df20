"""The rules of mapping files: which value is written to which member.

docs/mapping.md is the guide for authors and lists every key of a rule; ``orders.paths`` describes paths, ``verbs`` the
keys that combine several values, ``converters`` those that read one. A key that would have no effect is an error, like
an unknown key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.mapping.converters import Converter, day_as_datetime, find_converter, moment
from order_relay.orders.mapping.verbs import (
    COMBINING_KEYS,
    CONVERTING_KEYS,
    Combine,
    first_part,
    parse_combination,
    parse_conversion,
)
from order_relay.orders.paths import check_path, through_list
from order_relay.orders.suggestions import did_you_mean
from order_relay.times import find_zone

CodeTables = Mapping[str, Mapping[str, Any]]

RULE_KEYS = {
    "target",
    "path",
    "value",
    "extract",
    "converter",
    "zone",
    "table",
    "pick",
    "unknown",
    "default",
    "required",
    "cut",
    "when",
    "drop",
    "informational",
    *COMBINING_KEYS,
    *CONVERTING_KEYS,
}
"""The keys that a rule may have."""


@dataclass(frozen=True, slots=True)
class MappingRule:
    """One rule of a mapping file, checked.

    ``table``: the values by code. ``verb``: how the values at the paths become one (``verbs``), which ``combine`` does.
    ``many``: a path goes through a list. ``has_members``: the value may be an object or a list, so that paths may lead
    into it.
    """

    target: str
    paths: tuple[str, ...] = ()
    value: Any = None
    verb: str = "first"
    combine: Combine = first_part
    many: bool = False
    extract: re.Pattern[str] | None = None
    converter: Converter | None = None
    table: Mapping[str, Any] | None = None
    table_name: str = ""
    pick: str = ""
    unknown: str = "default"
    default: Any = None
    required: bool = False
    cut: bool = False
    when: tuple[str, Any] | None = None
    informational: bool = False
    has_members: bool = False


def normalize_words(value: Any) -> str:
    """The form in which codes are looked up: without case and repeated spaces."""
    return " ".join(str(value).split()).casefold()


def merge_tables(*layers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Merge code tables row by row; later layers win."""
    merged: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for name, rows in (layer or {}).items():
            if not isinstance(rows, Mapping):
                raise ConfigurationError(f"code table {name!r}: must be an object with one member per row")
            merged.setdefault(name, {}).update({normalize_words(code): row for code, row in rows.items()})
    return merged


def merge_rules(
    base: Sequence[Mapping[str, Any]], over: Sequence[Mapping[str, Any]], where: str = "mapping"
) -> list[Mapping[str, Any]]:
    """Merge a pipeline's own rules into those of a file: by target they replace, remove (``drop``) or add rules.

    Raises ``ConfigurationError`` for a duplicate target, and for ``drop`` of a target without a rule.
    """
    rules = _by_target(base, where)
    for name, rule in _by_target(over, f"{where}, overrides").items():
        if rule.get("drop") and name not in rules:
            raise ConfigurationError(f"{where}: no rule to drop for target {name!r}{did_you_mean(name, rules)}")
        rules[name] = rule
    return [rule for rule in rules.values() if not rule.get("drop")]


def _by_target(rules: Any, where: str) -> dict[str, Mapping[str, Any]]:
    if not isinstance(rules, Sequence) or isinstance(rules, str):
        raise ConfigurationError(f"{where}: must be a list of rules")
    by_target: dict[str, Mapping[str, Any]] = {}
    for rule in rules:
        if not isinstance(rule, Mapping) or not isinstance(rule.get("target"), str):
            raise ConfigurationError(f"{where}: a rule has no target")
        if rule["target"] in by_target:
            raise ConfigurationError(f"{where}: duplicate rules for target {rule['target']!r}")
        by_target[rule["target"]] = rule
    return by_target


def parse_rules(
    rules: Sequence[Mapping[str, Any]],
    tables: CodeTables,
    settings: Mapping[str, Any],
    where: str,
    without: Sequence[str] = (),
) -> list[MappingRule]:
    """Check and prepare rules. ``without``: keys that have no effect here, such as ``cut`` in a source's rules.

    Raises ``ConfigurationError`` that names ``where``, the target and the problem.
    """
    parsed = [_rule(rule, tables, settings, where) for rule in rules]
    for rule in rules:
        if ignored := [name for name in without if name in rule]:
            raise ConfigurationError(f"{where}, target {rule['target']!r}: {ignored[0]} has no effect in this section")
    return parsed


DESTINATION_ONLY_KEYS = ("cut", "when")
"""Keys that only a destination's rules can have."""


def _rule(raw: Mapping[str, Any], tables: CodeTables, settings: Mapping[str, Any], where: str) -> MappingRule:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("target"), str):
        raise ConfigurationError(f"{where}: a rule has no target")
    context = f"{where}, target {raw['target']!r}"
    if unknown := set(raw) - RULE_KEYS:
        allowed = ", ".join(sorted(RULE_KEYS))
        raise ConfigurationError(f"{context}: unknown key {min(map(str, unknown))!r}; allowed: {allowed}")
    for name in ("pick", "unknown"):
        if name in raw and raw.get("table") is None:
            raise ConfigurationError(f"{context}: {name} has no effect without table")
    if ("path" in raw) == ("value" in raw):
        raise ConfigurationError(f"{context}: needs either path or value, not both")
    paths = raw.get("path", ())
    paths = (paths,) if isinstance(paths, str) else paths
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str) and path for path in paths):
        raise ConfigurationError(f"{context}: path must be text or a list of texts")
    paths = tuple(paths)
    for path in paths:
        check_path(path, context)
        if path.startswith("settings.") and len(paths) > 1:
            raise ConfigurationError(f"{context}: {path!r} must be the only path; to complete others, use default")
    value = raw.get("value")
    if len(paths) == 1 and paths[0].startswith("settings."):
        value, paths = _setting(paths[0].removeprefix("settings."), settings, context), ()
    default = _constant(raw.get("default"), settings, context)
    when = raw.get("when")
    if when is not None and not (isinstance(when, Mapping) and {"target", "is"} == set(when)):
        raise ConfigurationError(f"{context}: when needs 'target' and 'is'")
    verb, combine = parse_combination(raw, paths, context)
    return MappingRule(
        target=raw["target"],
        paths=paths,
        value=value,
        verb=verb,
        combine=combine,
        many=any(map(through_list, paths)),
        extract=_extract(raw.get("extract"), context),
        converter=parse_conversion(raw, _converter(raw, settings, context), context),
        table=_table(raw, tables, context),
        table_name=str(raw.get("table") or ""),
        pick=str(raw.get("pick", "")),
        unknown=_one_of(raw.get("unknown", "default"), ("default", "note", "keep", "refuse"), context),
        default=default,
        required=bool(raw.get("required", False)),
        cut=bool(raw.get("cut", False)),
        when=(str(when["target"]), when["is"]) if when else None,
        informational=_informational(raw, context),
        has_members=raw.get("converter") in {None, "text_map"} or "list" in raw or "to_list" in raw,
    )


def _informational(raw: Mapping[str, Any], context: str) -> bool:
    given = raw.get("informational", False)
    if not isinstance(given, bool) or (given and raw.get("required")):
        raise ConfigurationError(
            f"{context}: informational must be true or false, and a required value cannot be informational"
        )
    return given


def _constant(value: Any, settings: Mapping[str, Any], context: str) -> Any:
    """A constant of a rule, or the value of the setting that it names."""
    if isinstance(value, Mapping) and set(value) == {"setting"}:
        return _setting(str(value["setting"]), settings, context)
    return value


def _extract(pattern: Any, context: str) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError):
        compiled = None
    if compiled is None or compiled.groups != 1:
        raise ConfigurationError(f"{context}: extract must be a pattern with exactly one group")
    return compiled


def _converter(raw: Mapping[str, Any], settings: Mapping[str, Any], context: str) -> Converter | None:
    name = raw.get("converter")
    zone = _constant(raw.get("zone"), settings, context)
    if zone is None:
        if name in _ZONE_REQUIRED:
            raise ConfigurationError(
                f"{context}: the converter {name} needs a zone, such as zone: America/Phoenix, or "
                "zone: {setting: time_zone}"
            )
        return find_converter(name, context) if name else None
    if name not in _ZONED:
        raise ConfigurationError(f"{context}: zone is allowed only for the converters {' and '.join(_ZONED)}")
    time_zone = find_zone(zone)
    if time_zone is None:
        raise ConfigurationError(f"{context}: zone must be the name of a time zone, such as Europe/Amsterdam")
    return partial(_ZONED[name], zone=time_zone)


_ZONED = {"moment": moment, "day_as_datetime": day_as_datetime}
_ZONE_REQUIRED = ("day_as_datetime",)


def _one_of(value: Any, allowed: tuple[str, ...], context: str) -> str:
    if value not in allowed:
        raise ConfigurationError(f"{context}: unknown must be one of {', '.join(allowed)}")
    return str(value)


def _setting(name: str, settings: Mapping[str, Any], context: str) -> Any:
    if name not in settings:
        raise ConfigurationError(f"{context}: unknown setting {name!r}{did_you_mean(name, settings)}")
    return settings[name]


def _table(raw: Mapping[str, Any], tables: CodeTables, context: str) -> Mapping[str, Any] | None:
    name = raw.get("table")
    if name is None:
        return None
    if name not in tables:
        raise ConfigurationError(f"{context}: unknown code table {name!r}{did_you_mean(str(name), tables)}")
    rows = tables[name]
    if pick := raw.get("pick"):
        for code, row in rows.items():
            if not isinstance(row, Mapping) or pick not in row:
                raise ConfigurationError(f"{context}: row {code!r} of code table {name!r} has no {pick!r}")
        return {code: row[pick] for code, row in rows.items()}
    return rows
