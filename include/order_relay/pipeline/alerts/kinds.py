"""The kinds of alerts, and their maximum length."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

STUCK = "stuck"
WRITE_BACK = "write_back"
OMS_STATUS = "oms_status"
QUARANTINE = "quarantine"
SILENT = "silent"
SUSPENDED = "resting"
STOPPED = "stopped"
SHADOW = "shadow"
WRONG_FILE = "wrong_file"

PIPELINE_KINDS = frozenset({STUCK, WRITE_BACK, OMS_STATUS, QUARANTINE, SILENT, SUSPENDED, STOPPED, SHADOW, WRONG_FILE})
"""Kinds that every check of a pipeline covers completely: an alert it no longer raises is over."""

RUN_FAILED, ACCOUNTING = "run_failed", "law"
RUN_KINDS = frozenset({RUN_FAILED, ACCOUNTING})
"""Kinds that the end of a run covers completely."""

IMPORTED_WITH_ERROR = "imported_with_error"
"""The OMS imported an order although it reported an error. Raised once for each run; never over by itself."""

NOT_LOOKED_UP = "not_looked_up"
"""Raised and settled by ``in_doubt_sweep``."""

STOP_VALUE = "stop_value"
"""About the stop switch, which belongs to no pipeline."""

UNMATCHED_SHIPMENTS = "parcels"
"""About parcels that need an operator, which belong to no pipeline."""

FILES_LEFT, STATUS_FILES_LEFT = "files_left", "status_files_left"
"""Files that could not be fetched from a server: orders of a history import, or statuses. Every fetch covers its kind
completely."""

STATUS_REFUSED = "status_refused"
REFUSED_PERIOD = timedelta(days=7)
"""How long a refused status record or file is reported."""

MAX_LINES = 20
"""Maximum lines of an alert; further ones are counted."""


def list_lines(lines: Sequence[str], number: int) -> tuple[str, ...]:
    """The first ``MAX_LINES`` lines of an alert, and how many of ``number`` are not listed."""
    shown = tuple(lines[:MAX_LINES])
    return (*shown, f"and {number - len(shown)} more") if number > len(shown) else shown
