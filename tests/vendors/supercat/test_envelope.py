import json
import re
import tracemalloc
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from order_relay.errors import MalformedResponseError
from order_relay.http.json import array_framer as framer
from order_relay.http.json.strict_json import LONE_SURROGATE, NUMBER_OUT_OF_RANGE, read_object
from order_relay.http.reading.bodies import excerpt
from order_relay.orders.schema import malformed
from order_relay.vendors.supercat.envelope import read_envelope, read_single

LIMIT = 1 << 20


def chunked(body, size):
    return [body[at : at + size] for at in range(0, len(body), size)]


def read(body, size=64, limit=LIMIT, **more):
    return list(read_envelope(chunked(body, size), max_order=limit, **more))


def refused(body, **more):
    """The one message, however the body is cut."""
    messages = set()
    for size in (1, 7, 64, 1 << 20):
        with pytest.raises(MalformedResponseError) as caught:
            read(body, size, **more)
        messages.add(str(caught.value))
    assert len(messages) == 1, messages
    return messages.pop()


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=2)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('{}[]"\\,:'), max_size=6)
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
        except MalformedResponseError:
            continue
        if not any(offer.issues for offer in found):
            assert [offer.document for offer in found] == json.loads(text, parse_float=Decimal)["data"]
        for offer in found:
            assert bool(offer.issues) == bool(offer.text) == (offer.problem in malformed.MALFORMED_CODES)


@given(orders.filter(len), st.data())
def test_a_cut_body_is_never_taken(data, draw):
    body = json.dumps({"status": "success", "error": None, "data": data}, cls=Exact).encode()
    at = draw.draw(st.integers(0, len(body) - 1))
    with pytest.raises(MalformedResponseError):
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


@pytest.mark.parametrize(
    ("body", "expected_text"),
    [
        (b"", "is empty"),
        (b"  \n ", "is empty"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b'[{"order_number":"1"}]', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"OK", "not a JSON object"),
        ('{"status":"success"}'.encode("utf-16"), "not UTF-8"),
        ('{"status":"success"}'.encode("utf-16-le"), "not UTF-8"),
        (b'{"status":"success","error":null,"data":[{"a":1},"\xff"]}', "not valid UTF-8"),
        (b'{"status":"success","error":null,"note":"\xed\xa0\x80","data":[{"a":1}]}', "not valid UTF-8"),
        (b'{"status":"success","error":null,"data":null}', "'data' is null, not an array"),
        (b'{"status":"success","error":null,"data":{}}', "'data' is an object, not an array"),
        (b'{"status":"success","error":null,"data":"x"}', "'data' is text"),
        (b'{"status":"success","error":null}', "data missing"),
        (b'{"status":"success","data":[]}', "error missing"),
        (b'{"error":null,"data":[]}', "status missing"),
        (b"{}", "status, error, data missing"),
        (b'{"status":true,"error":null,"data":[]}', "'status' is true or false"),
        (b'{"status":"success","error":"but","data":[]}', "is contradictory"),
        (b'{"status":"success","error":null,"data":[1]}', "are not objects"),
        (b'{"status":"success","error":null,"data":["7001","7002"]}', "are not objects"),
        (b'{"status":"success","error":null,"data":[{}{}]}', "not valid JSON"),
        (b'{"status":"success","error":null,"data":[1{}2]}', "not valid JSON"),
        (b'{"status":"success","error":null,"data":[{},]}', "not valid JSON"),
        (b'{"status":"success","error":null,"data":[{}]}x', "not valid JSON"),
        (b'{"status":"success","error":null,"data":[{}]}]', "has no opening one"),
        (b'{"status":"success","error":null,"data":[{}]}{"data":[{}]}', "not valid JSON"),
        (b'{"status":"success","error":[{}],"data":[]}', "an error"),
        (b'{"status":"success","error":null,"data":[{}],"data":[{}]}', "has a duplicate member"),
        (b'{"status":"success","error":NaN,"data":[{}]}', "holds NaN"),
        (b'{"status":"success","error":null,"data":[{"a":[1}, {"b":"2}]}', "truncated"),
        (b"{'status':'success'}", "not valid JSON"),
        (b'{"status":"success","error":null,"data":[{"a":"x', "truncated"),
        (b'{"status":"success","error":null,"data":[{"a":1}', "truncated"),
        (b'{"status":"success","error":null,"data":[{"a":1}]', "truncated"),
        (b'{"status":"succ', "truncated"),
    ],
)
def test_each_wrong_answer_has_its_own_clear_message(body, expected_text):
    assert expected_text in refused(body)


@pytest.mark.parametrize("status", ["error", "failure", "SUCCESS", ""])
def test_a_reported_failure_carries_its_message_bounded_and_on_one_line(status):
    body = json.dumps({"status": status, "error": "down\x00 for\n\u202emaint" + "x" * 500, "data": None}).encode()
    message = refused(body)
    assert "SuperCat reports a failure: down for maint" in message
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
    with pytest.raises(MalformedResponseError, match=r"truncated|nests deeper"):
        read(body, 1 << 16, 32 << 20)


def test_nesting_up_to_the_limit_is_fine_and_counted_exactly():
    def nested(depth):
        return b'{"status":"success","error":null,"data":[{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}]}"

    assert len(read(nested(64))) == 1
    (deep,) = read(nested(65))
    assert deep.problem == malformed.TOO_DEEP
    wide = b'{"status":"success","error":null,"data":[{"a":[' + b"[]," * 200 + b"[]]}]}"
    assert len(read(wide)) == 1


def test_half_characters_become_replacement_characters_and_a_problem():
    body = rb'{"status":"success","error":null,"data":[{"n\ud800":"a\ud83d","b":["\uDC00x"]},{"ok":"\ud83d\ude00"}]}'
    for size in (1, 5, 500):
        half, good = read(body, size)
        assert half.problem == LONE_SURROGATE
        assert half.document == {"n\ufffd": "a\ufffd", "b": ["\ufffdx"]}
        assert (good.problem, good.document) == ("", {"ok": "\U0001f600"})


@pytest.mark.parametrize(
    "number", [b"9" * 5000, b"-" + b"9" * 5000, b"1e999999999", b"1e-99999999999999999999", b"0." + b"1" * 2000]
)
def test_absurd_numbers_are_kept_as_text_with_a_problem(number):
    body = b'{"status":"success","error":null,"data":[{"id":7,"x":' + number + b',"y":1.5},{"id":8}]}'
    for size in (1, 100, 1 << 20):
        odd, good = read(body, size)
        assert (odd.problem, odd.document) == (
            NUMBER_OUT_OF_RANGE,
            {"id": 7, "x": number.decode(), "y": Decimal("1.5")},
        )
        assert (good.problem, good.document) == ("", {"id": 8})


def test_large_but_honest_numbers_are_numbers():
    (offer,) = read(b'{"status":"success","error":null,"data":[{"a":1e400,"b":' + b"8" * 900 + b"}]}")
    assert offer.problem == ""
    assert offer.document == {"a": Decimal("1e400"), "b": int("8" * 900)}


def test_an_order_that_is_too_large_is_refused_alone_with_the_setting_to_change():
    small = b'{"id":1}'
    body = b'{"status":"success","error":null,"data":[' + small + b',{"id":2,"notes":"' + b"x" * 5000 + b'"},{"id":3}]}'
    for size in (1, 64, 1 << 20):
        first, large, last = read(body, size, 4096)
        assert (first.document, last.document) == ({"id": 1}, {"id": 3})
        assert (large.problem, large.document) == (malformed.TOO_LARGE, {"id": 2})
        assert re.search(r"larger than 4096 .*order_limit_bytes", large.issues[0].message)


def test_of_an_order_that_is_too_large_only_the_beginning_is_kept_in_memory():
    body = b'{"status":"success","error":null,"data":[{"id":2,"notes":"' + b"x" * 3_000_000 + b'"},{"id":3}]}'
    large, last = read(body, 1 << 14, 1 << 17)
    assert len(large.text) == framer.MAX_KEPT
    assert (large.document, last.document) == ({"id": 2}, {"id": 3})


GOOD, TOO = b'{"id":1,"order_number":"A-1"}', b'{"id":3,"order_number":"A-3"}'
POISONED = [
    (b'{"id":2,"order_number":"A-2","notes":"a","notes":"b"}', malformed.DUPLICATE_KEY, "/notes", "A-2"),
    (b'{"id":2,"order_number":"A-2","items":[{"sku":"x","sku":"x"}]}', malformed.DUPLICATE_KEY, "/items/0/sku", "A-2"),
    (b'{"id":2,"order_number":"A-2","order_number":"A-9"}', malformed.DUPLICATE_KEY, "/order_number", None),
    (b'{"id":2,"order_number":"A-2","total":NaN}', malformed.NOT_A_NUMBER, "/total", "A-2"),
    (b'{"id":2,"total":-Infinity,"order_number":"A-2"}', malformed.NOT_A_NUMBER, "/total", "A-2"),
    (b'{"id":2,"order_number":"A-2","notes":"Z\xfcrich"}', malformed.BAD_BYTE, "/notes", "A-2"),
    (b'{"id":2,"order_number":"A-2","notes":"\xed\xa0\x80"}', malformed.BAD_BYTE, "/notes", "A-2"),
    (b'{"id":2,"order_number":"A-2","notes":"a\tb"}', malformed.CONTROL_CHARACTER, "", "A-2"),
    (b'{"id":2,"order_number":"A-2","notes":"a\x00b\nc"}', malformed.CONTROL_CHARACTER, "", "A-2"),
    (b'{"id":2,"order_number":"A-2","x":' + b"[" * 5000 + b"]" * 5000 + b"}", malformed.TOO_DEEP, "", "A-2"),
    (b'{"id":2,"order_number":"A-2","x":' + b'{"a":' * 80 + b"1" + b"}" * 80 + b"}", malformed.TOO_DEEP, "", "A-2"),
    (b'{"id":2,"order_number":"A-2","total":12,5}', malformed.NOT_JSON, "", "A-2"),
    (b'{"id":2,"order_number":"A-2",}', malformed.NOT_JSON, "", "A-2"),
    (b'{"id":2,"order_number":"A-2","total":01}', malformed.NOT_JSON, "", "A-2"),
    (b"{'id':2}", malformed.NOT_JSON, "", None),
    (b'{"id":2,"order_number":"A-2","items":[{"a":1}}', malformed.NOT_JSON, "", "A-2"),
    (b"null", malformed.NOT_AN_OBJECT, "", None),
    (b'["A-2"]', malformed.NOT_AN_OBJECT, "", None),
    (b'"A-2"', malformed.NOT_AN_OBJECT, "", None),
    (b"7", malformed.NOT_AN_OBJECT, "", None),
]


@pytest.mark.parametrize(("order", "code", "place", "number"), POISONED)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_is_wrong_inside_one_order_concerns_that_order_alone(order, code, place, number, at):
    orders = [GOOD, TOO]
    orders.insert(at, order)
    body = b'{"status":"success","error":null,"data":[' + b",".join(orders) + b"]}"
    for size in (1, 7, 1 << 20):
        found = read(body, size)
        (bad,) = [offer for offer in found if offer.issues]
        assert [offer.document["order_number"] for offer in found if not offer.issues] == ["A-1", "A-3"]
        assert (bad.problem, bad.issues[0].pointer, bad.document.get("order_number")) == (code, place, number)
        assert bad.where.endswith(f"{at + 1} of the response")
        bad.text.encode()


def test_control_characters_that_are_escaped_and_line_breaks_between_members_are_fine():
    (offer,) = read(b'{"status":"success","error":null,"data":[{\n\t"a":"x\\u0001\\n\\ty" ,\r\n"b":1}]}')
    assert (offer.problem, offer.document) == ("", {"a": "x\x01\n\ty", "b": 1})


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([GOOD, *(order for order, *_ in POISONED if order[:1] == b"{")]), min_size=1, max_size=6),
    st.integers(1, 200),
)
def test_good_orders_are_read_despite_any_garbage_between_them(orders, size):
    body = b'{"status":"success","error":null,"data":[' + b",".join(orders) + b"]}"
    found = read(body, size)
    assert len(found) == len(orders)
    for text, offer in zip(orders, found, strict=True):
        assert bool(offer.issues) == (text != GOOD)


def test_further_members_of_the_envelope_are_accepted_with_one_warning():
    warnings: list[str] = []
    body = (
        b'{"links":[{"next":"x"},{"id":9}],"status":"success","error":null,"page":1,"data":[{"id":1},{"id":2}],'
        b'"x4111111111111111":[[{"a":1}]]}'
    )
    for size in (1, 9, 1 << 20):
        warnings.clear()
        assert [offer.document for offer in read(body, size, warn=warnings.append)] == [{"id": 1}, {"id": 2}]
        assert len(warnings) == 1
        assert "links, page, x???" in warnings[0]
    with pytest.raises(MalformedResponseError, match="SuperCat reports a failure"):
        read(body.replace(b'"success"', b'"error"'), warn=warnings.append)


@pytest.mark.parametrize("error", [b"null", b'""', b'" "', b"[]", b"{}"])
def test_an_empty_error_beside_success_is_none(error):
    assert len(read(b'{"status":"success","error":' + error + b',"data":[{"id":1}]}')) == 1


@pytest.mark.parametrize("name", [b'"d\\u0061ta"', b'"data"  ', b'"data" \n\t'])
def test_the_list_of_orders_is_found_by_its_name_however_it_is_written(name):
    assert len(read(b'{"status":"success","error":null,' + name + b':[{"id":1}]}')) == 1


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
    monkeypatch.setattr(framer, "MAX_SKELETON", 1000)
    assert "besides its orders" in refused(b'{"status":"success","error":"' + b"x" * 5000 + b'","data":[]}')


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":7,"order_number":"1"}',
        b'{"status":"success","error":null,"data":{"id":7,"order_number":"1"}}',
        b'{"status":"success","error":null,"data":[{"id":7,"order_number":"1"}]}',
    ],
)
def test_one_order_bare_or_wrapped(body):
    assert read_single(chunked(body, 3), max_order=LIMIT).document == {"id": 7, "order_number": "1"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":7,"order_number":"1","total":NaN}',
        b'{"status":"success","error":null,"data":{"id":7,"order_number":"1","total":NaN},"page":1}',
        b'{"status":"success","error":null,"data":[{"id":7,"order_number":"1","total":NaN}],"page":1}',
    ],
)
def test_one_defective_order_is_reported_with_its_defect(body):
    order = read_single(chunked(body, 3), max_order=LIMIT)
    assert (order.problem, order.document) == (malformed.NOT_A_NUMBER, {"id": 7, "order_number": "1"})


@pytest.mark.parametrize(
    ("body", "expected_text"),
    [
        (b'{"status":"error","error":"no such order","data":null}', "no such order"),
        (b'{"status":"success","error":null,"data":[]}', "not one order"),
        (b'{"status":"success","error":null,"data":null}', "'data' is null"),
        (b'{"id":7', "truncated"),
        (b'{"id":7} {}', "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b'{"id":' + b"[" * 100_000, "truncated|nests deeper"),
        (b'{"id":"' + b"x" * LIMIT + b'"}', "larger than"),
    ],
)
def test_one_order_that_is_wrong(body, expected_text):
    with pytest.raises(MalformedResponseError, match=expected_text):
        read_single(chunked(body, 1000), max_order=LIMIT)


def test_a_reply_is_strict_too():
    with pytest.raises(MalformedResponseError, match="too long or too large"):
        read_object(b'{"a":' + b"9" * 5000 + b"}", "the reply")


def test_excerpts():
    assert excerpt(None) == ""
    assert excerpt("a\x07b\r\n c") == "a b c"
    assert len(excerpt("ab " * 500)) <= 200
