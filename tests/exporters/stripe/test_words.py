"""Does every word that Stripe's own library knows have a place in our lists?

A failure here after an upgrade of the `stripe` package names what is new: class it in the exporter's `words`, or here,
where no attempt to pay can meet it.
"""

import ast
import inspect
import re
import sys

import pytest
import stripe

from exporters.stripe.counting import words
from rules.payments.cards import NETWORK
from rules.payments.declines import DECLINE_CODE
from rules.payments.disputes import REASON, closed, refunds
from rules.payments.webhooks import EVENT_TYPES
from rules.vocabulary import OTHER


def told(of: type, name: str) -> frozenset[str]:
    """The words of a field: by its annotation, or else those that its description sets in backticks."""
    node: ast.AST = ast.parse(inspect.getsource(sys.modules[of.__module__]))
    for part in of.__qualname__.split("."):
        node = next(n for n in ast.iter_child_nodes(node) if isinstance(n, ast.ClassDef) and n.name == part)
    assert isinstance(node, ast.ClassDef)
    for here, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name) and here.target.id == name:
            annotated = {one.value for one in ast.walk(here.annotation) if isinstance(one, ast.Constant)}
            found = {word for word in annotated if isinstance(word, str)}
            if not found:
                assert isinstance(after, ast.Expr)
                assert isinstance(after.value, ast.Constant)
                found = set(re.findall(r"`([a-z0-9_]+)`", str(after.value.value)))
            assert found, f"{of.__qualname__}.{name} names no words any more"
            return frozenset(found)
    raise AssertionError(f"{of.__qualname__} has no field {name} any more")


NO_PAYMENT = re.compile(
    r"account_(country_invalid_address|error_country|information_mismatch|token_required)|acss_debit_session_incomplete"
    r"|anomalous_money|approval_required|balance_invalid|bank_account_exists|bitcoin_"
    r"|capture_|charge_(already|disputed|expired_for_capture|not_refundable)"
    r"|clearing_code|country_code_invalid|coupon_|customer_|dispute_|failed_tax|financial_|forwarding_"
    r"|instant_payouts|invalid_canceled|invalid_tax|invoice_(no|on_|upcoming)|missing$|out_of_inventory"
    r"|ownership_declaration|payment_evaluation|payment_method_bank_account_already"
    r"|payout|platform_account|product_inactive|progressive|refund_|resource_already"
    r"|return_intent|service_period|setup_attempt_failed|setup_intent_(invalid|mandate|mobile|setup|unexpected)"
    r"|shipping_calculation|siret|sku_|smart_disputes|state_unsupported|status_transition|storer|stripe_tax"
    r"|subscription_update|tax|terminal_reader_invalid_location_for_activation|transfer|url_invalid"
)
"""Error codes of requests that are no attempt to pay: of accounts, payouts, invoices, refunds, taxes and the like."""


def test_every_error_code_that_a_payment_can_meet_has_a_class() -> None:
    codes = told(stripe.PaymentIntent.LastPaymentError, "code")
    classed = words.CLASS_OF.keys() | words.CUSTOMER_LEFT
    assert {code for code in codes - classed if not NO_PAYMENT.match(code)} == set()
    assert {code for code in classed if NO_PAYMENT.match(code)} == set()


def test_no_code_has_two_classes() -> None:
    listed = [code for codes in words.CAUSES.values() for code in codes] + sorted(words.CUSTOMER_LEFT)
    assert len(listed) == len(set(listed))


def test_every_reason_of_an_outcome_has_a_class() -> None:
    named = told(stripe.Charge.Outcome, "reason") - {"type"}
    assert named <= words.CLASS_OF.keys()


@pytest.mark.parametrize(
    ("of", "name", "ours"),
    [
        (stripe.Dispute, "status", words.DISPUTE_STATUSES),
        (stripe.Refund, "status", words.REFUND_STATUSES),
        (stripe.Charge.Outcome, "advice_code", words.ADVICE.keys()),
        (stripe.PaymentMethod, "type", words.METHODS),
        (stripe.Charge.PaymentMethodDetails.Card, "network", words.NETWORKS),
        (stripe.Charge.PaymentMethodDetails.CardPresent, "network", words.NETWORKS),
        (stripe.Dispute.PaymentMethodDetails.Card, "brand", words.NETWORKS),
        (stripe.Charge.PaymentMethodDetails.Card.ThreeDSecure, "authentication_flow", {"challenge", "frictionless"}),
    ],
    ids=lambda value: getattr(value, "__qualname__", value if isinstance(value, str) else ""),
)
def test_every_word_of_a_closed_list_is_known(of: type, name: str, ours: frozenset[str]) -> None:
    assert told(of, name) - set(ours) == set()


def test_every_next_action_is_of_now_or_patient() -> None:
    kinds = set(stripe.PaymentIntent.NextAction.__annotations__) - {"type"}
    assert kinds == words.ACTIONS_OF_NOW | words.PATIENT_ACTIONS
    assert not words.ACTIONS_OF_NOW & words.PATIENT_ACTIONS


def test_every_method_of_a_charge_is_known() -> None:
    assert set(stripe.Charge.PaymentMethodDetails.__annotations__) - {"type"} <= words.METHODS


def test_what_can_only_be_paid_by_a_customer_is_a_method() -> None:
    assert words.BY_CUSTOMERS_ONLY <= words.METHODS
    assert set(words.METHOD_OF_ACTION) <= words.ACTIONS_OF_NOW


def test_every_type_of_event_that_is_asked_for_exists() -> None:
    assert set(EVENT_TYPES) <= told(stripe.Event, "type")
    assert len(EVENT_TYPES) == 20


def test_labels_name_words_that_exist() -> None:
    assert set(REASON.values) - {OTHER} <= told(stripe.Dispute, "reason")
    assert set(closed.label("outcome").values) - {OTHER} <= words.DISPUTE_STATUSES
    assert set(refunds.label("result").values) - {"created"} <= words.REFUND_STATUSES
    assert set(NETWORK.values) <= words.NETWORKS
    assert set(DECLINE_CODE.values) - {OTHER} <= words.CLASS_OF.keys()
