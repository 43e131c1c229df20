"""Faults of a scenario and the selectors that decide which calls they apply to; shared by all stand-ins.

Selectors are combined with *and*; a fault without selectors applies to every call at its place. The first fault that
applies wins; each counts every call at its place.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from order_relay_sandbox.answering import NORMAL_ANSWERS, require_answer


class Fault(BaseModel):
    """What faults have in common: their response, and which calls they apply to.

    ``seconds`` applies to the answers ``hang`` and ``slow``, ``retry_after_s`` to statuses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    answer: str = "ok"
    every: int | None = Field(default=None, ge=1, description="every n-th call at this place")
    first: int | None = Field(default=None, ge=0, description="the first n calls at this place")
    after: int = Field(default=0, ge=0, description="number of calls to skip first")
    orders: tuple[str, ...] | None = Field(default=None, description="only calls about these orders")
    probability: float | None = Field(default=None, ge=0, le=1, description="random, repeatable by seed")
    times: int | None = Field(default=None, ge=0, description="maximum number per order")
    seconds: float = Field(default=30.0, ge=0)
    later_s: float = Field(default=60.0, ge=0)
    retry_after_s: float | None = Field(default=None, ge=0)
    retry_after_as: Literal["seconds", "date"] = "seconds"

    @field_validator("answer", mode="before")
    @classmethod
    def _status_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @property
    def place(self) -> str:
        """The place whose calls this fault counts."""
        raise NotImplementedError


class Rule(Fault):
    """One of a vendor's own ``faults``. Vendors restrict ``at`` to their places.

    ``own_answers``: the vendor's answers by place. ``delayable``: places of the effect ``later``; by default all.
    ``effect``: ``done`` = the request takes effect before the response, ``none`` = it never does,
    ``later`` = it does after ``later_s``.
    """

    own_answers: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    delayable: ClassVar[tuple[str, ...] | None] = None

    at: str
    effect: Literal["done", "none", "later"] = "none"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        require_answer(self.answer, self.own_answers.get(self.at, ()))
        if self.effect == "later" and self.delayable is not None and self.at not in self.delayable:
            raise ValueError(f"effect 'later' is not supported at {self.at}")
        return self

    @property
    def place(self) -> str:
        """See the base class."""
        return self.at

    @property
    def prevents(self) -> bool:
        """Whether the request has no effect."""
        return self.effect == "none" and self.answer not in NORMAL_ANSWERS

    def as_spoil(self) -> Spoil:
        """The same fault for a stand-in that has none of its own: its places are the purposes of its routes."""
        shared = {name: getattr(self, name) for name in Fault.model_fields}
        return Spoil(purpose=self.at, when=_WHEN[self.effect], **shared)


class Spoil(Fault):
    """A fault that every stand-in has, at the routes of one purpose.

    ``when``: ``before`` = the request is not processed; ``after`` = it is, and its response, if it is a success, is
    replaced (only such calls are counted); ``later`` = it is answered first and processed after ``later_s``.
    """

    purpose: str
    when: Literal["before", "after", "later"] = "before"
    answer: str

    @field_validator("answer")
    @classmethod
    def _known(cls, answer: str) -> str:
        require_answer(answer)
        return answer

    @property
    def place(self) -> str:
        """See the base class."""
        return f"{'after' if self.answer in NORMAL_ANSWERS else self.when} {self.purpose}"


_WHEN: dict[str, Literal["before", "after", "later"]] = {"none": "before", "done": "after", "later": "later"}

F = TypeVar("F", bound=Fault)


class RuleBook(Generic[F]):
    """Faults with their counters. Not thread-safe; used in the server's event loop."""

    def __init__(self, rules: Iterable[F], seed: int = 0) -> None:
        self._rules = tuple(rules)
        self._seed = seed
        self._calls: Counter[int] = Counter()
        self._applied: Counter[tuple[int, str]] = Counter()
        self._seen: Counter[tuple[int, str]] = Counter()

    def __bool__(self) -> bool:
        return bool(self._rules)

    def pick(self, place: str, key: str = "") -> F | None:
        """The first fault that applies to this call for order ``key``; every fault of the place counts the call."""
        chosen: F | None = None
        for number, rule in enumerate(self._rules):
            if rule.place != place or (rule.orders is not None and key not in rule.orders):
                continue
            self._calls[number] += 1
            if chosen is None and self._applies(number, rule, key):
                self._applied[number, key] += 1
                chosen = rule
        return chosen

    def _applies(self, number: int, rule: Fault, key: str) -> bool:
        call = self._calls[number] - rule.after
        if call < 1 or (rule.first is not None and call > rule.first):
            return False
        if rule.every is not None and call % rule.every:
            return False
        if rule.times is not None and self._applied[number, key] >= rule.times:
            return False
        return rule.probability is None or self._chance(number, key) < rule.probability

    def _chance(self, number: int, key: str) -> float:
        """A random choice by order key and number of calls, so that it is repeatable with concurrent calls."""
        self._seen[number, key] += 1
        return random.Random(f"{self._seed}:{number}:{key}:{self._seen[number, key]}").random()
