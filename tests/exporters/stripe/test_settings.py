"""Which settings of Stripe are refused, and what is said of them?"""

from typing import Any

import pytest
from pydantic import ValidationError

from exporters.configuration.secrets import FromConfigurationFile
from exporters.stripe.settings import StripeSettings


def refused(**settings: Any) -> str:
    with pytest.raises(ValidationError) as found:
        StripeSettings.model_validate({"api_key": "rk_test_1", **settings})
    assert "rk_test_1" not in str(found.value)
    return str(found.value)


def test_a_key_from_a_file_or_the_environment_is_all_that_is_needed() -> None:
    settings = StripeSettings.model_validate({"api_key": "rk_test_1"})
    assert str(settings.api_url) == "https://api.stripe.com/"
    assert settings.read_share == 0.5
    assert not settings.has_full_access


def test_a_key_that_may_do_everything_is_known_as_such() -> None:
    assert StripeSettings.model_validate({"api_key": "sk_live_1"}).has_full_access


def test_a_key_in_the_configuration_file_is_refused() -> None:
    assert "does not belong in the configuration file" in refused(api_key=FromConfigurationFile("rk_test_1"))


@pytest.mark.parametrize("key", ["pk_live_1", "whsec_1", "rk_test_1\n", "räk"])
def test_what_is_no_secret_key_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="not a secret or restricted key") as found:
        StripeSettings.model_validate({"api_key": key})
    assert key not in str(found.value)


def test_a_key_is_never_sent_in_the_clear_but_to_this_machine() -> None:
    assert "write https://" in refused(api_url="http://api.example.com")
    StripeSettings.model_validate({"api_key": "rk_test_1", "api_url": "http://127.0.0.1:1234"})
    StripeSettings.model_validate({"api_key": "rk_test_1", "api_url": "http://[::1]:1234"})


def test_an_address_holds_neither_path_nor_password() -> None:
    assert "more than scheme, host and port" in refused(api_url="https://user:pass@api.stripe.com")
    assert "more than scheme, host and port" in refused(api_url="https://api.stripe.com/v1")


@pytest.mark.parametrize(
    "url", ["https://u:hunter2@pay.example.com/hook", "https://pay.example.com/hook?token=hunter2"]
)
def test_the_address_of_an_endpoint_holds_no_secret(url: str) -> None:
    said = refused(webhook_urls=[url])
    assert "a user name, a password or a query; leave them out, they are not compared" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("share", [0, -1, 1.1])
def test_a_share_is_a_part(share: float) -> None:
    assert "read_share" in refused(read_share=share)


def test_a_postgres_state_needs_a_dsn_and_only_it_does() -> None:
    assert "needs a dsn" in refused(state={"backend": "postgres"})
    assert "needs a dsn" in refused(state={"dsn": "postgresql://state"})
