"""An operator who answers Airflow's human-in-the-loop requests through the API, as the UI does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

OPEN = "/api/v2/dags/~/dagRuns/~/hitlDetails?response_received=false"


@dataclass
class Operator:
    """Answers requests in turn: (choice, form fields). ``seen``: subject and body of each request."""

    client: Any
    answers: list[tuple[str, dict[str, str]]]
    seen: list[tuple[str, str]] = field(default_factory=list)

    def work(self, done: threading.Event) -> None:
        while self.answers and not done.wait(0.2):
            for asked in self.client.get(OPEN).json()["hitl_details"]:
                ti = asked["task_instance"]
                if ti["state"] != "awaiting_input" or not self.answers:
                    continue
                self.seen.append((asked["subject"], asked["body"]))
                choice, typed = self.answers.pop(0)
                path = f"/api/v2/dags/{ti['dag_id']}/dagRuns/{ti['dag_run_id']}/taskInstances/{ti['task_id']}/-1"
                answer = self.client.patch(
                    f"{path}/hitlDetails", json={"chosen_options": [choice], "params_input": typed}
                )
                assert answer.status_code == 200, answer.text


@contextmanager
def person(api: Any, *answers: tuple[str, dict[str, str]]) -> Iterator[Operator]:
    someone, done = Operator(api, list(answers)), threading.Event()
    thread = threading.Thread(target=someone.work, args=(done,), daemon=True)
    thread.start()
    try:
        yield someone
    finally:
        done.set()
        thread.join(60)
    assert someone.answers == [], "not everything was asked"


def found(run: Any) -> list[dict[str, Any]]:
    """What a run of the DAG opened reviews for."""
    value = run.xcoms.get(("find", "return_value", -1), [])
    found: list[dict[str, Any]] = json.loads(value) if isinstance(value, str) else value
    return found


def because(text: str) -> dict[str, str]:
    return {"reason": text}
