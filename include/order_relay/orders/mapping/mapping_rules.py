"""Mapping files: which value goes where, as data.

A rule has a ``target``, a ``path`` or a ``value``, and as many as it needs of the others:

* ``path``: where the value is read (dots; a list means the first that has one; ``settings.x`` reads a setting);
* ``join``: a separator: of a list of paths all that have a value count, joined by it;
* ``extract``: a pattern with one group (Python's): only that part of the text counts; where it does not match, nothing;
* ``value``: a constant instead of a path;
* ``converter``: a named converter (converters.py);
* ``zone``: of a ``moment``: the time zone of date-times that carry none (a name, or ``{setting: x}``); of a
  ``day_as_datetime``: the zone in which the day begins, required there;
* ``table``: a code table (looked up without regard to case and repeated blanks), ``pick`` a member of its row;
* ``unknown``: what to do with a value that the table lacks: ``default``, ``note`` (the default, and a note where the
  table has rows at all), ``keep`` (the value itself), ``refuse``;
* ``default``: used where nothing was found; ``{setting: x}`` reads a setting;
* ``required``: a missing value refuses the record;
* ``cut``: a text longer than the target's limit is cut to it, with a note; without it, it is refused by the schema;
* ``when``: ``{target: ..., is: ...}``, the rule counts only where another target of this mapping has that value;
* ``informational``: a value that cannot be read is left out, with a note on the order, instead of refusing it;
* ``drop: true`` (in overrides): removes the rule of that target.

What a rule says must have an effect: a member that would be ignored is refused at the start, like an unknown one.
docs/mapping.md explains the language to those who write such files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.mapping.converters import Converter, day_as_datetime, find_converter, moment
from order_relay.orders.suggestions import did_you_mean
from order_relay.times import find_zone

CodeTables = Mapping[str, Mapping[str, Any]]

_MEMBERS = {
    "target",
    "path",
    "value",
    "join",
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
}


@dataclass(frozen=True, slots=True)
class MappingRule:
    """One line of a mapping file, checked."""

    target: str
    paths: tuple[str, ...] = ()
    value: Any = None
    join: str | None = None
    extract: re.Pattern[str] | None = None
    converter: Converter | None = None
    table: Mapping[str, Any] | None = None
    pick: str = ""
    unknown: str = "default"
    default: Any = None
    required: bool = False
    cut: bool = False
    when: tuple[str, Any] | None = None
    informational: bool = False


def normalize_words(value: Any) -> str:
    """The form in which code tables are looked up."""
    return " ".join(str(value).split()).casefold()


def merge_tables(*layers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Code tables, later layers over earlier ones, row by row."""
    merged: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for name, rows in (layer or {}).items():
            if not isinstance(rows, Mapping):
                raise ConfigurationError(f"code table {name!r} is not an object of rows")
            merged.setdefault(name, {}).update({normalize_words(code): row for code, row in rows.items()})
    return merged


def merge_rules(
    base: Sequence[Mapping[str, Any]], over: Sequence[Mapping[str, Any]], where: str = "mapping"
) -> list[Mapping[str, Any]]:
    """The rules of a file with a firm's own: the same target replaces, ``drop`` removes, others are added.

    Raises ``ConfigurationError`` where one of the two lists has a target more than once, or drops one that there is
    not.
    """
    rules = _by_target(base, where)
    for name, rule in _by_target(over, f"{where}, overrides").items():
        if rule.get("drop") and name not in rules:
            raise ConfigurationError(
                f"{where}: there is no rule to drop for target {name!r}{did_you_mean(name, rules)}"
            )
        rules[name] = rule
    return [rule for rule in rules.values() if not rule.get("drop")]


def _by_target(rules: Any, where: str) -> dict[str, Mapping[str, Any]]:
    if not isinstance(rules, Sequence) or isinstance(rules, str):
        raise ConfigurationError(f"{where}: must be a list of rules")
    found: dict[str, Mapping[str, Any]] = {}
    for rule in rules:
        if not isinstance(rule, Mapping) or not isinstance(rule.get("target"), str):
            raise ConfigurationError(f"{where}: a rule has no target")
        if rule["target"] in found:
            raise ConfigurationError(f"{where}: target {rule['target']!r} has two rules; one would be ignored")
        found[rule["target"]] = rule
    return found


def parse_rules(
    rules: Sequence[Mapping[str, Any]],
    tables: CodeTables,
    settings: Mapping[str, Any],
    where: str,
    without: Sequence[str] = (),
) -> list[MappingRule]:
    """Check and prepare rules. ``without``: members that have no meaning here, such as ``cut`` in a source's rules.

    Raises ``ConfigurationError`` naming ``where``, the target and what is wrong.
    """
    found = [_rule(rule, tables, settings, where) for rule in rules]
    for rule in rules:
        if ignored := [name for name in without if name in rule]:
            raise ConfigurationError(f"{where}, target {rule['target']!r}: {ignored[0]} has no effect in this section")
    return found


DESTINATION_ONLY_KEYS = ("cut", "when")
"""Members that only a destination's rules can have."""


def _rule(raw: Mapping[str, Any], tables: CodeTables, settings: Mapping[str, Any], where: str) -> MappingRule:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("target"), str):
        raise ConfigurationError(f"{where}: a rule has no target")
    place = f"{where}, target {raw['target']!r}"
    if unknown := set(raw) - _MEMBERS:
        allowed = ", ".join(sorted(_MEMBERS))
        raise ConfigurationError(f"{place}: unknown member {min(map(str, unknown))!r}; allowed: {allowed}")
    for name in ("pick", "unknown"):
        if name in raw and raw.get("table") is None:
            raise ConfigurationError(f"{place}: {name} has no effect without table")
    if ("path" in raw) == ("value" in raw):
        raise ConfigurationError(f"{place}: needs either path or value")
    paths = raw.get("path", ())
    paths = (paths,) if isinstance(paths, str) else paths
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str) and path for path in paths):
        raise ConfigurationError(f"{place}: path is not text")
    paths = tuple(paths)
    value = raw.get("value")
    if len(paths) == 1 and paths[0].startswith("settings."):
        value, paths = _setting(paths[0].removeprefix("settings."), settings, place), ()
    default = _constant(raw.get("default"), settings, place)
    when = raw.get("when")
    if when is not None and not (isinstance(when, Mapping) and {"target", "is"} == set(when)):
        raise ConfigurationError(f"{place}: when needs 'target' and 'is'")
    return MappingRule(
        target=raw["target"],
        paths=paths,
        value=value,
        join=_join(raw, paths, place),
        extract=_extract(raw.get("extract"), place),
        converter=_converter(raw, settings, place),
        table=_table(raw, tables, place),
        pick=str(raw.get("pick", "")),
        unknown=_one_of(raw.get("unknown", "default"), ("default", "note", "keep", "refuse"), place),
        default=default,
        required=bool(raw.get("required", False)),
        cut=bool(raw.get("cut", False)),
        when=(str(when["target"]), when["is"]) if when else None,
        informational=_informational(raw, place),
    )


def _informational(raw: Mapping[str, Any], place: str) -> bool:
    given = raw.get("informational", False)
    if not isinstance(given, bool) or (given and raw.get("required")):
        raise ConfigurationError(
            f"{place}: informational must be true or false, and a required value cannot be informational"
        )
    return given


def _constant(value: Any, settings: Mapping[str, Any], place: str) -> Any:
    """A value that stands in the rule, or that of the setting that it names."""
    if isinstance(value, Mapping) and set(value) == {"setting"}:
        return _setting(str(value["setting"]), settings, place)
    return value


def _join(raw: Mapping[str, Any], paths: tuple[str, ...], place: str) -> str | None:
    join = raw.get("join")
    if join is not None and (not isinstance(join, str) or len(paths) < 2):
        raise ConfigurationError(f"{place}: join needs a text and several paths")
    return join


def _extract(pattern: Any, place: str) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError):
        compiled = None
    if compiled is None or compiled.groups != 1:
        raise ConfigurationError(f"{place}: extract needs a pattern with one group")
    return compiled


def _converter(raw: Mapping[str, Any], settings: Mapping[str, Any], place: str) -> Converter | None:
    name = raw.get("converter")
    zone = _constant(raw.get("zone"), settings, place)
    if zone is None:
        if name in _ZONE_REQUIRED:
            raise ConfigurationError(
                f"{place}: the converter {name} needs a zone, such as zone: America/Phoenix, or "
                "zone: {setting: time_zone}"
            )
        return find_converter(name, place) if name else None
    if name not in _ZONED:
        raise ConfigurationError(f"{place}: zone belongs to the converters {' and '.join(_ZONED)}")
    found = find_zone(zone)
    if found is None:
        raise ConfigurationError(f"{place}: zone must be the name of a time zone, such as Europe/Amsterdam")
    return partial(_ZONED[name], zone=found)


_ZONED = {"moment": moment, "day_as_datetime": day_as_datetime}
_ZONE_REQUIRED = ("day_as_datetime",)


def _one_of(value: Any, allowed: tuple[str, ...], place: str) -> str:
    if value not in allowed:
        raise ConfigurationError(f"{place}: unknown must be one of {', '.join(allowed)}")
    return str(value)


def _setting(name: str, settings: Mapping[str, Any], place: str) -> Any:
    if name not in settings:
        raise ConfigurationError(f"{place}: there is no setting {name!r}{did_you_mean(name, settings)}")
    return settings[name]


def _table(raw: Mapping[str, Any], tables: CodeTables, place: str) -> Mapping[str, Any] | None:
    name = raw.get("table")
    if name is None:
        return None
    if name not in tables:
        raise ConfigurationError(f"{place}: there is no code table {name!r}{did_you_mean(str(name), tables)}")
    rows = tables[name]
    if pick := raw.get("pick"):
        for code, row in rows.items():
            if not isinstance(row, Mapping) or pick not in row:
                raise ConfigurationError(f"{place}: row {code!r} of code table {name!r} has no {pick!r}")
        return {code: row[pick] for code, row in rows.items()}
    return rows
