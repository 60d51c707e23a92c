"""What does each of Stripe's words mean to us?

The closed lists. A test compares them with the types of the `stripe` package, so that its next upgrade shows which
words are new; a word that comes at run time and is in no list counts as `other`, and is told once in the log.
"""

from rules.vocabulary import OTHER

__all__ = [
    "ACTIONS_OF_NOW",
    "ADVICE",
    "AUTHENTICATION_FAILED",
    "BY_CUSTOMERS_ONLY",
    "CAUSES",
    "CLASS_OF",
    "CUSTOMER_LEFT",
    "DISPUTE_STATUSES",
    "DISPUTE_WAITS",
    "METHODS",
    "METHOD_OF_ACTION",
    "NETWORKS",
    "PATIENT_ACTIONS",
    "REFUND_STATUSES",
    "RESULT_OF",
    "WALLETS",
]

AUTHENTICATION_FAILED = "payment_intent_authentication_failure"

CUSTOMER_LEFT = frozenset(("payment_intent_payment_attempt_expired", "payment_method_customer_decline"))
"""Codes of attempts that ended because their customer did not go on: those are abandoned, and no failure."""

CAUSES = {
    "technical": (
        "api_error",
        "issuer_not_available",
        "lock_timeout",
        "payment_intent_rate_limit_exceeded",
        "payment_method_microdeposit_processing_error",
        "payment_method_not_available",
        "payment_method_provider_timeout",
        "processing_error",
        "rate_limit",
        "reenter_transaction",
        "terminal_reader_busy",
        "terminal_reader_hardware_fault",
        "terminal_reader_offline",
        "terminal_reader_timeout",
        "three_d_secure_authentication_upstream_error",
        "try_again_later",
    ),
    "integration": (
        "account_invalid",
        "alipay_upgrade_required",
        "amount_too_large",
        "amount_too_small",
        "api_key_expired",
        "application_fees_not_allowed",
        "balance_insufficient",
        "billing_invalid_mandate",
        "capability_not_active",
        "charge_exceeds_source_limit",
        "charge_exceeds_transaction_limit",
        "charge_invalid_parameter",
        "country_unsupported",
        "currency_not_supported",
        "idempotency_key_in_use",
        "intent_invalid_state",
        "intent_verification_method_missing",
        "invalid_amount",
        "invalid_charge_amount",
        "invalid_mandate_reference_prefix_format",
        "invalid_source_usage",
        "live_mode_test_card",
        "livemode_mismatch",
        "not_allowed_on_standard_account",
        "parameter_invalid_empty",
        "parameter_invalid_integer",
        "parameter_invalid_string_blank",
        "parameter_invalid_string_empty",
        "parameter_missing",
        "parameter_unknown",
        "parameters_exclusive",
        "payment_intent_action_required",
        "payment_intent_incompatible_payment_method",
        "payment_intent_invalid_parameter",
        "payment_intent_mandate_invalid",
        "payment_intent_unexpected_state",
        "payment_method_billing_details_address_missing",
        "payment_method_configuration_failures",
        "payment_method_currency_mismatch",
        "payment_method_invalid_parameter",
        "payment_method_invalid_parameter_testmode",
        "payment_method_unactivated",
        "payment_method_unexpected_state",
        "payment_method_unsupported_type",
        "platform_api_key_expired",
        "resource_missing",
        "secret_key_required",
        "terminal_location_country_unsupported",
        "terminal_reader_invalid_location_for_payment",
        "test_mode_live_card",
        "testmode_charges_only",
        "testmode_decline",
        "three_d_secure_authentication_not_supported",
        "tls_version_unsupported",
        "token_already_used",
        "token_card_network_invalid",
        "token_in_use",
    ),
    "fraud_block": (
        "action_blocked",
        "card_decline_rate_limit_exceeded",
        "elevated_risk_level",
        "highest_risk_level",
        "low_probability_of_authorization",
        "previously_declined_do_not_retry",
        "request_blocked",
        "rule",
    ),
    "authentication": (
        "authentication_failure",
        "authentication_not_handled",
        "authentication_required",
        "invoice_payment_intent_requires_action",
        "mobile_device_authentication_required",
        AUTHENTICATION_FAILED,
        "setup_intent_authentication_failure",
    ),
    "customer_data": (
        "account_number_invalid",
        "bank_account_bad_routing_numbers",
        "bank_account_unusable",
        "bank_account_unverified",
        "bank_account_verification_failed",
        "cardholder_phone_number_required",
        "email_invalid",
        "expired_card",
        "expired_payment_method",
        "incorrect_address",
        "incorrect_cvc",
        "incorrect_number",
        "incorrect_pin",
        "incorrect_postal_code",
        "incorrect_zip",
        "invalid_characters",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "invalid_pin",
        "offline_pin_required",
        "online_or_offline_pin_required",
        "payment_intent_konbini_rejected_confirmation_number",
        "payment_method_microdeposit_failed",
        "payment_method_microdeposit_verification_amounts_invalid",
        "payment_method_microdeposit_verification_amounts_mismatch",
        "payment_method_microdeposit_verification_attempts_exceeded",
        "payment_method_microdeposit_verification_descriptor_code_mismatch",
        "payment_method_microdeposit_verification_timeout",
        "pin_try_exceeded",
        "postal_code_invalid",
        "routing_number_invalid",
        "shipping_address_invalid",
    ),
    "issuer_hard": (
        "account_closed",
        "bank_account_declined",
        "bank_account_restricted",
        "card_not_supported",
        "debit_not_authorized",
        "fraudulent",
        "india_recurring_payment_mandate_canceled",
        "invalid_account",
        "invalid_card_type",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "no_account",
        "no_action_taken",
        "not_permitted",
        "payment_method_bank_account_blocked",
        "payment_method_restricted",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "sepa_unsupported_account",
        "service_not_allowed",
        "stolen_card",
        "stop_payment_order",
        "transaction_not_allowed",
    ),
    "issuer_soft": (
        "approve_with_id",
        "call_issuer",
        "card_declined",
        "card_velocity_exceeded",
        "do_not_honor",
        "duplicate_transaction",
        "generic_decline",
        "insufficient_funds",
        "payment_intent_payment_attempt_failed",
        "payment_method_provider_decline",
        "refer_to_customer",
        "withdrawal_count_limit_exceeded",
    ),
}
"""Decline codes (Stripe, "Decline codes"), error codes ("Error codes") and reasons of outcomes, by class of failure."""

CLASS_OF = {code: name for name, codes in CAUSES.items() for code in codes}
ADVICE = {"try_again_later": "issuer_soft", "do_not_try_again": "issuer_hard", "confirm_card_data": "customer_data"}
RESULT_OF = {"technical": "technical_failure", "integration": "technical_failure", "fraud_block": "blocked"}

ACTIONS_OF_NOW = frozenset(
    (
        "alipay_handle_redirect",
        "blik_authorize",
        "cashapp_handle_redirect_or_display_qr_code",
        "klarna_display_qr_code",
        "paynow_display_qr_code",
        "promptpay_display_qr_code",
        "redirect_to_url",
        "swish_handle_redirect_or_display_qr_code",
        "upi_handle_redirect_or_display_qr_code",
        "use_stripe_sdk",
        "wechat_pay_display_qr_code",
        "wechat_pay_redirect_to_android_app",
        "wechat_pay_redirect_to_ios_app",
    )
)
"""Types of `next_action` that a customer takes at once, or never."""

PATIENT_ACTIONS = frozenset(
    (
        "boleto_display_details",
        "card_await_notification",
        "display_bank_transfer_instructions",
        "konbini_display_details",
        "multibanco_display_details",
        "oxxo_display_details",
        "pix_display_qr_code",
        "verify_with_microdeposits",
    )
)
"""Those for which the customer, or for a card notification Stripe, has a day or more."""

METHODS = frozenset(
    (
        "ach_credit_transfer",
        "ach_debit",
        "acss_debit",
        "affirm",
        "afterpay_clearpay",
        "alipay",
        "alma",
        "amazon_pay",
        "au_becs_debit",
        "bacs_debit",
        "bancontact",
        "billie",
        "bizum",
        "blik",
        "boleto",
        "card",
        "card_present",
        "cashapp",
        "crypto",
        "custom",
        "customer_balance",
        "eps",
        "fpx",
        "giropay",
        "grabpay",
        "ideal",
        "interac_present",
        "kakao_pay",
        "klarna",
        "konbini",
        "kr_card",
        "link",
        "mb_way",
        "mobilepay",
        "multibanco",
        "naver_pay",
        "nz_bank_account",
        "oxxo",
        "p24",
        "pay_by_bank",
        "payco",
        "paynow",
        "paypal",
        "paypay",
        "payto",
        "pix",
        "promptpay",
        "revolut_pay",
        "samsung_pay",
        "satispay",
        "scalapay",
        "sepa_credit_transfer",
        "sepa_debit",
        "sequra",
        "sofort",
        "stripe_account",
        "sunbit",
        "swish",
        "twint",
        "upi",
        "us_bank_account",
        "wechat",
        "wechat_pay",
        "zip",
    )
)

METHOD_OF_ACTION = {"use_stripe_sdk": "card"} | {
    action: method
    for action in ACTIONS_OF_NOW
    for method in METHODS
    if action.startswith(f"{method}_") and action != "use_stripe_sdk"
}
"""The method that an action belongs to, where its name says so."""

BY_CUSTOMERS_ONLY = frozenset(
    (
        "affirm",
        "afterpay_clearpay",
        "alma",
        "bancontact",
        "billie",
        "boleto",
        "card_present",
        "eps",
        "fpx",
        "giropay",
        "grabpay",
        "ideal",
        "interac_present",
        "konbini",
        "mb_way",
        "multibanco",
        "oxxo",
        "p24",
        "paynow",
        "promptpay",
        "sofort",
        "swish",
        "twint",
        "wechat_pay",
        "zip",
    )
)
"""Methods that cannot be charged without their customer: a mandate made with one is charged as another method."""

WALLETS = ("apple_pay", "google_pay", "link")
"""Wallets that are a payment method of their own to a shop; a card from another wallet is a card."""

NETWORKS = frozenset(
    (
        "amex",
        "cartes_bancaires",
        "diners",
        "discover",
        "eftpos_au",
        "interac",
        "jcb",
        "link",
        "mastercard",
        "unionpay",
        "visa",
        "unknown",
        OTHER,
    )
)

DISPUTE_STATUSES = frozenset(
    (
        "appeal_needs_response",
        "appeal_under_review",
        "charge_refunded",
        "lost",
        "needs_response",
        "prevented",
        "under_review",
        "warning_closed",
        "warning_needs_response",
        "warning_under_review",
        "won",
    )
)

DISPUTE_WAITS = frozenset(("appeal_needs_response", "needs_response", "warning_needs_response"))
"""Statuses in which a dispute, an appeal or an inquiry waits for our evidence until its deadline."""

REFUND_STATUSES = frozenset(("canceled", "failed", "pending", "requires_action", "succeeded"))
