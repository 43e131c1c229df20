"""CloudSuite's small parts: the connection, the window in the shop's time, the pace, the token's renewal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import httpx
import pendulum
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError, ThrottledError
from order_relay.http.throttle import Throttle
from order_relay.vendors.cloudsuite.client import CloudSuiteClient
from order_relay.vendors.cloudsuite.connection import LIVE_BASE, LIVE_TOKEN_URL, CloudSuiteSettings
from order_relay.vendors.cloudsuite.order_list import confirm_dates

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
BOTH_YEARS = datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2027-12-31")


def connection(host=LIVE_BASE, login="client", password="s3cret", **extra):
    return Connection("cloudsuite_default", host, login, password, extra={"token_url": LIVE_TOKEN_URL, **extra})


read = CloudSuiteSettings.from_connection


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"host": ""}, "host"),
        ({"login": ""}, "login"),
        ({"password": ""}, "password"),
        ({"token_url": ""}, "token_url"),
        ({"token_url": "ftp://x"}, "token_url"),
        ({"auth": "basic"}, "auth"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"time_zone": "../x"}, "time_zone"),
        ({"webshops": "1;2"}, "webshops"),
        ({"page_size": 0}, "page_size"),
        ({"parallel": 99}, "parallel"),
        ({"line_numbers": "post"}, "line_numbers"),
        ({"shipped_by": "mail"}, "shipped_by"),
        ({"shipped_by": "desadv"}, "desadv_user"),
        ({"shipped_by": "desadv", "desadv_shop": 0}, "desadv_shop"),
        ({"account": "a b"}, "account"),
        ({"auth": "token", "password": "a b"}, "password"),
        ({"no_trailing_slash": "perhaps"}, "no_trailing_slash"),
        ({"offline_sent": 7}, "offline_sent"),
    ],
)
def test_a_wrong_field_is_named_and_not_shown(change, field):
    with pytest.raises(ConfigurationError, match=f"'cloudsuite_default', field '{field}'") as caught:
        read(connection(**change))
    assert "s3cret" not in str(caught.value)


def test_accounts_on_one_host_are_distinguished_without_credentials():
    one, other = (
        read(connection()),
        read(connection(login="another")),
    )
    assert one.account != other.account
    assert one.account.startswith("cloudsuite:https://api.cloudsuite.io/")
    assert "client" not in one.account
    assert read(connection(account="shop-nl")).account == "cloudsuite:https://api.cloudsuite.io/shop-nl"
    assert "s3cret" not in repr(one)


def test_the_static_scheme_needs_no_token_url():
    settings = read(Connection("cloudsuite_default", LIVE_BASE, "", "tok", extra={"auth": "token"}))
    assert (settings.auth, settings.token_url) == ("token", "")


def shown(moment, zone):
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S.%f")


@given(
    start=st.integers(0, 86_400 * 700).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s / 3)),
    length=st.timedeltas(timedelta(0), timedelta(days=2)),
    inside=st.floats(0, 1),
    zone=st.sampled_from([AMSTERDAM, ZoneInfo("UTC"), ZoneInfo("America/St_Johns"), ZoneInfo("Australia/Lord_Howe")]),
)
@example(datetime(2026, 10, 25, 0, 59, tzinfo=UTC), timedelta(hours=1), 0.1, AMSTERDAM)
@example(datetime(2026, 10, 25, 0, 0, tzinfo=UTC), timedelta(minutes=61), 0.95, AMSTERDAM)
@example(datetime(2026, 10, 25, 0, 30, 0, 999, tzinfo=UTC), timedelta(0), 0, AMSTERDAM)
def test_every_moment_of_an_interval_is_within_the_requested_window(start, length, inside, zone):
    asked = confirm_dates(zone).bounds(start, start + length)
    moment = shown(start + length * inside, zone)
    assert asked["confirm_date__gte"] <= moment
    assert moment <= asked["confirm_date__lte"] + ".000000"


@given(
    moment=st.datetimes(*BOTH_YEARS, timezones=st.just(UTC)),
    name=st.sampled_from(
        [
            "Pacific/Kiritimati",
            "Pacific/Auckland",
            "Asia/Kathmandu",
            "Europe/Amsterdam",
            "UTC",
            "America/St_Johns",
            "America/Los_Angeles",
            "Pacific/Pago_Pago",
            "Etc/GMT+12",
        ]
    ),
)
def test_without_a_time_zone_the_bounds_hold_every_zones_reading_of_the_interval(moment, name):
    asked = confirm_dates(None).bounds(moment - timedelta(hours=1), moment)
    reading = pendulum.instance(moment).in_timezone(name).format("YYYY-MM-DDTHH:mm:ss")
    assert asked["confirm_date__gte"] <= reading <= asked["confirm_date__lte"]
    assert "confirm_date__lte" not in confirm_dates(None).bounds(moment, None)


def test_the_window_is_wider_only_where_clocks_change():
    hour = timedelta(hours=1)
    summer = datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert confirm_dates(AMSTERDAM).bounds(summer, summer + hour) == {
        "confirm_date__gte": "2026-07-01T12:00:00",
        "confirm_date__lte": "2026-07-01T13:00:00",
    }
    assert confirm_dates(AMSTERDAM).bounds(summer, None) == {"confirm_date__gte": "2026-07-01T12:00:00"}
    autumn = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert confirm_dates(AMSTERDAM).bounds(autumn, autumn + hour) == {
        "confirm_date__gte": "2026-10-25T01:30:00",
        "confirm_date__lte": "2026-10-25T03:30:00",
    }


class Clock:
    def __init__(self):
        self.now = 100.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_turns_keep_the_rate():
    clock = Clock()
    pace = Throttle(4.0, 60.0, clock, clock.sleep)
    for _ in range(5):
        pace.turn()
    assert clock.now == 101.0


def test_a_throttle_stops_everybody_and_one_of_many_counts_once():
    clock = Clock()
    pace = Throttle(0.0, 60.0, clock, clock.sleep)
    for _ in range(20):
        pace.throttled(ThrottledError("", 7.0))
    pace.turn()
    assert clock.now == 107.0
    with pytest.raises(ThrottledError):
        pace.throttled(ThrottledError("", 61.0))


def test_a_shop_that_only_throttles_is_left_alone_in_the_end():
    clock = Clock()
    pace = Throttle(0.0, 1000.0, clock, clock.sleep)
    for _ in range(8):
        pace.throttled(ThrottledError("", None))
        pace.turn()
    assert clock.slept == [1, 2, 4, 8, 16, 32, 64, 128]
    with pytest.raises(ThrottledError):
        pace.throttled(ThrottledError("", None))
    pace.succeeded()


def test_closing_closes_the_connections() -> None:
    connection = Connection("cloudsuite_default", "https://shop.example", "client", "s3cret", extra={"auth": "token"})
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(500)))
    made = CloudSuiteClient(read(connection), cast("Any", None), http)
    made.close()
    assert not http.is_closed, "nothing was opened yet"
    made.transport  # noqa: B018 - opens
    made.close()
    assert http.is_closed
