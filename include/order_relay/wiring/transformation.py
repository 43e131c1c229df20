"""What the vendors' folders add to a pipeline's transformation: settings model, payload hooks, account facts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from order_relay import COMMAND
from order_relay.errors import ConfigurationError
from order_relay.ledger.operators.code_tables import CodeTableRow
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.mapping.code_tables import overlay
from order_relay.orders.payload.hooks import PayloadHooks
from order_relay.orders.payload.mapping_setup import source_reader
from order_relay.orders.payload.transform_settings import TransformSettings
from order_relay.pipeline.settings.pipeline import PipelineSettings
from order_relay.vendors import load_vendor, optional_module


def settings_model(vendor: str) -> type[TransformSettings]:
    """The settings of a destination's transformation: ``SETTINGS`` of ``vendors/NAME/transform.py``, if it exists."""
    model: type[TransformSettings] = _optional(vendor, "transform", "SETTINGS", TransformSettings)
    return model


def payload_hooks(vendor: str) -> PayloadHooks:
    """The hooks of a destination: ``HOOKS`` of ``vendors/NAME/payload.py``, if it exists."""
    hooks: PayloadHooks = _optional(vendor, "payload", "HOOKS", PayloadHooks())
    return hooks


def _optional(vendor: str, part: str, name: str, default: Any) -> Any:
    load_vendor(vendor)  # names an unknown vendor
    return getattr(optional_module(vendor, part), name, default)


def transform_settings(settings: PipelineSettings, facts: Mapping[str, Any] | None = None) -> TransformSettings:
    """The transformation's settings of a pipeline. ``facts``: those of the connections; without them placeholders are
    used. Raises ``ConfigurationError`` naming file and key."""
    model = settings_model(settings.destination.vendor)
    if facts is None:
        known = {name for party in (settings.source, settings.destination) for name in fact_names(party.vendor)}
        facts = {**dict.fromkeys(known - model.model_fields.keys()), **model.placeholders}
    return settings.transform_settings(model, facts)


def fact_names(vendor: str) -> tuple[str, ...]:
    """Settings of a vendor's connection that mapping rules may read (``facts`` of its settings model)."""
    return load_vendor(vendor).settings.facts


def checked(settings: PipelineSettings) -> PipelineSettings:
    """``settings``, if the destination accepts their section ``transform``. Raises ``ConfigurationError`` otherwise."""
    transform_settings(settings)
    return settings


def remarks(settings: PipelineSettings) -> list[str]:
    """Warnings about settings that are valid but not meant for production."""
    found = transform_settings(settings).remarks()
    return [f"{settings.file}: transform.{remark}" for remark in found] + settings.remarks()


def with_rows(settings: PipelineSettings, rows: Sequence[CodeTableRow]) -> PipelineSettings:
    """The settings with rows of code tables that operators made, as if they were in the pipeline's file.

    Moved to the file, the rows change neither payloads nor fingerprint.
    """
    by_table: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        by_table[row.table][row.key] = row.value
    return settings.model_copy(update={"tables": overlay(settings.tables, by_table)}) if rows else settings


@contextmanager
def naming_rows(pipeline: str, rows: Sequence[CodeTableRow]) -> Iterator[None]:
    """Name the rows of operators in errors about a mapping that they are part of."""
    try:
        yield
    except ConfigurationError as error:
        made = sum(row.version > 0 for row in rows)
        if not made:
            raise
        raise ConfigurationError(
            f"{error} (rows made by operators: {made}; list them with: {COMMAND} tables {pipeline})"
        ) from None


def canonical_reader(settings: PipelineSettings, rows: Sequence[CodeTableRow] = ()) -> CanonicalReader:
    """The reader of a pipeline's archived orders, with rows of code tables in the ledger; needs no connection.

    Raises ``ConfigurationError``.
    """
    source = load_vendor(settings.source.vendor).format("source")
    destination = load_vendor(settings.destination.vendor).format("destination")
    with naming_rows(settings.name, rows):
        return source_reader(source, destination, transform_settings(with_rows(settings, rows)))
