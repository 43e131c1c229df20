"""Sample vendors outside the package, as a team keeps them: vendors, pipelines and DAGs in folders of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from order_relay import vendors
from order_relay.pipeline.settings.locations import CONFIG_VARIABLE

HERE = Path(__file__).parent
VENDORS, CONFIG, DAGS = HERE / "vendors", HERE / "config", HERE / "dags"
VARIABLES = {vendors.VENDORS_VARIABLE: str(VENDORS), CONFIG_VARIABLE: str(CONFIG)}


@contextmanager
def installed() -> Iterator[None]:
    """This process finds the sample vendors and pipelines, as it does if ``VARIABLES`` are set when it starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        patch.setattr(vendors, "__path__", [*vendors.__path__, str(VENDORS)])
        yield
