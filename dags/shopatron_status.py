"""### What became of it at the OMS

The OMS is asked about imported orders until they are finished: shipped or cancelled. Each order is asked about by its
own detail (`GET order/{id}`) and its shipments (`GET shipment/?orderID=`); a search is never believed. Reading changes
nothing at the OMS.

**pipelines_to_ask** finds the pipelines that are switched on and have run before; **ask** asks for each of them.

**Switch it on** with `oms_status: {enabled: true}` in the pipeline's file, and unpause this DAG. The first run asks
about the orders imported in the last 30 days (`first_days`). Orders imported as SHIPPED or CANCELLED are not asked
about.

| reading | means | what follows |
|---|---|---|
| `open` | nothing shipped or cancelled | asked again |
| `partly_shipped` | some parcels have left | asked again |
| `shipped` | everything that was not cancelled | finished |
| `partly_cancelled` | some units cancelled, others not shipped yet | asked again |
| `cancelled` | the whole order | finished; feeds show it as cancelled |
| `rejected` | the OMS refuses to fulfil it | asked again; alert after a day (`alert_after_s`) |
| `unknown` | a status word without a mapping | asked again; alert. Map it in the connection: `order_statuses` |

**Each change is an event** of the order, by `oms`. The word that the OMS sent is kept beside our reading.

**Parcels** are recorded with tracking number and lines, like those that ShipRush reports: the same parcel is recorded
once. Write-back then reports them to the shop. `oms_status: {shipments: false}` only reads the status.

**How often**: 15 minutes after a change (`first_s`), then at growing distances, at most a week (`longest_s`); after 180
days (`most_days`) no longer. At most 2,000 orders per run (`most_orders`), those due longest first.

**An order without a readable answer**, including one that the OMS does not find, keeps its status and is asked about
again later. It is never taken for cancelled.

**Red** means that the OMS did not answer at all, refused the credentials, or that a setting is wrong. If the OMS asks
to slow down, the run ends green and the next one continues.

**Commands**: `order-relay order NUMBER`.
"""

from __future__ import annotations

from order_relay.airflow.dags import oms_status_dags

globals().update(oms_status_dags("shopatron", __doc__ or ""))
