import pytest

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.vendors.shopatron.connection import OmsSettings

EXTRA = {"token_url": "https://auth.example/token", "manufacturer_id": "12", "catalog_id": 0}


def connection(**changes):
    fields = {"host": "https://oms.example/api/v2/", "login": "key", "password": "s3cret"}
    extra = {**EXTRA, **changes.pop("extra", {})}
    return Connection("shopatron_default", **{**fields, **changes}, extra=extra)


def test_defaults():
    settings = OmsSettings.from_connection(connection())
    assert settings.base_url == "https://oms.example/api/v2"
    assert (settings.manufacturer_id, settings.catalog_id) == (12, 0)
    assert (settings.timeout_s, settings.requests_per_s, settings.visible_after_s) == (60, 0, 900)
    assert (settings.search_by, settings.trust_env) == ("auto", False)
    assert settings.account == "shopatron:https://oms.example/12"
    assert "s3cret" not in repr(settings)
    assert "key" not in repr(settings)


def test_everything_as_texts_from_a_form():
    settings = OmsSettings.from_connection(
        connection(
            extra={
                "timeout_s": "5",
                "connections": "8",
                "requests_per_s": "2.5",
                "headers": '{"x-vol-tenant": "9"}',
                "search_by": "window",
                "visible_after_s": "0",
                "status_field": "status",
                "search_from": "from_date",
                "status_values": '{"SHIPPED": "FULFILLED"}',
                "trust_env": "true",
            }
        )
    )
    assert (settings.timeout_s, settings.connections, settings.requests_per_s) == (5, 8, 2.5)
    assert settings.headers == {"x-vol-tenant": "9"}
    assert settings.status_values == {"SHIPPED": "FULFILLED"}
    assert (settings.search_by, settings.search_from, settings.trust_env) == ("window", "from_date", True)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"host": ""}, "host"),
        ({"host": "ftp://x"}, "host"),
        ({"login": ""}, "login"),
        ({"login": "key\n"}, "login"),
        ({"login": "a:b"}, "login"),
        ({"password": ""}, "password"),
        ({"extra": {"token_url": ""}}, "token_url"),
        ({"extra": {"token_url": "auth.example/token"}}, "token_url"),
        ({"extra": {"token_url": "https://u:p@auth.example/token"}}, "token_url"),
        ({"extra": {"manufacturer_id": ""}}, "manufacturer_id"),
        ({"extra": {"manufacturer_id": 0}}, "manufacturer_id"),
        ({"extra": {"catalog_id": "x"}}, "catalog_id"),
        ({"extra": {"catalog_id": -1}}, "catalog_id"),
        ({"extra": {"timeout_s": 0.5}}, "timeout_s"),
        ({"extra": {"connections": 0}}, "connections"),
        ({"extra": {"requests_per_s": -1}}, "requests_per_s"),
        ({"extra": {"search_by": "magic"}}, "search_by"),
        ({"extra": {"search_from": "a&b"}}, "search_from"),
        ({"extra": {"headers": "nonsense"}}, "headers"),
        ({"extra": {"headers": {"Authorization": "x"}}}, "headers"),
        ({"extra": {"headers": {"x": "a\r\nb: c"}}}, "headers"),
        ({"extra": {"trust_env": "perhaps"}}, "trust_env"),
    ],
)
def test_complaints_name_connection_and_field_and_show_no_value(changes, field):
    with pytest.raises(ConfigurationError) as caught:
        OmsSettings.from_connection(connection(**changes))
    assert f"'shopatron_default', field '{field}'" in str(caught.value)
    assert "s3cret" not in str(caught.value)
