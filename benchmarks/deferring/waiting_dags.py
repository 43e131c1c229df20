"""Two DAGs that read the same pages from a slow server: one in a worker's slot, one deferred to the triggerer."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
from airflow.sdk import DAG, BaseOperator, task
from airflow.triggers.base import BaseTrigger, TriggerEvent

URL = os.environ.get("WAITING_URL", "")
PAGES = int(os.environ.get("WAITING_PAGES", "3"))


class Pages(BaseTrigger):
    """Reads all pages in the triggerer. Returns their number only: contents must not go through Airflow's database."""

    def __init__(self, url: str, pages: int) -> None:
        super().__init__()
        self.url, self.pages = url, pages

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "waiting_dags.Pages", {"url": self.url, "pages": self.pages}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        async with httpx.AsyncClient(timeout=60) as client:
            for number in range(self.pages):
                (await client.get(f"{self.url}/{number}")).raise_for_status()
        yield TriggerEvent({"pages": self.pages})


class Deferred(BaseOperator):
    """Frees its slot while the triggerer reads."""

    def execute(self, context: Any) -> None:
        self.defer(trigger=Pages(URL, PAGES), method_name="resume")

    def resume(self, context: Any, event: dict[str, int]) -> int:
        return event["pages"]


@task
def in_a_slot() -> int:
    """Reads the pages itself."""
    with httpx.Client(timeout=60) as client:
        for number in range(PAGES):
            client.get(f"{URL}/{number}").raise_for_status()
    return PAGES


START = datetime(2026, 1, 1, tzinfo=UTC)
with DAG("plain", schedule=None, start_date=START):
    in_a_slot()
with DAG("deferred", schedule=None, start_date=START):
    Deferred(task_id="deferred")
