import pytest

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.vendors.supercat.connection import LIVE_BASE, SuperCatSettings


def connection(host=LIVE_BASE, login="admin", password="secret", **extra):
    return Connection("supercat_default", host, login, password, extra={"org": "demo", **extra})


def test_the_addresses_are_those_of_the_page():
    settings = SuperCatSettings.from_connection(connection())
    assert settings.orders_url == "https://supercat.supercatsolutions.com/demo/ext/v2/orders/new_orders"
    assert settings.order_url("117159") == "https://supercat.supercatsolutions.com/demo/ext/v2/orders/117159.json"
    assert settings.account == "supercat:https://supercat.supercatsolutions.com/demo"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"host": ""}, "host"),
        ({"host": "https://admin:secret@supercat.example"}, "host"),
        ({"login": ""}, "login"),
        ({"login": "a:b"}, "login"),
        ({"password": ""}, "password"),
        ({"org": ""}, "org"),
        ({"org": "x"}, "org"),
        ({"org": "toolongorg"}, "org"),
        ({"org": "a/b"}, "org"),
        ({"timeout_s": "soon"}, "timeout_s"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"size_limit_bytes": 5}, "size_limit_bytes"),
        ({"order_limit_bytes": "big"}, "order_limit_bytes"),
        ({"trust_env": "perhaps"}, "trust_env"),
        ({"download": "csv"}, "download"),
        ({"download": "stdjson"}, "download_login"),
        ({"download": "stdjson", "download_login": "api"}, "download_password"),
        ({"download": "stdjson", "download_login": "a:b", "download_password": "secret"}, "download_login"),
    ],
)
def test_a_wrong_field_is_named_and_not_shown(change, field):
    with pytest.raises(ConfigurationError, match=f"'supercat_default', field '{field}'") as caught:
        SuperCatSettings.from_connection(connection(**change))
    assert "secret" not in str(caught.value)


def test_settings_reveal_no_secret():
    settings = SuperCatSettings.from_connection(connection())
    assert "secret" not in repr(settings)
    assert "admin" not in repr(settings)


def test_numbers_may_be_text_as_forms_give_them():
    settings = SuperCatSettings.from_connection(
        connection(timeout_s="7.5", size_limit_bytes="100000", trust_env="true")
    )
    assert (settings.timeout_s, settings.size_limit_bytes, settings.order_limit) == (7.5, 100_000, 100_000)
    assert settings.trust_env
