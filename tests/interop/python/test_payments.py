"""A first-party plugin that answers over gRPC what it answers over HTTP."""

import json

from grpc import StatusCode

from harness import Case, Server


class Payments(Case):
    PROCESS = "payments.v1.PaymentService/Process"

    def test_a_payment_is_made_once_and_is_the_one_that_http_shows(self):
        server = Server("payments")
        self.addCleanup(server.close)
        with server.client(None) as client:
            wanted = {"idempotency_key": "k-1", "order": "o-1", "amount": 700}
            first, second = (client.call(self.PROCESS, **wanted) for _ in range(2))
            self.assertEqual((first.payment, first.repeated, second.repeated), (second.payment, False, True))
            status, text = server.http("GET", f"/payments/{first.payment.id}")
            self.assertEqual((status, json.loads(text)["amount"]), (200, 700))
            # The route and the method share their keys.
            body = json.dumps(wanted).encode()
            status, text = server.http("POST", "/payments", body, {"content-type": "application/json"})
            self.assertEqual((status, json.loads(text)["id"]), (200, first.payment.id))
            for wrong, reason in (({"amount": 800}, "key_reused"), ({"amount": 0}, "invalid_amount")):
                self.check_status(
                    lambda: client.call(self.PROCESS, **{**wanted, **wrong}),
                    StatusCode.INVALID_ARGUMENT, reason, domain="plugins/payments",
                )
