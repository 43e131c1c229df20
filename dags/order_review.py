"""### Reviews: orders that need a decision

Some cases no rule may decide: an order changed after its import, two versions share so few items that they may be two
orders, a number names a further version of an order that was never seen. Such orders are **held**. An order that stays
**in doubt** for longer than a setting needs someone to check the OMS.

Every five minutes this DAG looks for such orders and opens one run per lineage (an order with all its versions), unless
one is open. Each of those runs is a review in Airflow's own pages: see **Required Actions** on the home page or on the
DAG's page. A waiting review occupies no worker slot and does not delay anything else.

| task | does |
|---|---|
| **start** | chooses: look for cases, or ask about the case that this run was opened for |
| **find** | finds the cases without an open review; skipped if there are none |
| **open_review** | opens one run per case, under an id that is the same whoever opens it |
| **review** | asks what to do with a held order: shows what was before, what came now, and each difference |
| **confirm** | asks, before an imported order is replaced, whether the old one is cancelled in the OMS |
| **decide** | carries out the decision |
| **settle** | asks what was found in the OMS about an order in doubt |
| **record** | carries out the finding |

**replacement**: it takes the place of the earlier version. **separate**: it is an order of its own. **discard**: it is
never sent. The pipeline's next run evaluates and sends what was released. Name, reason and confirmation are part of the
order's history (`python -m order_relay order NUMBER`).

**A decision applies to what was shown.** If another version arrived or another operator decided meanwhile, the answer
changes nothing and a new review is opened. An answer without a reason is asked for again.

**Nothing is decided by a timer.** An open review is checked every hour: it ends if its case is closed, and reminders
are sent after a setting (`review: remind_after_s` in the pipeline file; `doubt: tell_after_s` sets when an order in
doubt is asked about).

Names, addresses and e-mail addresses are not shown, only that they changed.

**Commands**: `python -m order_relay held`, `decide NUMBER ...`, `doubt`, `settle NUMBER ...`.
"""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG

from order_relay.airflow_bindings import questions
from order_relay.airflow_bindings import upkeep_tasks as tasks

NAME = "order_review"

# Every open review is an active run. The limit lies above the number of reviews that are opened.
arguments = tasks.dag_arguments(NAME, __doc__ or "") | {"max_active_runs": 1000}

with DAG(schedule=tasks.every("*/5 * * * *"), **arguments) as dag:
    found = tasks.find()
    review = questions.Review(task_id="review")
    settle = questions.Settle(task_id="settle")
    confirm = questions.Confirm(task_id="confirm")
    tasks.start() >> [found, review, settle]
    TriggerDagRunOperator.partial(
        task_id="open_review",
        trigger_dag_id=NAME,
        logical_date=None,
        skip_when_already_exists=True,
    ).expand_kwargs(found)
    [review, review >> confirm] >> tasks.decide()
    settle >> tasks.record()
