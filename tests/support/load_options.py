"""Options of ``load`` for trials, which wait for shorter times than a pipeline's file may set."""

from __future__ import annotations

from typing import Any

from order_relay.pipeline.load.stage import LoadOptions
from order_relay.pipeline.settings.sections import LoadSettings


def load_options(settings: LoadSettings | None = None, **options: Any) -> LoadOptions:
    """``options`` are members of the ``load`` section, taken over unchecked, and fields of ``LoadOptions``."""
    section = {name: options.pop(name) for name in list(options) if name in LoadSettings.model_fields}
    return LoadOptions((settings or LoadSettings()).model_copy(update=section), **options)
