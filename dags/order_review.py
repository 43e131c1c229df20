"""### Reviews: orders that need a decision

No rule can decide some cases. An order was offered with other content after it was imported; two versions under one
uuid name different customers, or share so few items that they may be two orders; a number names a version of an order
that was never seen: such orders are **held**. And an order that is **in doubt** for longer than a setting must be
looked up in the OMS by an operator. One that the shop **cancels after the import** must be cancelled in the OMS, or
kept.

Every five minutes this DAG looks for such orders and opens one run for each **group** of held versions, unless one is
open. A group is everything held that shares a uuid, an order number or an id; one answer decides about all of it. Each
run asks one question on Airflow's own pages: see **Required Actions** on the home page or on the DAG's page. Waiting
takes no worker slot, and an unanswered question does not block the others.

| task | does |
|---|---|
| **start** | branches: look for cases, or ask about the case that this run was opened for |
| **find** | finds the cases without an open review; skipped if there are none |
| **open_review** | opens one run per case; its id depends on the case only, so no case is opened twice |
| **review** | asks what to do with the held versions; lists them, their contradictions and their differences |
| **confirm** | asks, before an imported order is replaced, whether the old one is cancelled in the OMS |
| **decide** | carries out the decision |
| **settle** | asks what was found in the OMS about an order in doubt |
| **record** | carries out the finding |
| **cancellation** | asks whether an order that the shop cancelled is cancelled in the OMS, or kept |
| **conclude** | carries out that decision |

* **replacement**: the newest version is sent, and the older ones are superseded. One that is at the OMS must be
  cancelled there. Not offered if nothing can be replaced, if the version at the OMS is the newer one, or while one is
  being sent or in doubt.
* **separate**: each set of versions that agree in customer, customer PO, base number and items is sent as an order of
  its own, and the newest of a set supersedes its older ones. Not offered if card data was removed.
* **discard**: none of the held versions is ever sent.

The review explains the effect of each answer. The pipeline's next run evaluates and sends the released versions.
Name, reason and confirmation are part of the order's history (`order-relay order NUMBER`).

**A decision is about what was shown.** If the group changes meanwhile, or another operator decides, the answer changes
nothing, and a new review is opened. An answer without a reason is not accepted; the question is asked again.

**Nothing is decided by time.** An open review checks every hour, and at once after a decision on the order desk or by
command, whether its case is closed; then it ends. It sends reminders
after a setting (`review: remind_after_s` in the pipeline's file; `doubt: tell_after_s` for when an order in doubt is
asked about).

No names, addresses, customer numbers or e-mails are shown, only that such a field changed or contradicts.

**On the command line**: `order-relay held`, `held NUMBER`, `decide NUMBER ...`, `doubt`, `settle NUMBER ...`,
`cancelled`.
"""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG

from order_relay.airflow import hitl
from order_relay.airflow.dags import dag_arguments, utc_schedule
from order_relay.airflow.tasks import reviews

NAME = "order_review"

# Every open review is an active run; this limit exceeds the maximum number of open reviews.
arguments = dag_arguments(NAME, __doc__ or "") | {"max_active_runs": 1000}

with DAG(schedule=utc_schedule("*/5 * * * *"), **arguments) as dag:
    found = reviews.find()
    review = hitl.ReviewOperator(task_id="review")
    settle = hitl.SettleOperator(task_id="settle")
    confirm = hitl.ConfirmOperator(task_id="confirm")
    cancellation = hitl.CancellationOperator(task_id="cancellation")
    reviews.start() >> [found, review, settle, cancellation]
    TriggerDagRunOperator.partial(
        task_id="open_review",
        trigger_dag_id=NAME,
        logical_date=None,
        skip_when_already_exists=True,
    ).expand_kwargs(found)
    [review, review >> confirm] >> reviews.decide()
    settle >> reviews.record()
    cancellation >> reviews.conclude()
