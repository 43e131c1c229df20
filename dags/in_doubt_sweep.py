"""### Orders in doubt are looked up

An order is **in doubt** when its POST left and no usable answer came back: a time-out, a cut connection, a worker that
died. Nobody guesses then. Every five minutes this DAG asks the OMS about those whose next look-up is due, in all
pipelines, with growing distance: after two minutes, four, eight, up to six hours.

| task | does |
|---|---|
| **due** | finds the pipelines with something to look up; with nothing due the rest is skipped within seconds |
| **look_up** | one task a pipeline: searches the OMS by external id, then by date, as the connection allows |

| found | then |
|---|---|
| the order is there | `imported`; the pipeline's next run acknowledges it |
| it is absent, surely and twice | `ready`; the pipeline's next run sends it, under a new attempt |
| anything else | stays in doubt and is asked for again |

**Surely absent** means: every page was read, the same search showed another order that is known to be there, and enough
time has passed for the order to become visible.

**After a setting** (`doubt: tell_after_s` in the pipeline's file) a person is told, as `watch` says, and `order_review`
asks what the person found. An order in doubt is never decided by time.

**Red** means that a pipeline's connection or setting is wrong, or that the OMS could not be asked; the other pipelines
are looked up all the same. The Variable `order_relay_stop` does not stop this DAG: it sends nothing.

**People on call**: `python -m order_relay doubt`, `order NUMBER`, `settle NUMBER --stored OMS_ID | --absent`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow_bindings import upkeep_tasks as tasks

with DAG(schedule=tasks.every("*/5 * * * *"), **tasks.dag_arguments("in_doubt_sweep", __doc__ or "")) as dag:
    tasks.look_up.expand(pipeline=tasks.due())
