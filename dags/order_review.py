"""### Orders that wait for a person

Some cases no rule may decide. An order came with other content after it was imported; two versions share so few items
that they may be two orders; a number names a version of an order that nobody has seen: such orders are **held**. And an
order that is **in doubt** for longer than a setting needs somebody to look into the OMS.

Every five minutes this DAG looks for such orders and opens one run for each lineage (an order with all its versions),
unless one is open. Each of those runs is a question in Airflow's own pages: see **Required Actions** on the home page
or on the DAG's page. Waiting takes no worker slot, and a forgotten question holds up nobody else.

| task | does |
|---|---|
| **start** | chooses: look for cases, or ask about the case that this run was opened for |
| **find** | finds the cases that nobody is asked about yet; skipped where there is none |
| **open_review** | opens one run a case, under an id that is the same whoever opens it |
| **review** | asks what a held order is: shows what was there before, what came now, and the differences line by line |
| **confirm** | asks, before an imported order is replaced, whether the old one is cancelled in the OMS |
| **decide** | carries the decision out |
| **settle** | asks what was found in the OMS about an order in doubt |
| **record** | carries the finding out |

**replacement**: it takes the place of the earlier version. **separate**: it is an order of its own. **discard**: it is
never sent. What goes on is judged and sent by the pipeline's next run. Name, reason and confirmation stand in the life
of the order (`python -m order_relay order NUMBER`).

**A decision is about what was shown.** If another version came meanwhile, or somebody else decided, the answer changes
nothing, and a new review is opened. An answer without a reason is asked for again.

**Nothing is decided by time.** An open review wakes up every hour: it ends where its case is closed, and people are
reminded after a setting (`review: remind_after_s` in the pipeline's file; `doubt: tell_after_s` for when an order in
doubt is asked about).

No names, addresses or e-mails are shown: of such fields only that they changed.

**People on call**: `python -m order_relay held`, `decide NUMBER ...`, `doubt`, `settle NUMBER ...`.
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
