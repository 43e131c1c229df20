"""Names of a run's objects in the batch store."""

from __future__ import annotations

import hashlib
import re

from order_relay.orders.messages import RunContext

_UNSAFE_CHARACTERS = re.compile(r"[^A-Za-z0-9_=+@.~-]+")
_AIRFLOW_RUN_ID = re.compile(r"[a-z_]+__\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00(_\w{1,16})?")
_MAX_SLUG_LENGTH = 120


def run_slug(run_id: str) -> str:
    """A run id as part of object names: readable, and different for different run ids.

    In Airflow's own run ids (``manual__2026-11-21T02:00:00+00:00``) only colons are replaced. If anything else was
    replaced, or a hyphen could have been a colon, a hash makes the slug unique.
    """
    slug = _UNSAFE_CHARACTERS.sub("-", run_id).strip(".")[:_MAX_SLUG_LENGTH]
    if slug == run_id or _AIRFLOW_RUN_ID.fullmatch(run_id):
        return slug
    return f"{slug}~{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


_SLUG_OF_AIRFLOW = re.compile(r"([a-z_]+__\d{4}-\d\d-\d\dT\d\d)-(\d\d)-(\d\d(?:\.\d+)?\+00)-(00(?:_\w{1,16})?)")


def run_id_of(slug: str) -> str:
    """Airflow's run id of a slug; empty if the slug does not show it."""
    found = _SLUG_OF_AIRFLOW.fullmatch(slug)
    return ":".join(found.groups()) if found else "" if "~" in slug else slug


def run_prefix(ctx: RunContext) -> str:
    """The folder of a run's own objects, relative to the store's root."""
    return f"{ctx.pipeline}/runs/{ctx.run}"
