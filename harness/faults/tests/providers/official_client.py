"""Asks the simulator through stripe-python. Arguments: URL, then a JSON object with what the test prepared."""

import json
import sys

import stripe

url, given = sys.argv[1], json.loads(sys.argv[2])
stripe.api_key = "sk_test_1"
stripe.api_base = url
stripe.max_network_retries = 0


def refused(error, call):
    try:
        call()
    except error as raised:
        return raised
    raise AssertionError(f"{error.__name__} was not raised")


session = stripe.checkout.Session.retrieve(given["session"], expand=["payment_intent.latest_charge"])
assert (session.status, session.payment_status) == ("complete", "paid"), session
charge = session.payment_intent.latest_charge
assert charge.disputed and charge.dispute == given["dispute"], charge

dispute = stripe.Dispute.retrieve(given["dispute"])
assert (dispute.status, dispute.amount) == ("needs_response", 60), dispute
assert dispute.balance_transactions[0].net == -60 - 1500, dispute
assert [listed.id for listed in stripe.Dispute.list(charge=charge.id).auto_paging_iter()] == [dispute.id]

refund = stripe.Refund.create(payment_intent=session.payment_intent.id, amount=30, idempotency_key="r1")
assert (refund.status, refund.amount, refund.charge) == ("succeeded", 30, charge.id), refund
assert stripe.Refund.create(payment_intent=session.payment_intent.id, amount=30, idempotency_key="r1").id == refund.id
assert stripe.Refund.retrieve(refund.id).id == refund.id
assert [listed.id for listed in stripe.Refund.list(charge=charge.id).auto_paging_iter()] == [refund.id]
too_much = refused(stripe.InvalidRequestError, lambda: stripe.Refund.create(charge=charge.id, amount=11))
assert too_much.param == "amount", too_much
refused(stripe.IdempotencyError, lambda: stripe.Refund.create(charge=charge.id, amount=1, idempotency_key="r1"))

declined = refused(
    stripe.CardError,
    lambda: stripe.PaymentIntent.create(
        amount=500, currency="eur", confirm=True, payment_method="pm_card_visa_chargeDeclined"
    ),
)
assert (declined.code, declined.error.decline_code) == ("card_declined", "generic_decline"), declined
intent = stripe.PaymentIntent.create(amount=500, currency="eur")
assert stripe.PaymentIntent.cancel(intent.id, cancellation_reason="abandoned").status == "canceled"

for secret in given["accepts"]:
    event = stripe.Webhook.construct_event(given["body"].encode(), given["header"], secret, tolerance=10**9)
    assert event.type == "payment_intent.created", event
refused(
    stripe.SignatureVerificationError,
    lambda: stripe.Webhook.construct_event(given["body"].encode(), given["header"], "whsec_other", tolerance=10**9),
)
client = stripe.StripeClient("sk_test_1", base_addresses={"api": url})
thin = client.parse_event_notification(given["thin_body"].encode(), given["thin_header"], given["accepts"][0], 10**9)
assert thin.type == "v1.refund.created", thin
print(f"stripe-python {stripe.VERSION}: all as expected")
