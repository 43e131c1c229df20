"""Load, a real ledger on SQLite, a real batch store, and the sandbox: what the OMS then has."""

import asyncio
import hashlib
import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pandas as pd
import pytest

from order_relay.batches import BatchStore
from order_relay.errors import ConfigurationError, TransientError
from order_relay.http.sending.session import HttpDestination
from order_relay.ledger import BatchInfo, Ledger, ReadyPayload
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.submissions.runs import mark_unverified
from order_relay.orders.messages import RunContext, VersionPolicies
from order_relay.pipeline.load.stage import load
from order_relay.vendors.shopatron.client import oms_api
from order_relay.vendors.shopatron.connection import OmsSettings
from order_relay_sandbox.serving import serve_in_thread
from tests.support.load_options import load_options

PIPELINE = "p"
NUMBER = 60
PATIENT_S, HASTY_S = 20.0, 0.6
"""Time-outs: one that no answer misses, and one for an answer that never comes."""


def payload(key):
    address = {
        "addressLine1": "1 Elm Lane",
        "city": "San Luis Obispo",
        "postalCode": "93405",
        "state": "CA",
        "countryCode": "US",
        "phone": "8055550100",
    }
    product = {"partNumber": "A-1", "name": "Thing", "retailPrice": 10.0}
    return json.dumps(
        {
            "externalOrderID": key,
            "manufacturerID": 1042,
            "catalogID": 0,
            "locale": "en-US",
            "currency": "USD",
            "customer": {"firstName": "A", "lastName": "B", "email": "a@b.example", "phone1": "8055550100"},
            "orderItems": [{"product": product, "itemSpecifics": {"actualPrice": 10.0, "quantity": 1}}],
            "shippingMethod": {"shippingType": "standard", "shippingClass": "Standard"},
            "shippingAddress": address,
            "orderPayments": [
                {
                    "paymentMethod": {"paymentType": "NO", "noOperationType": "HI", "billingAddress": address},
                    "maxAmount": -1,
                }
            ],
            "customerIP": "8.8.8.8",
            "sendEmail": False,
            "orderStatus": "READY",
            "importedCreationDate": "2026-01-05T10:00:00+00:00",
        }
    ).encode()


class Relay:
    """One pipeline with ready orders, and the OMS they go to."""

    def __init__(self, sandbox, url, folder):
        self.sandbox = sandbox
        self.store = BatchStore(folder.as_uri())
        self.ledger = Ledger.open(url)
        self.settings = {"timeout_s": PATIENT_S, "connections": 4, "visible_after_s": 0.0}
        self.ledger.runs.bind(PIPELINE, "src", self.oms().account)
        self.runs = 0
        self.begin()

    def oms(self, **changes):
        base = {**self.settings, **changes}
        settings = OmsSettings(
            base_url=f"{self.sandbox.url}/api/v2",
            token_url=f"{self.sandbox.url}/oauthserver/oauth2/token",
            manufacturer_id=1042,
            catalog_id=0,
            api_key=base.pop("api_key", "demo-key"),
            secret="demo-secret",
            **base,
        )
        return HttpDestination(oms_api(settings), settings, cast(Any, None))

    def begin(self):
        self.runs += 1
        self.ctx = RunContext(PIPELINE, f"run-{self.runs}")
        self.ledger.runs.begin(self.ctx, "run", 0)

    def offer(self, first, number):
        rows = [
            {
                "source_id": str(n),
                "lineage": f"L{n}",
                "order_number": f"K-{n}",
                "base_number": f"K-{n}",
                "version": n,
                "reference": "",
                "suffix": None,
                "items": ("A",),
                "customer_po": "",
                "customer_number": "",
                "content_hash": "h",
                "problem": "",
                "part": 0,
                "row": n,
            }
            for n in range(first, first + number)
        ]
        frame = pd.DataFrame(rows)
        for name in ("suffix", "items"):
            frame[name] = pd.Series([row[name] for row in rows], dtype=object)
        info = BatchInfo(f"b{self.runs}", "m", number, datetime.now(UTC), False)
        self.ledger.intake.receive(self.ctx, info, frame, "t")
        works = self.ledger.versions.resolve(
            self.ctx, [w.id for w in self.ledger.worklist.to_validate(PIPELINE, None)], VersionPolicies(), None
        )
        name = f"p/runs/run-{self.runs}/payloads.jsonl.gz"
        bodies = [payload(w.order_number) for w in works]
        self.store.write_jsonl(name, bodies)
        self.ledger.payloads.make_ready(
            self.ctx,
            [
                ReadyPayload(
                    w.id,
                    w.revision,
                    w.order_number,
                    name,
                    n,
                    hashlib.sha256(b).hexdigest(),
                    "t",
                    1000,
                    "USD",
                    (),
                    datetime(2026, 1, 5, 10, tzinfo=UTC),
                )
                for n, (w, b) in enumerate(zip(works, bodies, strict=True))
            ],
        )

    def load(self, oms=None, **options):
        chunk = {"send": self.ledger.claims.ready(PIPELINE), "look_up": self.ledger.lookups.due(PIPELINE, FAR)}
        self.store.write_json("p/chunk.json", chunk)
        options = {"lease_s": 0.5, "max_wait_s": 5.0, **options}
        return load(self.ctx, self.ledger, self.store, oms or self.oms(), "p/chunk.json", load_options(**options))

    def let_time_pass(self):
        """Until an absence counts. Where the time-out is long (a busy machine must not reach it), the leases of what is
        in doubt are moved into the past instead."""
        quiet = timedelta(seconds=self.settings["timeout_s"])
        doubts = self.ledger.lookups.in_doubt([row["id"] for row in self.ledger.queries.in_doubt()])
        over = max((d.send_before for d in doubts if d.send_before), default=datetime.now(UTC) - quiet) + quiet
        left = over - datetime.now(UTC) + timedelta(seconds=0.05)
        if quiet < timedelta(seconds=PATIENT_S):
            time.sleep(max(0.0, left.total_seconds()))
            return
        with self.ledger.database.engine.begin() as conn:
            conn.execute(
                submission.update()
                .where(submission.c.state == "in_doubt")
                .values(send_before=datetime.now(UTC) - quiet - timedelta(seconds=1))
            )

    def states(self):
        return {k: v for k, v in self.ledger.accounting.counts(PIPELINE)["states"].items() if v}

    def stored(self):
        """How often the OMS has each order."""
        return Counter({f"K-{n}": len(self.sandbox.bodies(f"K-{n}")) for n in range(1, NUMBER + 11)})

    def close(self):
        assert self.ledger.accounting.invariant_violations(PIPELINE) == []
        self.ledger.close()


FAR = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def relay_with(sqlite_url, tmp_path):
    stack = []

    def make(number=NUMBER, **switches):
        context = serve_in_thread({"shopatron": switches})
        relay = Relay(context.__enter__(), sqlite_url, tmp_path)
        stack.append((context, relay))
        relay.offer(1, number)
        return relay

    yield make
    for context, relay in stack:
        relay.close()
        context.__exit__(None, None, None)


def test_every_order_once(relay_with):
    relay = relay_with()
    assert relay.load()["imported"] == NUMBER
    assert relay.states() == {"imported": NUMBER}
    assert set(relay.stored().values()) == {0, 1}
    assert relay.load() == {}, "nothing is left to do"


STORED = [
    ("done", answer)
    for answer in ("cut", "cut_body", "hang", "empty", "html", "no_id", 408, 409, 500, 502, 503, 504, 307)
]
NOT_STORED = [("none", answer) for answer in ("cut", 502, "no_id", 307)]


@pytest.mark.parametrize(("effect", "end"), [("done", {"imported": 20}), ("none", {"imported": 18, "rejected": 2})])
def test_a_refusal_after_a_lost_answer_is_in_doubt_whatever_the_oms_says(relay_with, effect, end):
    """An operator sends the orders again too early. The OMS refuses them without naming an existing order, so only the
    ledger knows that the first attempt may have been stored."""
    relay = relay_with(20, faults=[lost(effect, "cut")])
    relay.load()
    for doubt in relay.ledger.queries.in_doubt():
        relay.ledger.decisions.settle_in_doubt(doubt["order_number"], None, "absent", "ann")
    relay.sandbox.change({"shopatron": {"faults": [{"at": "import", "effect": "none", "answer": 400, "every": 1}]}})
    relay.begin()
    assert relay.load()["in_doubt"] == 2, "counted as the ledger recorded them"
    assert relay.states() == {"imported": 18, "in_doubt": 2}
    until_quiet(relay)
    assert relay.states() == end
    assert max(relay.stored().values()) == 1


def lost(effect, answer):
    """Two of the orders meet it, each once."""
    return {"at": "import", "effect": effect, "answer": answer, "every": 7, "times": 1}


def until_quiet(relay, most=10):
    """Load again, each time late enough for an absence to count, until nothing changes any more."""
    for _ in range(most):
        relay.let_time_pass()
        relay.begin()
        try:
            if not relay.load():
                return
        except ConfigurationError:
            continue


IGNORED = {"search_external_id": "ignored", "unknown_parameters": "ignored"}


@pytest.mark.parametrize("answer", ["throttle_429", "throttle_403"])
def test_throttling_is_waited_out(relay_with, answer):
    relay = relay_with(faults=[{"at": "import", "effect": "none", "answer": answer, "every": 25, "times": 1}])
    assert relay.load(max_wait_s=30)["imported"] == NUMBER
    assert relay.states() == {"imported": NUMBER}
    assert max(relay.stored().values()) == 1


def test_wrong_credentials_stop_before_anything(relay_with):
    relay = relay_with()
    with pytest.raises(ConfigurationError):
        relay.load(relay.oms(api_key="other"))
    assert relay.states() == {"ready": NUMBER}


def test_refused_by_all_means_put_back(relay_with):
    relay = relay_with(faults=[{"at": "import", "effect": "none", "answer": 400, "every": 1}])
    with pytest.raises(ConfigurationError, match="HTTP 400"):
        relay.load()
    assert set(relay.states()) == {"ready", "received"}
    assert sum(relay.stored().values()) == 0


@pytest.mark.parametrize("status", [401, 403])
def test_short_tokens_do_not_disturb(relay_with, status):
    relay = relay_with(token_calls=30, expired_http=status)
    assert relay.load()["imported"] == NUMBER


def test_an_oms_that_is_down_stops_early(relay_with):
    relay = relay_with(faults=[{"at": "import", "effect": "none", "answer": 503, "every": 1}])
    with pytest.raises(TransientError, match="in a row"):
        relay.load()
    states = relay.states()
    assert states["in_doubt"] < 20
    assert states["ready"] == NUMBER - states["in_doubt"]


def test_a_ledger_with_history_finds_stored_orders(relay_with):
    relay = relay_with()
    relay.load()
    relay.ledger.database.write(lambda tx: mark_unverified(tx, PIPELINE))
    relay.begin()
    relay.offer(NUMBER + 1, 5)

    async def import_by_hand():
        async with relay.oms().session(1) as session:
            await session.send(payload(f"K-{NUMBER + 2}"), f"K-{NUMBER + 2}", not_after=time.monotonic() + 5)

    asyncio.run(import_by_hand())
    relay.ledger.database.write(lambda tx: mark_unverified(tx, PIPELINE))
    counts = relay.load()
    assert counts["found_before_send"] == 1
    assert counts["imported"] == 4
    assert relay.states() == {"imported": NUMBER + 5}
    assert max(relay.stored().values()) == 1
