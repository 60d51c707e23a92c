"""How do Stripe's objects look as JSON? (Stripe API reference)"""

from dataclasses import dataclass
from typing import Any

from simulator.stripe.outcomes import Outcome

__all__ = [
    "Attempt",
    "Dispute",
    "EarlyWarning",
    "Invoice",
    "Json",
    "Payout",
    "Refund",
    "charge",
    "error",
    "event",
    "payment_intent",
]

Json = dict[str, Any]

_WALLETS = ("apple_pay", "google_pay", "link")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to pay, as it is at some moment."""

    charge: str
    intent: str
    created: int
    amount: int
    currency: str
    method: str
    network: str
    outcome: Outcome
    captured: bool
    action: str = ""
    """What the customer was asked to do, as the type of `next_action`."""
    taken: int = 0
    """How much is taken once it is captured."""
    country: str = "US"
    authentication: str = ""

    @property
    def details(self) -> Json:
        """Its `payment_method_details`."""
        if self.method != "card" and self.method not in _WALLETS:
            return {"type": self.method, self.method: {"bank_name": "Example Bank", "last4": "6789"}}
        wallet: Json | None = (
            {"type": self.method, self.method: {}, "dynamic_last4": None} if self.method in _WALLETS else None
        )
        return {
            "type": "card",
            "card": {
                "amount_authorized": self.amount,
                "authorization_code": "123456",
                "brand": self.network,
                "checks": {"address_line1_check": None, "address_postal_code_check": "pass", "cvc_check": "pass"},
                "country": self.country,
                "exp_month": 8,
                "exp_year": 2030,
                "extended_authorization": {"status": "disabled"},
                "fingerprint": "mToisGZ01V71BCos",
                "funding": "credit",
                "incremental_authorization": {"status": "unavailable"},
                "installments": None,
                "last4": "4242",
                "mandate": None,
                "multicapture": {"status": "unavailable"},
                "network": self.network,
                "network_token": {"used": False},
                "network_transaction_id": "102210102210102",
                "overcapture": {"maximum_amount_capturable": self.amount, "status": "unavailable"},
                "regulated_status": "unregulated",
                "three_d_secure": self._secure,
                "wallet": wallet,
            },
        }

    @property
    def _secure(self) -> Json | None:
        if not self.authentication:
            return None
        return {
            "authentication_flow": self.authentication,
            "electronic_commerce_indicator": "05",
            "exemption_indicator": None,
            "result": "authenticated",
            "result_reason": None,
            "transaction_id": "4e1dc2c5-8b80-4b53-8b62-8c9d5a2d6f11",
            "version": "2.2.0",
        }


def charge(attempt: Attempt) -> Json:
    """A charge."""
    outcome = attempt.outcome
    paid = outcome.succeeded
    told = None
    if outcome.type:
        told = {
            "advice_code": outcome.advice,
            "network_advice_code": None,
            "network_decline_code": None if paid else "01",
            "network_status": outcome.network_status,
            "reason": outcome.reason,
            "risk_level": "normal",
            "risk_score": 12,
            "seller_message": "Payment complete." if paid else "The bank did not return any further details.",
            "type": outcome.type,
        }
    return {
        "id": attempt.charge,
        "object": "charge",
        "amount": attempt.amount,
        "amount_captured": attempt.taken if paid and attempt.captured else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": "txn_1Qx7mK2eZvKYlo2C" if paid and attempt.captured else None,
        "billing_details": {
            "address": {"city": None, "country": "US", "line1": None, "line2": None, "postal_code": "94107"},
            "email": "jenny.rosen@example.com",
            "name": "Jenny Rosen",
            "phone": None,
            "tax_id": None,
        },
        "calculated_statement_descriptor": "EXAMPLE.COM",
        "captured": paid and attempt.captured,
        "created": attempt.created,
        "currency": attempt.currency,
        "customer": "cus_9s6XKzkNRiz8i3",
        "description": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": outcome.failure_code,
        "failure_message": None if paid else "Your card was declined.",
        "fraud_details": {},
        "livemode": False,
        "metadata": {"order": "6735"},
        "on_behalf_of": None,
        "outcome": told,
        "paid": paid,
        "payment_intent": attempt.intent,
        "payment_method": "pm_1Qx7mK2eZvKYlo2C",
        "payment_method_details": attempt.details,
        "presentment_details": None,
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": "https://pay.stripe.com/receipts/payment/example",
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if paid else "failed",
        "transfer_data": None,
        "transfer_group": None,
    }


def payment_intent(attempt: Attempt, status: str) -> Json:
    """A payment intent after that attempt."""
    outcome = attempt.outcome
    failed = None
    if status == "requires_payment_method":
        failed = {
            "advice_code": outcome.advice,
            "code": outcome.failure_code,
            "doc_url": "https://docs.stripe.com/error-codes",
            "message": "The payment failed.",
            "payment_method": {
                "id": "pm_1Qx7mK2eZvKYlo2C",
                "object": "payment_method",
                "billing_details": {"email": "jenny.rosen@example.com", "name": "Jenny Rosen"},
                **attempt.details,
            },
            "type": "card_error" if outcome.has_charge else "invalid_request_error",
        }
        if outcome.has_charge:
            failed |= {"charge": attempt.charge, "decline_code": outcome.reason}
    action = None
    if status == "requires_action" and attempt.action:
        action = {"type": attempt.action, attempt.action: {}}
    return {
        "id": attempt.intent,
        "object": "payment_intent",
        "amount": attempt.amount,
        "amount_capturable": attempt.amount if status == "requires_capture" else 0,
        "amount_details": {"tip": {}},
        "amount_received": attempt.taken if status == "succeeded" else 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": attempt.created if status == "canceled" else None,
        "cancellation_reason": "abandoned" if status == "canceled" else None,
        "capture_method": "automatic_async",
        "client_secret": f"{attempt.intent}_secret_YrKJUKribcBjcG8HVhfZluoGH",
        "confirmation_method": "automatic",
        "created": attempt.created,
        "currency": attempt.currency,
        "customer": "cus_9s6XKzkNRiz8i3",
        "description": None,
        "last_payment_error": failed,
        "latest_charge": attempt.charge if outcome.has_charge and status != "requires_action" else None,
        "livemode": False,
        "metadata": {"order": "6735"},
        "next_action": action,
        "on_behalf_of": None,
        "payment_method": None if failed else "pm_1Qx7mK2eZvKYlo2C",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card" if attempt.method in _WALLETS else attempt.method],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    }


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund, as it is at some moment."""

    id: str
    created: int
    charge: str
    intent: str
    amount: int
    currency: str
    status: str
    reason: str | None = "requested_by_customer"

    def json(self) -> Json:
        """As Stripe shows it."""
        shown: Json = {
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": "txn_1Qx7mK2eZvKYlo2C",
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "destination_details": {"card": {"type": "refund"}, "type": "card"},
            "metadata": {},
            "payment_intent": self.intent,
            "reason": self.reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": self.status,
            "transfer_reversal": None,
        }
        if self.status == "failed":
            shown["failure_reason"] = "expired_or_canceled_card"
        return shown


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute or an inquiry, as it is at some moment."""

    id: str
    created: int
    charge: str
    intent: str
    amount: int
    currency: str
    network: str
    """Where the charge was processed; versions before 2025 do not tell."""
    brand: str
    reason: str
    status: str
    due_by: int | None

    def json(self) -> Json:
        """As Stripe shows it."""
        card = {"brand": self.brand, "case_type": "chargeback", "network_reason_code": "83"}
        if self.network:
            card["network"] = self.network
        return {
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": [],
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": {"customer_email_address": "jenny.rosen@example.com", "customer_name": "Jenny Rosen"},
            "evidence_details": {
                "due_by": self.due_by,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": False,
            "livemode": False,
            "metadata": {},
            "payment_intent": self.intent,
            "payment_method_details": {
                "card": card,
                "type": "card",
            },
            "reason": self.reason,
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class EarlyWarning:
    """An early fraud warning."""

    id: str
    created: int
    charge: str
    intent: str

    def json(self) -> Json:
        """As Stripe shows it."""
        return {
            "id": self.id,
            "object": "radar.early_fraud_warning",
            "actionable": True,
            "charge": self.charge,
            "created": self.created,
            "fraud_type": "misc",
            "livemode": False,
            "payment_intent": self.intent,
        }


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout to the bank account, as it is at some moment."""

    id: str
    created: int
    amount: int
    currency: str
    status: str

    def json(self) -> Json:
        """As Stripe shows it."""
        return {
            "id": self.id,
            "object": "payout",
            "amount": self.amount,
            "arrival_date": self.created,
            "automatic": True,
            "balance_transaction": "txn_1Qx7mK2eZvKYlo2C",
            "created": self.created,
            "currency": self.currency,
            "description": "STRIPE PAYOUT",
            "destination": "ba_1Qx7mK2eZvKYlo2C",
            "failure_balance_transaction": None,
            "failure_code": "account_closed" if self.status == "failed" else None,
            "failure_message": None,
            "livemode": False,
            "metadata": {},
            "method": "standard",
            "original_payout": None,
            "reconciliation_status": "completed",
            "reversed_by": None,
            "source_type": "card",
            "statement_descriptor": None,
            "status": self.status,
            "type": "bank_account",
        }


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice whose payment failed."""

    id: str
    created: int
    amount: int
    currency: str

    def json(self) -> Json:
        """As Stripe shows it, shortened."""
        return {
            "id": self.id,
            "object": "invoice",
            "amount_due": self.amount,
            "amount_paid": 0,
            "attempt_count": 1,
            "attempted": True,
            "created": self.created,
            "currency": self.currency,
            "customer_email": "jenny.rosen@example.com",
            "status": "open",
        }


def event(
    id_: str,
    type_: str,
    created: int,
    api_version: str,
    request: tuple[str | None, str | None],
    thing: Json,
    before: Json | None,
) -> Json:
    """An event; `request` is its id and its idempotency key, in versions before 2017-05-25 the id alone."""
    data: Json = {"object": thing}
    if before is not None:
        data["previous_attributes"] = before
    old = api_version < "2017-05-25"
    return {
        "id": id_,
        "object": "event",
        "api_version": api_version,
        "created": created,
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": request[0] if old else {"id": request[0], "idempotency_key": request[1]},
        "type": type_,
    }


def error(type_: str, message: str, code: str | None = None, param: str | None = None) -> Json:
    """An error's body."""
    found = {"type": type_, "message": message, "code": code, "param": param}
    return {"error": {name: value for name, value in found.items() if value is not None}}
