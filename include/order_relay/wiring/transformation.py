"""What the vendors' folders add to a pipeline's transformation: settings model, payload hooks, account facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from order_relay.orders.mapping.canonical import CanonicalReader
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


def canonical_reader(settings: PipelineSettings) -> CanonicalReader:
    """The reader of a pipeline's archived orders; needs no connection. Raises ``ConfigurationError``."""
    source = load_vendor(settings.source.vendor).format("source")
    destination = load_vendor(settings.destination.vendor).format("destination")
    return source_reader(source, destination, transform_settings(settings))
