import json
import tracemalloc
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.errors import BadAnswer
from order_relay.vendors.supercat import framing
from order_relay.vendors.supercat.envelope import read_envelope, read_single
from order_relay.web.bodies import excerpt
from order_relay.web.strict_json import LONE_SURROGATE, NUMBER_UNUSABLE, read_object

LIMIT = 1 << 20


def chunked(body, size):
    return [body[at : at + size] for at in range(0, len(body), size)]


def read(body, size=64, limit=LIMIT, **more):
    return list(read_envelope(chunked(body, size), max_order=limit, **more))


def refused(body, **more):
    """The one message, however the body is cut."""
    messages = set()
    for size in (1, 7, 64, 1 << 20):
        with pytest.raises(BadAnswer) as caught:
            read(body, size, **more)
        messages.add(str(caught.value))
    assert len(messages) == 1, messages
    return messages.pop()


leaves = (
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=2)
    | st.text(st.characters(exclude_categories=("Cs",)))
)  # fmt: skip
texts = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from('{}[]"\\,:'), max_size=6)
values = st.recursive(leaves | texts, lambda i: st.lists(i, max_size=3) | st.dictionaries(texts, i, max_size=3))
orders = st.lists(st.dictionaries(texts, values, max_size=4), max_size=5)


class Exact(json.JSONEncoder):
    def default(self, o):
        return float(o)


@given(orders, st.integers(1, 40), st.booleans(), st.sampled_from([None, 1, "\t"]), st.permutations(range(3)))
def test_any_chunking_gives_what_the_library_gives(data, size, ascii_only, indent, order):
    names = [("status", "success"), ("error", None), ("data", data)]
    whole = {names[i][0]: names[i][1] for i in order}
    text = json.dumps(whole, ensure_ascii=ascii_only, indent=indent, cls=Exact)
    expected = json.loads(text, parse_float=Decimal)["data"]
    found = read(text.encode(), size)
    assert [offer.document for offer in found] == expected
    assert {offer.problem for offer in found} <= {""}


@given(st.binary(max_size=60) | st.text('{}[]",:\\ 0ntrue\x00é', max_size=60).map(str.encode), st.integers(1, 9))
def test_rubbish_is_refused_or_right(body, size):
    tail = b'{"status":"success","error":null,"data":[{' + body
    for text in (body, tail, tail + b"}]}"):
        try:
            found = read(text, size)
        except BadAnswer:
            continue
        assert [offer.document for offer in found] == json.loads(text, parse_float=Decimal)["data"]


@given(orders.filter(len), st.data())
def test_a_cut_body_is_never_taken(data, draw):
    body = json.dumps({"status": "success", "error": None, "data": data}, cls=Exact).encode()
    at = draw.draw(st.integers(0, len(body) - 1))
    with pytest.raises(BadAnswer):
        read(body[:at], 16)


def test_an_empty_list_is_success():
    assert read(b' \n{"status":"success","error":null,"data":[]}\n') == []
    assert read(b'\xef\xbb\xbf{"status":"success","error":"","data":[ ]}') == []


def test_fractions_are_exact_and_integers_are_integers():
    (offer,) = read(
        b'{"data":[{"a":1.10,"b":12345678901234567890123,"c":0.1,"d":1e2}],"status":"success","error":null}'
    )
    document = offer.document
    assert str(document["a"]) == "1.10"
    assert document["b"] == 12345678901234567890123
    assert (document["c"], document["d"]) == (Decimal("0.1"), Decimal(100))


@pytest.mark.parametrize(("body", "words"), [
    (b"", "is empty"),
    (b"  \n ", "is empty"),
    (b"<!DOCTYPE html><html></html>", "HTML"),
    (b'[{"order_number":"1"}]', "not a JSON object"),
    (b"null", "not a JSON object"),
    (b"OK", "not a JSON object"),
    ('{"status":"success"}'.encode("utf-16"), "not UTF-8"),
    ('{"status":"success"}'.encode("utf-16-le"), "not UTF-8"),
    (b'{"status":"success","error":null,"data":[{"a":"\xff"}]}', "not valid UTF-8"),
    (b'{"status":"success","error":null,"data":[{"a":"\xed\xa0\x80"}]}', "not valid UTF-8"),
    (b'{"status":"success","error":null,"data":null}', "'data' is null, not an array"),
    (b'{"status":"success","error":null,"data":{}}', "'data' is an object, not an array"),
    (b'{"status":"success","error":null,"data":"x"}', "'data' is text"),
    (b'{"status":"success","error":null}', "data missing"),
    (b'{"status":"success","data":[]}', "error missing"),
    (b'{"error":null,"data":[]}', "status missing"),
    (b'{}', "status, error, data missing"),
    (b'{"status":true,"error":null,"data":[]}', "'status' is true or false"),
    (b'{"status":"success","error":null,"data":[],"page":1}', "members besides"),
    (b'{"status":"success","error":"but","data":[]}', "contradicts itself"),
    (b'{"status":"success","error":null,"data":[1]}', "is not an object"),
    (b'{"status":"success","error":null,"data":[0,{}]}', "is not an object"),
    (b'{"status":"success","error":null,"data":[{},0]}', "is not an object"),
    (b'{"status":"success","error":null,"data":[{},[{}]]}', "is not an object"),
    (b'{"status":"success","error":null,"data":[{},null]}', "is not an object"),
    (b'{"status":"success","error":null,"data":[{}{}]}', "not valid JSON"),
    (b'{"status":"success","error":null,"data":[1{}2]}', "not valid JSON"),
    (b'{"status":"success","error":null,"data":[{},]}', "not valid JSON"),
    (b'{"status":"success","error":null,"data":[{}]}x', "not valid JSON"),
    (b'{"status":"success","error":null,"data":[{}]}]', "never opened"),
    (b'{"status":"success","error":null,"data":[{}]}{"data":[{}]}', "not valid JSON"),
    (b'{"status":"success","error":[{}],"data":[]}', "an error"),
    (b'{"status":"success","error":null,"data":[{"a":1,"a":2}]}', "order 1 of the answer has a member twice"),
    (b'{"status":"success","error":null,"data":[{}],"data":[{}]}', "has a member twice"),
    (b'{"status":"success","error":null,"data":[{},{"a":NaN}]}', "order 2 of the answer holds NaN"),
    (b'{"status":"success","error":null,"data":[{"a":-Infinity}]}', "Infinity"),
    (b'{"status":"success","error":null,"data":[{"a":01}]                                }', "not valid JSON"),
    (b'{"status":"success","error":null,"data":[{"a":"tab\there"} ]                         }', "not valid JSON"),
    (b"{'status':'success'}", "not valid JSON"),
    (b'{"status":"success","error":null,"data":[{"a":"x', "cut off"),
    (b'{"status":"success","error":null,"data":[{"a":1}', "cut off"),
    (b'{"status":"success","error":null,"data":[{"a":1}]', "cut off"),
    (b'{"status":"succ', "cut off"),
])  # fmt: skip
def test_each_wrong_answer_has_its_own_clear_message(body, words):
    assert words in refused(body)


@pytest.mark.parametrize("status", ["error", "failure", "SUCCESS", ""])
def test_a_reported_failure_carries_its_message_bounded_and_on_one_line(status):
    body = json.dumps({"status": status, "error": "down\x00 for\n\u202emaint" + "x" * 500, "data": None}).encode()
    message = refused(body)
    assert "the source reports a failure: down for maint" in message
    assert len(message) < 300
    assert message.isprintable()
    assert "without a message" in refused(b'{"status":"error","error":{"a":1},"data":[{"id":1}]}')


def test_a_failure_message_never_shows_the_login():
    body = b'{"status":"error","error":"user bob/secret1 unknown","data":null}'
    assert refused(body, hide=("secret1", "bob")).endswith("user ***/*** unknown")


@pytest.mark.parametrize("nest", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("inside", [b"", b'{"order_number":"1","items":'])
def test_deep_nesting_is_refused_quickly(nest, inside):
    body = b'{"status":"success","error":null,"data":[' + inside + nest * 1_000_000
    with pytest.raises(BadAnswer, match="nests deeper than 64"):
        read(body, 1 << 16, 32 << 20)


def test_nesting_up_to_the_limit_is_fine_and_counted_exactly():
    def nested(depth):
        return b'{"status":"success","error":null,"data":[{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}]}"

    assert len(read(nested(64))) == 1
    assert "nests deeper" in refused(nested(65))
    wide = b'{"status":"success","error":null,"data":[{"a":[' + b"[]," * 200 + b"[]]}]}"
    assert len(read(wide)) == 1


def test_half_characters_become_replacement_characters_and_a_problem():
    body = rb'{"status":"success","error":null,"data":[{"n\ud800":"a\ud83d","b":["\uDC00x"]},{"ok":"\ud83d\ude00"}]}'
    for size in (1, 5, 500):
        half, good = read(body, size)
        assert half.problem == LONE_SURROGATE
        assert half.document == {"n\ufffd": "a\ufffd", "b": ["\ufffdx"]}
        assert (good.problem, good.document) == ("", {"ok": "\U0001f600"})


@pytest.mark.parametrize("number", [b"9" * 5000, b"-" + b"9" * 5000, b"1e999999999", b"1e-99999999999999999999",
                                    b"0." + b"1" * 2000])  # fmt: skip
def test_absurd_numbers_are_kept_as_text_with_a_problem(number):
    body = b'{"status":"success","error":null,"data":[{"id":7,"x":' + number + b',"y":1.5},{"id":8}]}'
    for size in (1, 100, 1 << 20):
        odd, good = read(body, size)
        assert (odd.problem, odd.document) == (NUMBER_UNUSABLE, {"id": 7, "x": number.decode(), "y": Decimal("1.5")})
        assert (good.problem, good.document) == ("", {"id": 8})


def test_large_but_honest_numbers_are_numbers():
    (offer,) = read(b'{"status":"success","error":null,"data":[{"a":1e400,"b":' + b"8" * 900 + b"}]}")
    assert offer.problem == ""
    assert offer.document == {"a": Decimal("1e400"), "b": int("8" * 900)}


def test_an_order_that_is_too_large_is_refused_with_the_setting_to_change():
    small = b'{"id":1}'
    body = b'{"status":"success","error":null,"data":[' + small + b',{"notes":"' + b"x" * 5000 + b'"}]}'
    for size in (1, 64, 1 << 20):
        with pytest.raises(BadAnswer, match=r"order 2 .* larger than 4096 .*order_limit_bytes"):
            read(body, size, 4096)


def test_ten_megabytes_of_escapes_take_linear_time_and_memory():
    text = b'\\n\\"' * 2_500_000
    body = b'{"status":"success","error":null,"data":[{"notes":"' + text + b'"}]}'
    tracemalloc.start()
    (offer,) = read(body, 1 << 16, 32 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(offer.document["notes"]) == 5_000_000
    assert peak < 8 * len(body)


def test_memory_does_not_grow_with_the_number_of_orders():
    order = json.dumps({"id": 1, "notes": "x" * 3000}).encode()

    def peak(count):
        def chunks():
            yield b'{"status":"success","error":null,"data":['
            for n in range(count):
                yield order + (b"," if n < count - 1 else b"]}")

        tracemalloc.start()
        assert sum(1 for _ in read_envelope(chunks(), max_order=LIMIT)) == count
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(5000) < peak(500) + 2_000_000


def test_a_huge_frame_is_refused(monkeypatch):
    monkeypatch.setattr(framing, "MAX_SKELETON", 1000)
    assert "besides its orders" in refused(b'{"status":"success","error":"' + b"x" * 5000 + b'","data":[]}')


@pytest.mark.parametrize("body", [
    b'{"id":7,"order_number":"1"}',
    b'{"status":"success","error":null,"data":{"id":7,"order_number":"1"}}',
    b'{"status":"success","error":null,"data":[{"id":7,"order_number":"1"}]}',
])  # fmt: skip
def test_one_order_bare_or_wrapped(body):
    assert read_single(chunked(body, 3), max_order=LIMIT).document == {"id": 7, "order_number": "1"}


@pytest.mark.parametrize(("body", "words"), [
    (b'{"status":"error","error":"no such order","data":null}', "no such order"),
    (b'{"status":"success","error":null,"data":[]}', "not one order"),
    (b'{"status":"success","error":null,"data":null}', "'data' is null"),
    (b'{"id":7', "cut off"),
    (b'{"id":7} {}', "not valid JSON"),
    (b"[]", "not a JSON object"),
    (b'{"id":' + b"[" * 100_000, "nests deeper"),
    (b'{"id":"' + b"x" * LIMIT + b'"}', "larger than"),
])  # fmt: skip
def test_one_order_that_is_wrong(body, words):
    with pytest.raises(BadAnswer, match=words):
        read_single(chunked(body, 1000), max_order=LIMIT)


def test_a_reply_is_strict_too():
    with pytest.raises(BadAnswer, match="too long or too large"):
        read_object(b'{"a":' + b"9" * 5000 + b"}", "the reply")


def test_excerpts():
    assert excerpt(None) == ""
    assert excerpt("a\x07b\r\n c") == "a b c"
    assert len(excerpt("ab " * 500)) <= 200
