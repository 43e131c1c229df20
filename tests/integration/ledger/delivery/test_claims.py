"""The intent to send, and one per lineage."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from order_relay.ledger import Ledger
from order_relay.ledger.schema.tables import submission
from order_relay.orders.messages import SendOutcome
from tests.support.offers import offer

NAME = "shop_to_oms"


def test_a_claim_is_committed_with_attempt_owner_payload_and_time(driver):
    number = driver.all_ready("1")[0]
    claim = driver.claim(number, lease_s=30)[number]
    assert claim.attempt == 1
    left = claim.send_before - datetime.now(UTC)
    assert timedelta(seconds=20) < left <= timedelta(seconds=31)
    row = driver.row("1")
    assert (row["state"], row["owner"], row["revision"]) == ("sending", "worker-1", claim.revision)
    attempt = row["attempts"][0]
    assert (attempt["number"], attempt["owner"], attempt["run"]) == (1, "worker-1", "run-1")
    assert attempt["fingerprint"] == row["fingerprint"]
    assert attempt["send_before"] == claim.send_before == row["send_before"]
    assert attempt["settled_at"] is None


def test_an_order_that_is_not_ready_cannot_be_claimed(driver):
    number = driver.all_ready("1")[0]
    driver.receive(offer("2"))
    assert set(driver.claim(number, driver.work("2").id, 999_999)) == {number}
    assert driver.claim(number) == {}, "claimed already"
    assert driver.ledger.claims.sendable([number]) == []


def test_orders_of_another_pipeline_cannot_be_claimed(driver):
    number = driver.all_ready("1")[0]
    driver.ledger.runs.bind("other", "source:x", "oms:y")
    driver.ctx = type(driver.ctx)("other", "run-9")
    assert driver.claim(number) == {}


@pytest.mark.parametrize("outcome", [None, SendOutcome.IN_DOUBT])
def test_a_version_waits_while_another_is_under_way(driver, outcome):
    first, second = two_ready_versions(driver)
    driver.claim(first)
    if outcome:
        driver.settle(first, outcome, status=503)
    assert driver.claim(second) == {}
    assert driver.state("2") == "waiting"
    driver.receive()
    assert driver.state("2") == "received", "to be resolved anew at once"


def test_an_older_version_than_the_imported_one_is_resolved_anew_and_superseded(driver):
    """Not at once: whether the two agree on the order is for the version table to say."""
    first, second = two_ready_versions(driver)
    driver.claim(second)
    driver.settle(second, SendOutcome.IMPORTED, status=201, oms_id="OMS2")
    assert driver.claim(first) == {}
    assert driver.state("1") == "waiting"
    driver.receive()
    assert driver.resolve() == []
    assert driver.state("1") == "superseded"


def test_a_newer_version_than_the_imported_one_is_not_sent(driver):
    first, second = two_ready_versions(driver)
    driver.claim(first)
    driver.settle(first, SendOutcome.IMPORTED, status=201, oms_id="OMS1")
    assert driver.claim(second) == {}
    assert driver.state("2") == "waiting"


def test_of_two_concurrent_versions_the_newest_is_sent(driver):
    first, second = two_ready_versions(driver)
    assert set(driver.claim(first, second)) == {second}
    assert driver.state("1") == "waiting"


def two_ready_versions(driver):
    """Ready side by side, as two runs that resolved at the same moment could leave them."""
    first = driver.all_ready("1")[0]
    driver.receive(offer("2"))
    second = driver.make_ready(driver.work("2"))[0][0]
    driver.ledger.database.write(
        lambda tx: tx.run(
            sa.text("UPDATE submission SET lineage = 'L1', base_number = 'N-1' WHERE id = :id"), {"id": second}
        )
    )
    return first, second


def test_the_database_itself_refuses_two_of_a_lineage(driver):
    first, second = two_ready_versions(driver)
    driver.claim(first)
    with pytest.raises(sa.exc.IntegrityError):
        driver.ledger.database.write(
            lambda tx: tx.run(sa.text("UPDATE submission SET state = 'sending' WHERE id = :id"), {"id": second})
        )


def test_where_the_index_refuses_one_the_others_are_claimed(driver, monkeypatch):
    """As if the other version came up between reading and writing: the family is not seen."""
    from order_relay.ledger.delivery import claims

    first, second = two_ready_versions(driver)
    third = driver.all_ready("3")[0]
    driver.claim(first)
    blind = claims._FAMILY.where(submission.c.id != first)
    monkeypatch.setattr(claims, "_FAMILY", blind)
    assert set(driver.claim(second, third)) == {third}
    assert driver.state("2") == "ready"


def test_two_workers_share_the_orders_without_overlap(driver, ledger_url):
    ids = driver.all_ready(*[str(n) for n in range(1, 61)])
    won: list[int] = []
    errors: list[BaseException] = []

    def worker(name):
        ledger = Ledger.open(ledger_url)
        try:
            for n in range(0, len(ids), 7):
                won.extend(ledger.claims.claim(driver.ctx, ids[n : n + 7], name, 30))
        except Exception as error:
            errors.append(error)
        finally:
            ledger.close()

    threads = [threading.Thread(target=worker, args=(f"w{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(won) == ids


def test_two_workers_over_two_versions_send_one_of_each_lineage(driver, ledger_url):
    pairs = []
    for n in range(1, 9):
        old = driver.all_ready(str(n))[0]
        driver.receive(offer(str(100 + n)))
        new = driver.make_ready(driver.work(str(100 + n)))[0][0]
        pairs.append((old, new))
    driver.ledger.database.write(
        lambda tx: [
            tx.run(sa.text("UPDATE submission SET lineage = :lineage WHERE id = :id"), {"id": new, "lineage": f"L{n}"})
            for n, (_, new) in enumerate(pairs, 1)
        ]
    )
    won: list[int] = []
    errors: list[BaseException] = []

    def worker(ids):
        ledger = Ledger.open(ledger_url)
        try:
            won.extend(ledger.claims.claim(driver.ctx, ids, "w", 30))
        except Exception as error:
            errors.append(error)
        finally:
            ledger.close()

    threads = [
        threading.Thread(target=worker, args=([old for old, _ in pairs],)),
        threading.Thread(target=worker, args=([new for _, new in reversed(pairs)],)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(won) == len(pairs)
    assert all((old in won) != (new in won) for old, new in pairs)
