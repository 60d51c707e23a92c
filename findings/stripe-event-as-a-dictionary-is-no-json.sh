#!/usr/bin/env bash
# stripe 16.1.0 (Python): `to_dict()` of an event is not what was received. Where Stripe sends a decimal as a text, as by the
# package's types in the lines of an invoice, it has a `Decimal`, at any depth; so that the dictionary, which its error messages
# recommend, cannot be written as JSON, and is not equal to the payload:
#
#     json.dumps(event.to_dict())   -> TypeError: Object of type Decimal is not JSON serializable
#     event.to_dict() == payload    -> False
#     json.loads(str(event))        -> the payload
#
# An archive or a queue that takes events in this way works for payments, and fails with the first invoice. Fails if this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'stripe==16.1.0'
"$folder/venv/bin/python" - <<'PYTHON'
import json
from decimal import Decimal

import stripe


def received(kind: str, item: dict[str, object]) -> dict[str, object]:
    return {"id": "evt_1", "object": "event", "type": kind, "data": {"object": item}}


payment = received("payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent", "amount": 1250})
line = {"id": "il_1", "object": "line_item", "pricing": {"type": "price_details", "unit_amount_decimal": "12.5"}}
lines = {"object": "list", "data": [line]}
invoice = received("invoice.paid", {"id": "in_1", "object": "invoice", "lines": lines})

event = stripe.Event.construct_from(payment, "key")
assert json.loads(json.dumps(event.to_dict())) == payment, "the behaviour has changed"

event = stripe.Event.construct_from(invoice, "key")
found = event.to_dict()["data"]["object"]["lines"]["data"][0]["pricing"]["unit_amount_decimal"]
print(repr(found), event.to_dict() == invoice)
assert found == Decimal("12.5") and event.to_dict() != invoice, "the behaviour has changed"
try:
    json.dumps(event.to_dict())
except TypeError as error:
    print(error)
    assert str(error) == "Object of type Decimal is not JSON serializable", "the behaviour has changed"
else:
    raise SystemExit("the behaviour has changed")
assert json.loads(str(event)) == invoice, "the behaviour has changed"
PYTHON
