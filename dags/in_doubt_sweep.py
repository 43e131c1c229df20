"""### Look up orders in doubt

An order is **in doubt** if its POST left and no usable answer came back: a time-out, a broken connection, a worker that
died. Every five minutes this DAG looks up those that are due at the OMS, in all pipelines, at growing intervals: two
minutes, four, eight, up to six hours.

| task | does |
|---|---|
| **due** | finds the pipelines with something to look up; if nothing is due, the run ends within seconds |
| **look_up** | one task per pipeline: searches the OMS by external id, then by date, as the connection allows |

| result | then |
|---|---|
| the order was found | `imported`; the pipeline's next run acknowledges it |
| its absence is proven, in two look-ups | `ready`; the pipeline's next run sends it as a new attempt |
| an unrelated order has our number | it stays in doubt; `order_review` asks without delay |
| anything else | it stays in doubt and is looked up again |

**Absence is proven** if every page was read, a search for this one external id showed nothing while the same kind of
search found other orders known to be there, and enough time has passed for the order to become visible.

**If look-ups do not settle it** within `doubt: tell_after_s` (pipeline file), `watch` raises an alert and
`order_review` asks what you found in the OMS. An order in doubt is never decided by a timer. If
look-ups are not possible at all, the alert `not_looked_up` names the cause.

**Red** means that a pipeline's connection or setting is wrong, or that the OMS could not be reached; the other
pipelines are still looked up. The Variable `order_relay_stop` does not stop this DAG: it sends nothing.

**Commands**: `order-relay doubt`, `order NUMBER`, `settle NUMBER --stored OMS_ID | --absent`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow.dags import dag_arguments, utc_schedule
from order_relay.airflow.tasks import lookups

with DAG(schedule=utc_schedule("*/5 * * * *"), **dag_arguments("in_doubt_sweep", __doc__ or "")) as dag:
    lookups.look_up.expand(pipeline=lookups.due())
