"""The human-in-the-loop tasks of ``order_review``. Light: what is asked is put together when the task runs.

While it waits such a task is parked in Airflow's state ``awaiting_input`` and takes no worker slot. It wakes up every
hour to see whether the question still stands, ends where it does not, and reminds people after the setting. It never
answers itself. Airflow's API does not check what was typed: an odd value would fail the task only after the person has
gone. So what was typed is judged here, and an unusable answer is asked for again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput

from order_relay.airflow.context.review_task import CANCELLED, NOT_CANCELLED, ReviewTask
from order_relay.orders.review.choices import ABSENT, CHOICES, STORED

if TYPE_CHECKING:
    from airflow.sdk import Context

MAX_TEXT_LENGTH = 500


def _reason_param() -> Param:
    return Param("", title="Reason", description="Why you decide so; it stands in the life of the order. Needed.")


class DecisionOperator(HITLOperator):
    """Asks a person about the run's case; returns ``{"choice", "reason", "who", ...}``."""

    choices: ClassVar[tuple[str, ...]] = ()
    form: ClassVar[dict[str, Any]] = {}

    def __init__(self, **arguments: Any) -> None:
        texts = {"subject": "An order waits for a decision", "body": ""}
        super().__init__(**{**texts, "options": list(self.choices), "params": self.form, **arguments})

    def execute(self, context: Context) -> Any:
        """Put the question together and wait. Skipped where nothing is to be asked any more."""
        from order_relay.airflow.jobs import reviews

        prompt = reviews.build_prompt(self.task_id, self._case(context), context)
        self.subject, self.body, self.response_timeout = prompt.subject, prompt.body, prompt.recheck
        self.options = list(prompt.choices or self.choices)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer; without one (the hour is over), or with an unusable one, go on waiting."""
        from order_relay.airflow.jobs import reviews

        if event.get("error_type") == "timeout":
            again = reviews.recheck(self._case(context), context)
            raise TaskAwaitingInput(method_name="execute_complete", timeout=again)
        if problem := self.unusable(event):
            self.log.warning("The answer can not be used: %s. The question is asked again.", problem)
            return self.execute(context)
        given = super().execute_complete(context, event)
        typed = {name: str(given["params_input"].get(name) or "").strip()[:MAX_TEXT_LENGTH] for name in self.form}
        person = given["responded_by_user"] or {}
        return {"choice": given["chosen_options"][0], **typed, "who": str(person.get("name") or "a person")}

    def unusable(self, event: dict[str, Any]) -> str:
        """Why an answer can not be used, or nothing."""
        if len(event.get("chosen_options") or ()) != 1:
            return "exactly one choice is needed"
        typed = event.get("params_input") or {}
        if set(typed) != set(self.form) or not all(isinstance(value, str | None) for value in typed.values()):
            return "the form's fields are needed, as text"
        if "reason" in self.form and len(_form_text(event, "reason")) < 3:
            return "a reason is needed"
        return ""

    def _case(self, context: Context) -> ReviewTask:
        review_task = ReviewTask.of(context)
        if review_task is None:
            raise AirflowSkipException("this run is no review")
        return review_task


class ReviewOperator(DecisionOperator):
    """Asks what a group of held orders is; only the answers that make sense for the group are offered."""

    choices = CHOICES
    form: ClassVar[dict[str, Any]] = {"reason": _reason_param()}


class ConfirmOperator(DecisionOperator):
    """Asks whether the order that a replacement replaces is cancelled in the OMS; skipped for everything else."""

    choices = (CANCELLED, NOT_CANCELLED)


class SettleOperator(DecisionOperator):
    """Asks what a person found in the OMS about an order in doubt."""

    choices = (STORED, ABSENT)
    form: ClassVar[dict[str, Any]] = {
        # Admits null, or the page would not let it stay empty.
        "oms_id": Param(
            None, type=["null", "string"], title="OMS id", description="Where it is stored: the order's id in the OMS."
        ),
        "reason": _reason_param(),
    }

    def unusable(self, event: dict[str, Any]) -> str:
        """An order that is stored has an id, and one that is absent has none."""
        if problem := super().unusable(event):
            return problem
        if (event["chosen_options"][0] == STORED) != bool(_form_text(event, "oms_id")):
            return "an order that is stored needs its OMS id, one that is absent has none"
        return ""


def _form_text(event: dict[str, Any], name: str) -> str:
    return str((event.get("params_input") or {}).get(name) or "").strip()
