"""### What people have to know

Every ten minutes this DAG looks at every pipeline, whether its own DAG runs or not, and tells people what is wrong.
What it tells stands in the ledger, so that each cause is told **once and not at each look**: again after a setting
while it lasts (a day), at once where its orders have doubled, and once more when it is over for an hour.

| task | does |
|---|---|
| **look** | judges each pipeline, and delivers what is due, also what could not be delivered before |
| **summarize** | once a day sends what the last day brought and what waits for whom; skipped at all other times |

| told | when (section `alerts` of the pipeline's file) |
|---|---|
| orders stuck in a state, or not acknowledged (in shadow mode those left from live mode) | `stuck_after_s`, `doubt` |
| orders that the served order feed leaves out, because they can not be rendered | `stuck_after_s: left_out` |
| growing quarantine | more than `quarantined_more_than` orders, or `quarantined_share` of the newest run |
| nothing read from the source, or nothing offered | `unread_after_s`, `no_orders_after_s` |
| a refused login: the pipeline rests | at once |
| sending is stopped by `order_relay_stop`, or a live pipeline fell back into shadow mode | `stopped_after_s` |
| a value of `order_relay_stop` that names no pipeline and is neither true nor false: everything is stopped | at once |
| a value of `order_relay_stop` that cannot be read | if two looks in a row cannot read it |
| a pipeline's file that is not valid | at once |

A failed run and books that do not balance are told by the run itself, a review without an answer by `order_review`.

**Where to** is the Airflow connection `order_relay_alerts`. Not defined: the log of the task. Type `http`: a webhook;
host = its whole address, fields of the extra = headers. Type `smtp`: e-mail; extra `to` and `from_email`. Another
notifier of Airflow can be added in one place (`airflow_bindings/targets.py`).

**The summary's time** is the Variable `order_relay_summary_at`: `06:00` (UTC, the default), `07:30 Europe/Berlin`, or
`never`.

**Active from the start**, as all DAGs that send nothing are; `python -m order_relay doctor` reports them when paused.

**Red** means that the connection or the Variable is wrong; a target that can not be reached leaves the task green, and
the next look tries again. Messages carry order numbers, counts and times, and no customer's data.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow_bindings import upkeep_tasks as tasks

with DAG(schedule=tasks.every("*/10 * * * *"), **tasks.dag_arguments("watch", __doc__ or "")) as dag:
    tasks.look()
    tasks.summarize()  # on its own: a look that failed must turn the run red, and must not keep the summary back
