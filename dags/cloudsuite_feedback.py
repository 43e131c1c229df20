"""### Write-back to the web shop

After an order was imported and set to *processing*, the shop is updated step by step. Each step is recorded in the
ledger. A refused step is repeated at growing intervals and delays its own order only; after 5 refusals (setting
`feedback: most_refusals`) it has failed: an alert is raised, and `order-relay feedback --failed` lists it
(`--retry NUMBER` or `--give-up NUMBER`). The same limit holds for setting an order to *processing* (**take_over**), a
task of the order's own pipeline. Settings without a section are fields of the connection.

| step | writes |
|---|---|
| **oms_number** | the order's number in the OMS, as `erp_order_number` |
| **line_numbers** | each line's number, as `erp_line_number`; setting `line_numbers`: `put`, `patch`, `off` |
| **shipped** | that the order was shipped; setting `shipped_by`: `shipment_state`, `done`, `desadv`, `off` |
| **oms_cancelled** | `state: cancel`, if the OMS cancelled an unshipped order; setting `report_cancelled` (off) |

**Line numbers by `put`** is the documented way and replaces the whole order: it is read, sent back with only the
numbers changed, and read again. If anything else changed, the task fails and names the members; check the order in the
shop and set `line_numbers` to `patch` or `off`.

**Shipped** comes from the ledger's shipments, whether reported by ShipRush, a partner or
`order-relay ship NUMBER`. With `desadv` each delivery is a message of its own; otherwise the shop is updated
once, after everything was shipped. For set-ups without deliveries, or with orders imported as SHIPPED, set
`feedback: done_after: import`: the shop is then updated at the import.

**Cancelled in the shop.** The order's state is read before every write, and a cancelled order is never written to. Each
run also lists the cancelled orders among those confirmed within the last 30 days (`feedback: cancelled_days`). An order
that was cancelled after it was sent is marked, alerted and shown to ShipRush as cancelled, and nothing more is written
to it. Cancel it in the OMS, then confirm with `order-relay cancelled --done NUMBER --reason ...`, or ship it anyway
with `--keep NUMBER`. Orders without a decision that are not in this list are read, and the task shows if the shop took
its cancellation back.

**Offline orders**, which the ERP loaded into the shop, are set to `sent` if the connection has `offline_sent`. They
have a watermark of their own, so none is missed after a pause.

**Red** means that the shop refused the login, or that a setting is wrong. A step without a usable answer is repeated
later; repeating one changes nothing in the shop. cXML confirmations are not built.

**Commands**: `order-relay order NUMBER` shows every step; `feedback`, `cancelled`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow.dags import dag_arguments, utc_schedule
from order_relay.airflow.tasks import feedback

with DAG(schedule=utc_schedule("*/10 * * * *"), **dag_arguments("cloudsuite_feedback", __doc__ or "")) as dag:
    feedback.tell.expand(pipeline=feedback.taking_feedback("cloudsuite_to_"))
