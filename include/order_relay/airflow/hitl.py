"""The human-in-the-loop operators of ``order_review``. Light: questions are built when the task runs.

A waiting task is in Airflow's state ``awaiting_input`` and takes no worker slot. Every hour it checks whether its case
is still open, ends if not, and sends reminders as configured. It never answers itself. Airflow's API does not validate
the form's values, so they are validated here, and the question is asked again if an answer is unusable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput

from order_relay.airflow.context.review_task import CANCELLED, NOT_CANCELLED, ReviewTask
from order_relay.orders.review.choices import ABSENT, CANCELLATION_CHOICES, CHOICES, STORED

if TYPE_CHECKING:
    from airflow.sdk import Context

MAX_TEXT_LENGTH = 500


def _reason_param() -> Param:
    return Param("", title="Reason", description="Required. Recorded in the history of the order, with your name.")


class DecisionOperator(HITLOperator):
    """Asks an operator about the run's case; returns ``{"choice", "reason", "who", ...}``."""

    choices: ClassVar[tuple[str, ...]] = ()
    form: ClassVar[dict[str, Any]] = {}

    def __init__(self, **arguments: Any) -> None:
        texts = {"subject": "An order needs a decision", "body": ""}
        super().__init__(**{**texts, "options": list(self.choices), "params": self.form, **arguments})

    def execute(self, context: Context) -> Any:
        """Build the question and wait; skipped if the case is closed."""
        from order_relay.airflow.context import review_prompts

        prompt = review_prompts.build_prompt(self.task_id, self._case(context), context)
        self.subject, self.body, self.response_timeout = prompt.subject, prompt.body, prompt.recheck
        self.options = list(prompt.choices or self.choices)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer. After an hour without one, or with an unusable one, wait again."""
        from order_relay.airflow.jobs import reviews

        if event.get("error_type") == "timeout":
            interval = reviews.recheck(self._case(context), context)
            raise TaskAwaitingInput(method_name="execute_complete", timeout=interval)
        if problem := self.unusable(event):
            self.log.warning("Unusable answer: %s. The question is asked again.", problem)
            return self.execute(context)
        given = super().execute_complete(context, event)
        typed = {name: str(given["params_input"].get(name) or "").strip()[:MAX_TEXT_LENGTH] for name in self.form}
        user = given["responded_by_user"] or {}
        return {"choice": given["chosen_options"][0], **typed, "who": str(user.get("name") or "an operator")}

    def unusable(self, event: dict[str, Any]) -> str:
        """Why an answer is unusable; empty if it is usable."""
        if len(event.get("chosen_options") or ()) != 1:
            return "exactly one choice is required"
        typed = event.get("params_input") or {}
        if set(typed) != set(self.form) or not all(isinstance(value, str | None) for value in typed.values()):
            return "the fields of the form must be given as text"
        if "reason" in self.form and len(_form_text(event, "reason")) < 3:
            return "a reason is required"
        return ""

    def _case(self, context: Context) -> ReviewTask:
        review_task = ReviewTask.of(context)
        if review_task is None:
            raise AirflowSkipException("this run was not opened for a case")
        return review_task


class ReviewOperator(DecisionOperator):
    """Asks what to do with a group of held orders; offers only the answers that apply to the group."""

    choices = CHOICES
    form: ClassVar[dict[str, Any]] = {"reason": _reason_param()}


class ConfirmOperator(DecisionOperator):
    """Asks whether the order to be replaced is cancelled in the OMS; skipped for other decisions."""

    choices = (CANCELLED, NOT_CANCELLED)


class CancellationOperator(DecisionOperator):
    """Asks whether an order that the shop cancelled after the import is cancelled in the OMS, or kept."""

    choices = CANCELLATION_CHOICES
    form: ClassVar[dict[str, Any]] = {"reason": _reason_param()}


class SettleOperator(DecisionOperator):
    """Asks whether the OMS has an order in doubt."""

    choices = (STORED, ABSENT)
    form: ClassVar[dict[str, Any]] = {
        # Allows null, or the page would not accept an empty field.
        "oms_id": Param(
            None, type=["null", "string"], title="OMS id", description="For *stored*: the order's id in the OMS."
        ),
        "reason": _reason_param(),
    }

    def unusable(self, event: dict[str, Any]) -> str:
        """A stored order needs an OMS id, an absent one must not have one."""
        if problem := super().unusable(event):
            return problem
        if (event["chosen_options"][0] == STORED) != bool(_form_text(event, "oms_id")):
            return "'stored' requires the OMS id, 'absent' must not have one"
        return ""


def _form_text(event: dict[str, Any], name: str) -> str:
    return str((event.get("params_input") or {}).get(name) or "").strip()
