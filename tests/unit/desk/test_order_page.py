"""The page of one order: what it shows, what it hides, and that it renders whatever ledger and archive hold."""

from __future__ import annotations

import copy
import html
import re
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from order_relay.batches import BatchStore
from order_relay.desk.access import Principal
from order_relay.errors import ValidationIssue
from order_relay.ledger import AttemptResult, Ledger, ReadyPayload
from order_relay.ledger.schema.status_tables import status_account, status_event, status_order
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.orders.fulfilment.oms_order import AskingPace, OmsOrder, OmsReading
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine
from order_relay.orders.json_text import encode
from order_relay.orders.messages import SendOutcome, SendResult
from order_relay.orders.payload.transformer import Transformer
from order_relay.pipeline.retention.order_data import apply_retention
from order_relay.pipeline.settings.pipeline import load_pipeline
from order_relay.pipeline.settings.sections import RetentionSettings
from order_relay.vendors import load_vendor
from order_relay.wiring.transformation import payload_hooks, transform_settings
from tests.support.archived_orders import PIPELINE, Relay, plain_orders
from tests.support.canaries import EVERYTHING, PERSONAL_DATA, found, marked
from tests.support.desk import ADMIN, OPERATOR, VIEWER, FixedParts, desk_app, desk_client

PAYLOAD = f"{PIPELINE}/runs/run-1/payloads-00000.jsonl.gz"
SAID = f"Hello {PERSONAL_DATA['name']}"
PRIVATE = ("customer_po", "customer_number", "ack_message", "offered")
PARTS = ("", "/differences", "/content")
NOW = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    ledger = Ledger.open(sqlite_url)
    yield Relay(ledger, BatchStore((tmp_path / "store").as_uri()))
    ledger.close()


def client(relay: Relay, user: Principal = ADMIN, **parts: Any) -> TestClient:
    given: dict[str, Any] = {"store": relay.store, "pipelines": {PIPELINE: load_pipeline(PIPELINE)}} | parts
    url = relay.ledger.database.url.render_as_string(hide_password=False)
    return desk_client(desk_app(FixedParts(url, **given), user))


def page(relay: Relay, number: int, part: str = "", user: Principal = ADMIN, **parts: Any) -> str:
    with client(relay, user, **parts) as browser:
        answer = browser.get(f"/orders/{number}{part}")
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def marks(text: str) -> set[str]:
    """The canaries on a page, as it is and as a browser shows it."""
    return found(text.encode(), EVERYTHING) | found(html.unescape(text).encode(), EVERYTHING)


def words(text: str) -> str:
    """The visible text, on one line."""
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", text).split()))


def sent(relay: Relay, document: Mapping[str, Any], answer: SendResult) -> int:
    """Send an order with a payload that holds its addresses; returns its id."""
    (number,) = relay.receive(document)
    (work,) = relay.ledger.versions.resolve(relay.ctx, [number], load_pipeline(PIPELINE).engine_policies)
    relay.store.write_jsonl(PAYLOAD, [encode({"externalOrderID": "X1", "customer": document["ship_to"]})])
    ready = ReadyPayload(number, work.revision, work.order_number, PAYLOAD, 0, "f", "t", 12345, "USD")
    relay.ledger.payloads.make_ready(relay.ctx, [ready])
    claims = relay.ledger.claims.claim(relay.ctx, [number], "test", 30)
    assert relay.ledger.outcomes.record(relay.ctx, [AttemptResult(number, claims[number].attempt, answer)]) == {}
    return number


def imported(relay: Relay, document: Mapping[str, Any]) -> int:
    return sent(relay, document, SendResult(SendOutcome.IMPORTED, 201, oms_id="OMS77", body=SAID, remark=SAID))


def execute(relay: Relay, *statements: Any) -> None:
    with relay.ledger.database.engine.begin() as conn:
        for statement in statements:
            conn.execute(statement)


def everything(relay: Relay) -> int:
    """An imported order whose every personal field holds a canary, with rows in every table."""
    number = imported(relay, marked(plain_orders(1)[0]))
    said = " ".join(PERSONAL_DATA.values())
    relay.ledger.shipments.record(
        relay.ctx,
        Shipment(
            "shop",
            "k1",
            ("N1",),
            "UPS",
            "Ground",
            "1Z999",
            NOW,
            lines=(ShippedLine(2, "1", "A"),),
            raw=said,
            submission_id=number,
        ),
        None,
        "entered by hand",
    )
    event = {
        "account": "service", "order_number": "N1", "content_hash": "h", "revision": 1, "kind": "parcel",
        "parcel": "1Z999", "location": said, "detail": said, "happened_at": NOW, "known_at": NOW, "was_read": True,
        "channel": "poll", "first_seen_at": NOW, "run": "",
    }  # fmt: skip
    execute(
        relay,
        submission.update().values(**dict.fromkeys(PRIVATE, said), ack="refused"),
        status_account.insert().values(name="service", account="service", bound_at=NOW),
        status_order.insert().values(
            account="service", order_number="N1", submission_id=number, order_status="IN_PROGRESS", detailed_status="",
            parcels='[["1Z999","IN_TRANSIT","2026-05-04T06:00:00+00:00"]]', doubtful=False, reads=0, followed=True,
            told="[]", asks="", settled=False,
        ),
        status_event.insert().values({**event, "event_key": "e1", "status": "READY_TO_SHIP", "state": "corrected"}),
        status_event.insert().values({**event, "event_key": "e2", "status": "IN_TRANSIT", "state": "stands"}),
        status_event.insert().values({**event, "event_key": "e3", "status": "COMPLETED", "state": "deleted"}),
        feedback.insert().values(
            submission_id=number, step="note", delivery=0, state="failed", tries=3, at=NOW, run="", message=said
        ),
    )  # fmt: skip
    relay.ledger.activity.note([number], "called the shop", "op")
    return number


def test_the_page_tells_the_whole_story(relay: Relay) -> None:
    number = everything(relay)
    shown = words(page(relay, number))
    assert "Imported done" in shown
    assert "Shipped" in shown
    for text in ("123.45 USD", "OMS77", "UPS", "1Z999", "2 × A", "corrected later", "deleted by the service"):
        assert text in shown
    assert "note: refused, 3 tries" in shown
    assert "called the shop op" not in shown  # two cells: who, then why
    assert "note op called the shop" in shown
    assert "sending → imported" in shown
    assert "characters, hidden" in shown


def test_no_personal_value_is_on_a_masked_page(relay: Relay) -> None:
    number = everything(relay)
    for user in (ADMIN, OPERATOR, VIEWER):
        for part in PARTS:
            assert marks(page(relay, number, part, user)) == set()
    content = words(page(relay, number, "/content"))
    assert "ship address1 ••• hidden" in content
    assert "item number" in content
    assert '"externalOrderID": "X1"' in content


def test_revealing_is_recorded_first_and_needs_the_permission_and_a_reason(relay: Relay) -> None:
    number = everything(relay)
    target = f"/orders/{number}/reveal"
    with client(relay, OPERATOR) as browser:
        assert browser.post(target, data={"reason": "call the customer"}).status_code == 403
        assert "/reveal" not in browser.get(f"/orders/{number}").text
    with client(relay) as browser:
        assert browser.post(target, data={"reason": " "}).status_code == 422
        assert relay.ledger.activity.of_submission(number)[-1].action == "note"
        answer = browser.post(target, data={"reason": "call the customer"})
        later = browser.get(f"/orders/{number}").text
    assert answer.headers["Cache-Control"] == "no-store"
    assert marks(answer.text) >= PERSONAL_DATA.keys()
    assert SAID in answer.text
    action = relay.ledger.activity.of_submission(number)[-1]
    assert (action.action, action.who, action.why) == ("reveal", "admin", "call the customer")
    assert "reveal admin call the customer" in words(later)
    assert marks(later) == set()


def test_nothing_is_revealed_if_it_cannot_be_recorded(relay: Relay) -> None:
    number = everything(relay)
    with client(relay, Principal(" ", ADMIN.pipelines, may_reveal=True)) as browser:
        answer = browser.post(f"/orders/{number}/reveal", data={"reason": "call the customer"})
    assert answer.status_code == 422
    assert marks(answer.text) == set()


def test_an_order_of_another_pipeline_does_not_exist(relay: Relay) -> None:
    number = imported(relay, plain_orders(1)[0])
    with client(relay, Principal("other", frozenset({"else"}), may_reveal=True)) as browser:
        answers = [browser.get(f"/orders/{number}{part}") for part in PARTS]
        answers += [browser.get("/orders/999"), browser.post(f"/orders/{number}/reveal", data={"reason": "x"})]
    assert {answer.status_code for answer in answers} == {404}
    assert relay.ledger.activity.of_submission(number) == []


def test_what_is_wrong_with_the_numbers(relay: Relay) -> None:
    (number,) = relay.receive(plain_orders(1)[0])
    works = relay.ledger.worklist.to_validate(PIPELINE, "b1")
    issue = ValidationIssue("total_differs", "/total", "Total is 103.50, but the parts add up to 101.00.")
    relay.ledger.validation.quarantine(relay.ctx, [(works[0], [issue])])
    shown = words(page(relay, number))
    assert "Checked failed" in shown
    assert "Total is 103.50, but the parts add up to 101.00. /total" in shown
    assert "Next step (" in shown


def test_an_order_in_doubt_names_attempt_and_next_check(relay: Relay) -> None:
    number = sent(relay, plain_orders(1)[0], SendResult(SendOutcome.IN_DOUBT, 504, code="http_504"))
    shown = words(page(relay, number))
    assert "Imported in progress" in shown
    assert "in doubt, HTTP 504" in shown.replace("_", " ")


def held_version(relay: Relay) -> tuple[int, int]:
    """An imported order and a changed version of it, which is held."""
    before = plain_orders(1)[0]
    first = imported(relay, before)
    after = copy.deepcopy(before)
    after["items"][0]["quantity"] += 5
    after["ship_to"]["name"] = PERSONAL_DATA["name"]
    relay.receive(after)
    (held,) = relay.ledger.queries.held()
    return first, held["id"]


def test_versions_are_compared_and_the_choices_explained(relay: Relay) -> None:
    first, held = held_version(relay)
    shown = page(relay, held)
    assert f'href="./orders/{first}"' in shown
    assert "Replacement" in words(shown)
    assert "which must be cancelled there" in words(shown)
    differences = page(relay, held, "/differences")
    assert "quantity" in words(differences)
    assert "<ins>" in differences
    assert "ship name" in words(differences)
    assert marks(differences) == set()
    assert "to decide" in words(page(relay, first))


class Unreachable:
    """A batch store on a share that is not mounted."""

    def __getattr__(self, name: str) -> Any:
        from order_relay.batches import StoreUnavailableError

        raise StoreUnavailableError("batch store: cannot be read")


def test_the_page_renders_without_its_archive(relay: Relay, tmp_path: Path) -> None:
    _, held = held_version(relay)
    for path in (tmp_path / "store").rglob("part-*"):
        path.write_bytes(b"damaged")
    assert "The order's content cannot be shown: batch store" in words(page(relay, held, "/content")).replace(
        "&#39;", "'"
    )
    assert "The versions cannot be compared: batch store" in words(page(relay, held, "/differences"))
    assert "cannot be read" in page(relay, held, "/content", store=Unreachable())
    assert "cannot be read" in page(relay, held, "/differences", store=Unreachable())
    with client(relay, store=Unreachable()) as browser:
        revealed = browser.post(f"/orders/{held}/reveal", data={"reason": "call the customer"})
    assert revealed.status_code == 200
    assert "no settings file" in words(page(relay, held, "/content", pipelines={}))
    assert "Replacement" in words(page(relay, held, pipelines={}))


def test_the_page_says_what_retention_removed(relay: Relay) -> None:
    number = everything(relay)
    changed = marked(plain_orders(1)[0])
    changed["items"][0]["quantity"] += 5
    relay.receive(changed)
    relay.ledger.decisions.decide(changed["order_number"], "discard", "a double entry", "ann")
    later = datetime.now(UTC) + timedelta(days=100)
    execute(
        relay,
        submission.update().values(ack="confirmed", offered=None, shipped="shipped", customer_number="C-100"),
        status_order.update().values(settled=True, seen_at=NOW),
        feedback.update().values(state="given_up"),
    )
    after_a_month = RetentionSettings(archive_days=30, runs_days=30, ledger_days=30)
    removed = apply_retention(PIPELINE, relay.ledger.retention, relay.store, after_a_month, now=later)
    assert (len(removed.batches), removed.run_objects, removed.submissions) == (2, [PAYLOAD], 2)
    shown = words(page(relay, number))
    for text in ("Imported done", "OMS77", "1Z999", "sending → imported", "note op"):
        assert text in shown
    content = words(page(relay, number, "/content"))
    with client(relay) as browser:
        revealed = browser.post(f"/orders/{number}/reveal", data={"reason": "call the customer"}).text
    for text in (content, words(revealed)):
        assert "The order's content cannot be shown: the raw order was removed by retention" in text
        assert "Sent in attempt 1 (removed by retention)" in text
    assert "Answer to attempt 1 (removed by retention)" in words(revealed)
    compared = words(page(relay, number, "/differences"))
    assert f"cannot be compared: the raw order of submission {number} was removed by retention" in compared
    assert marks(revealed) == set()


HOSTILE = "<script>alert(1)</script>\u202eabc " + "x" * 5_000


def test_hostile_texts_are_inert_and_bounded(relay: Relay) -> None:
    document = plain_orders(1)[0]
    for line in document["items"]:
        line["item_number"] = HOSTILE
    number = sent(relay, document, SendResult(SendOutcome.REJECTED, 400, code="http_400", message=HOSTILE))
    execute(relay, submission.update().values(order_number=HOSTILE, oms_id=HOSTILE))
    for part in PARTS:
        shown = page(relay, number, part)
        assert "<script>alert" not in shown
        assert len(shown) < 200_000
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;\u202eabc" in page(relay, number)


def test_long_histories_are_bounded_and_say_so(relay: Relay) -> None:
    document = plain_orders(1)[0]
    document["items"] = [{**document["items"][0], "line": number} for number in range(1_000)]
    number = sent(relay, document, SendResult(SendOutcome.REJECTED, 400, code="http_400"))
    with relay.ledger.database.engine.begin() as conn:
        conn.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO attempt SELECT "
            "submission_id, i, run, owner, fingerprint, payload_name, payload_row, sent_at, send_before, settled_at, "
            "outcome, status, code, message, oms_id, body, remark FROM attempt JOIN n"
        )
        columns = ", ".join(column.name for column in submission.columns if column.name not in ("id", "edition"))
        conn.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
            f"INSERT INTO submission (edition, {columns.replace('destination_key, ', '')}) "
            f"SELECT i, {columns.replace('destination_key, ', '')} FROM submission JOIN n"
        )
    shown = words(page(relay, number))
    assert "(the newest; 150 more are not shown)" in shown
    assert "(the newest; 470 more are not shown)" in shown
    assert "900 more lines are not shown" in words(page(relay, number, "/content"))
    assert len(page(relay, number)) < 300_000


def quarantined(relay: Relay) -> int:
    (number,) = relay.receive(plain_orders(1)[0])
    works = relay.ledger.worklist.to_validate(PIPELINE, "b1")
    relay.ledger.validation.quarantine(relay.ctx, [(works[0], [ValidationIssue("total_differs", "/total", "wrong")])])
    return number


def revision(text: str) -> str:
    match = re.search(r'name="revision" value="(\d+)"', text)
    assert match
    return match[1]


def state(relay: Relay, number: int) -> str:
    (work,) = relay.ledger.worklist.get([number])
    return work.state


def buttons(text: str) -> set[str]:
    return set(re.findall(r'data-dialog="(\w+)"', text)) - {"help"}


def test_the_actions_are_those_of_the_state(relay: Relay) -> None:
    first, held = held_version(relay)
    assert buttons(page(relay, first)) == {"note", "assign"}
    assert buttons(page(relay, held)) == {"decide", "note", "assign", "snooze", "correct"}
    assert buttons(page(relay, held, user=VIEWER)) == set()


def test_a_refused_order_is_discarded_with_a_reason(relay: Relay) -> None:
    number = quarantined(relay)
    with client(relay, OPERATOR) as browser:
        text = browser.get(f"/orders/{number}").text
        assert buttons(text) == {"replay", "discard", "note", "assign", "snooze", "correct"}
        given = {"revision": revision(text), "reason": "a test order"}
        assert browser.post(f"/orders/{number}/discard", data={**given, "reason": " "}).status_code == 422
        stale = browser.post(f"/orders/{number}/discard", data={**given, "revision": "99"})
        assert (stale.status_code, state(relay, number)) == (409, "quarantined")
        assert "now quarantined" in stale.text
        answer = browser.post(f"/orders/{number}/discard", data=given)
    assert answer.status_code == 204
    assert "never sent" in answer.headers["HX-Trigger"]
    assert state(relay, number) == "discarded"
    assert "a test order" in words(page(relay, number))


def test_another_evaluation_is_previewed_and_made(relay: Relay) -> None:
    number = quarantined(relay)
    settings = load_pipeline(PIPELINE)
    source = load_vendor(settings.source.vendor).format("source")
    destination = load_vendor(settings.destination.vendor).format("destination")
    hooks = payload_hooks(settings.destination.vendor)
    transformer = Transformer(source, destination, transform_settings(settings), hooks)
    wirings: Any = {PIPELINE: nullcontext(SimpleNamespace(transformer=transformer))}
    with client(relay, OPERATOR, wirings=wirings) as browser:
        shown = browser.get(f"/orders/{number}/preview").text
        given = {"revision": revision(browser.get(f"/orders/{number}").text), "reason": "fixed"}
        answer = browser.post(f"/orders/{number}/replay", data=given)
    assert "It passes every check now" in shown
    assert answer.status_code == 204
    assert state(relay, number) == "received"


def test_a_held_version_is_decided_from_its_page(relay: Relay) -> None:
    _, held = held_version(relay)
    with client(relay, OPERATOR) as browser:
        text = browser.get(f"/orders/{held}").text
        shown = re.search(r'name="shown" value="([0-9/,]+)"', text)
        assert shown
        given = {"choice": "discard", "reason": "a double entry"}
        assert browser.post(f"/orders/{held}/decide", data={**given, "shown": "x"}).status_code == 422
        assert browser.post(f"/orders/{held}/decide", data={**given, "shown": f"{held}/99"}).status_code == 409
        assert browser.post(f"/orders/{held}/decide", data={**given, "shown": shown[1]}).status_code == 204
        assert browser.post(f"/orders/{held}/decide", data={**given, "shown": shown[1]}).status_code == 422
    assert state(relay, held) == "discarded"


def test_an_order_in_doubt_is_settled_from_its_page(relay: Relay) -> None:
    number = sent(relay, plain_orders(1)[0], SendResult(SendOutcome.IN_DOUBT, 504, code="http_504"))
    with client(relay, OPERATOR) as browser:
        text = browser.get(f"/orders/{number}").text
        given = {"revision": revision(text), "finding": "stored", "reason": "found it"}
        assert browser.post(f"/orders/{number}/settle", data=given).status_code == 422
        assert browser.post(f"/orders/{number}/settle", data={**given, "oms_id": "OMS5"}).status_code == 204
    assert state(relay, number) == "imported"


def test_notes_assignments_and_snoozes_are_recorded_and_shown(relay: Relay) -> None:
    number = quarantined(relay)
    with client(relay, OPERATOR) as browser:
        shown = revision(browser.get(f"/orders/{number}").text)
        target = f"/orders/{number}"
        answers = [
            browser.post(f"{target}/note", data={"text": "asked the shop"}),
            browser.post(f"{target}/assign", data={"revision": shown, "assignee": "op"}),
            browser.post(f"{target}/snooze", data={"revision": shown, "days": "3", "reason": "waits for the shop"}),
        ]
        text = words(browser.get(target).text)
    assert [answer.status_code for answer in answers] == [204, 204, 204]
    for part in ("note op asked the shop", "Assigned to op .", "Snoozed until", "waits for the shop"):
        assert part in text


def test_actions_need_an_order_of_the_users_pipelines(relay: Relay) -> None:
    number = quarantined(relay)
    given = {"revision": "1", "reason": "x", "text": "x", "choice": "discard", "shown": "1/1", "finding": "absent"}
    with client(relay, Principal("other", frozenset({"else"}), may_act=True)) as browser:
        for action in ("replay", "discard", "decide", "settle", "note", "assign", "snooze"):
            answer = browser.post(f"/orders/{number}/{action}", data={**given, "days": "1"})
            assert answer.status_code == 404, action
    assert relay.ledger.activity.of_submission(number) == []


def test_what_became_of_it_at_the_oms(relay: Relay) -> None:
    number = imported(relay, plain_orders(1)[0])
    assert "Status at the OMS" not in words(page(relay, number))
    relay.ledger.oms_questions.enrol(PIPELINE, first_days=1)
    assert "Status at the OMS No answer yet." in words(page(relay, number))
    answer = OmsOrder("<b>READY", OmsReading.PARTLY_CANCELLED, (ShippedLine(2, item_number="A-1"),))
    relay.ledger.oms_statuses.record(relay.ctx, {number: answer}, AskingPace(), datetime.now(UTC))
    relay.ledger.oms_statuses.record_unanswered({number: "HTTP 404"}, AskingPace())
    shown = words(page(relay, number))
    assert "partly cancelled since" in shown
    assert "the OMS says <b>READY" in shown
    assert "Cancelled: 2 × A-1" in shown
    assert "No readable answer to the last question: HTTP 404" in shown
    assert "OMS status <b>READY: partly cancelled, 2 units cancelled" in shown, "in the history"
