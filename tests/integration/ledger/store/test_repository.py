"""Repositories: each method is one transaction, with a failpoint of its own."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from order_relay import failpoints
from order_relay.ledger import Ledger
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, inserts, reads, writes


class Deadlock(Exception):
    sqlstate = "40P01"


class Numbers(Repository):
    failures: list[Exception]

    @reads
    def doubled(self, tx: Transaction, number: int, *, plus: int = 0) -> int:
        return int(tx.run(sa.select(sa.literal(number))).scalar_one()) * 2 + plus

    @writes
    def total(self, tx: Transaction, numbers: Iterable[int]) -> int:
        found = sum(numbers)
        self._fail()
        return found

    @inserts
    def _insert(self, tx: Transaction, numbers: Iterable[int]) -> int:
        found = sum(numbers)
        self._fail()
        return found

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop()


@pytest.fixture
def numbers(ledger: Ledger) -> Numbers:
    made = Numbers(ledger.database)
    made.failures = []
    return made


def test_a_method_gets_its_transaction(numbers: Numbers) -> None:
    assert numbers.doubled(4, plus=1) == 9


def test_a_transaction_that_runs_again_sees_the_whole_iterator(numbers: Numbers) -> None:
    numbers.failures = [OperationalError("", {}, Deadlock())]
    assert numbers.total(number for number in (1, 2, 3)) == 6
    numbers.failures = [IntegrityError("", {}, Exception())]
    assert numbers._insert(iter([1, 2, 3])) == 6
    numbers.failures = [IntegrityError("", {}, Exception())]
    with pytest.raises(IntegrityError):
        numbers.total([1])


def test_the_failpoint_has_the_name_of_the_public_method(numbers: Numbers, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    monkeypatch.setattr(failpoints, "hook", passed.append)
    numbers.total([1])
    numbers._insert([1])
    assert passed == [
        "before ledger Numbers.total",
        "after ledger Numbers.total",
        "before ledger Numbers.insert",
        "after ledger Numbers.insert",
    ]
