"""Services of plugins: the fixture `grpc-probe`, and what it does to its host."""

import base64
import json
import threading

import grpc
from google.protobuf import json_format
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness import PATIENCE, Case, Server, component, wait_until

PROBE = "probe.v1.Probe"
ECHO, FAIL, TRAP, SPIN, COUNT, SECRET, WHO = (
    f"{PROBE}/{name}" for name in ("Echo", "Fail", "Trap", "Spin", "Count", "Secret", "Who")
)
SERVING = health_pb2.HealthCheckResponse.SERVING


class ServiceOfAPlugin(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("grpc-probe")
        cls.addClassCleanup(cls.server.close)
        cls.nobody = cls.server.client(None)
        cls.addClassCleanup(cls.nobody.channel.close)

    def count(self, key):
        return self.nobody.call(COUNT, key=key, only_look=True).count

    def is_idle(self):
        return self.server.plugin("grpc-probe")["in_flight"] == 0

    def test_is_found_by_reflection_and_by_health(self):
        self.assertIn(PROBE, self.nobody.services())
        health = health_pb2_grpc.HealthStub(self.nobody.channel)
        for service in (PROBE, "grpc-probe"):
            self.assertEqual(health.Check(health_pb2.HealthCheckRequest(service=service)).status, SERVING)

    def test_answers_what_it_is_sent_compressed_or_not(self):
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            for payload in (b"", b"\0\xff" * 1000, bytes(1 << 19)):
                answer = self.nobody.call(ECHO, payload=payload, text="Grüße", compression=compression)
                self.assertEqual((answer.payload, answer.text), (payload, "Grüße"))

    def test_sees_the_metadata_that_it_asks_for_and_no_other(self):
        metadata = [("x-tenant", "north"), ("x-other", "south"), ("x-tenant-bin", b"\0")]
        answer = self.nobody.call(ECHO, metadata=metadata)
        self.assertEqual([(entry.key, entry.value) for entry in answer.metadata], [("x-tenant", "north")])

    def test_says_what_failed_and_has_done_nothing(self):
        for code in StatusCode:
            number, _ = code.value
            if number == 0:
                continue
            message = self.check_status(
                lambda: self.nobody.call(FAIL, code=number, reason="no_luck", message="not today: Grüße", key="fail"),
                code, "no_luck", domain="plugins/grpc-probe",
            )
            self.assertEqual(message, "not today: Grüße")
        with self.assertRaises(grpc.RpcError) as raised:
            self.nobody.call(FAIL, code=99, reason="no_luck", message="", key="fail")
        self.assertEqual(raised.exception.code(), StatusCode.UNKNOWN)
        self.assertEqual(self.count("fail"), 0)

    def test_a_trap_is_internal_and_says_nothing_of_the_guest(self):
        message = self.check_status(lambda: self.nobody.call(TRAP, key="trap"), StatusCode.INTERNAL, "plugin_failed")
        for secret in ("secret", "panic", "probe", "unreachable", ".rs", "wasm"):
            self.assertNotIn(secret, message.lower())
        self.assertEqual(self.count("trap"), 0)

    def test_each_call_counts_once_however_many_come_at_once(self):
        failed = []

        def count():
            try:
                with self.server.client(None) as client:
                    for _ in range(25):
                        client.call(COUNT, key="many")
            except grpc.RpcError as error:
                failed.append(error)

        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((failed, self.count("many")), ([], 200))

    def test_who_calls_decides(self):
        with self.server.client("clerk") as clerk, self.server.client() as admin:
            self.check_status(lambda: self.nobody.call(SECRET), StatusCode.UNAUTHENTICATED, "unauthenticated")
            self.check_status(lambda: clerk.call(SECRET), StatusCode.PERMISSION_DENIED, "forbidden")
            self.assertNotEqual(admin.call(SECRET).text, "")
            who = clerk.call(WHO)
            self.assertEqual((bool(who.subject), list(who.roles)), (True, ["clerk"]))
        self.assertEqual(self.nobody.call(WHO).subject, "")
        lie = [("authorization", "Bearer bp_none")]
        for method in (WHO, SECRET):
            self.check_status(
                lambda: self.nobody.call(method, metadata=lie), StatusCode.UNAUTHENTICATED, "invalid_token"
            )

    def test_what_it_does_not_have_is_not_implemented(self):
        for path in (f"{PROBE}/None", "probe.v1.None/Echo"):
            self.check_status(lambda: self.nobody.raw(path), StatusCode.UNIMPLEMENTED, "unknown_method")

    def test_a_message_that_is_none_is_the_callers_fault(self):
        # Shorter than it says, text that is not UTF-8, a wire type that there is not.
        for message in (b"\x0a\x05abc", b"\x12\x01\xff", b"\x0f"):
            with self.assertRaises(grpc.RpcError) as raised:
                self.nobody.raw(ECHO, message)
            self.assertEqual(raised.exception.code(), StatusCode.INVALID_ARGUMENT, message)

    def test_a_message_that_is_too_long_is_refused(self):
        for compression in (None, grpc.Compression.Gzip):
            self.check_status(
                lambda: self.nobody.call(ECHO, payload=bytes(5 << 20), compression=compression),
                StatusCode.RESOURCE_EXHAUSTED, "payload_too_large",
            )

    def test_one_that_computes_for_ever_is_ended(self):
        self.check_status(lambda: self.nobody.call(SPIN), StatusCode.DEADLINE_EXCEEDED, "plugin_timeout")

    def test_a_caller_that_waits_no_longer_or_goes_leaves_nothing_behind(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.nobody.call(SPIN, timeout=0.2)
        self.assertEqual(raised.exception.code(), StatusCode.DEADLINE_EXCEEDED)
        calls = [self.nobody.begin(SPIN) for _ in range(4)]
        for call in calls:
            call.cancel()
        wait_until("the calls to end", self.is_idle)
        self.assertEqual(self.nobody.call(ECHO, text="well").text, "well")

    def test_answers_json_as_well(self):
        def post(method, body):
            headers = {"content-type": "application/json"}
            status, text = self.server.http("POST", f"/grpc-probe/{method}", json.dumps(body).encode(), headers)
            return status, json.loads(text)

        status, answer = post(ECHO, {"payload": base64.b64encode(b"\0\xff").decode(), "text": "Grüße"})
        self.assertEqual(status, 200)
        # What grpcio's own library makes of the same message.
        echoed = json_format.ParseDict(answer, self.nobody.message("probe.v1.EchoResponse"))
        self.assertEqual((echoed.payload, echoed.text), (b"\0\xff", "Grüße"))
        self.assertEqual(json_format.MessageToDict(echoed), answer)
        status, problem = post(ECHO, {"nothing": 1})
        self.assertEqual(status, 400)
        self.assertIn("nothing", problem["detail"])
        status, problem = post(FAIL, {"code": 5, "reason": "no_luck", "message": "not today", "key": "fail"})
        self.assertEqual((status, problem["code"], problem["detail"]), (404, "no_luck", "not today"))


class APluginThatIsBusy(Case):
    def test_a_caller_whose_time_ends_in_the_queue_is_told_so(self):
        server = Server(
            "grpc-probe", config='[limits]\nqueue_timeout = "20s"\n[plugin.grpc-probe]\nconcurrency = 1\n'
        )
        self.addCleanup(server.close)
        with server.client(None) as client:
            spinning = client.begin(SPIN, ms=500)
            wait_until("the place to be taken", lambda: server.plugin("grpc-probe")["in_flight"] == 1)
            with self.assertRaises(grpc.RpcError) as raised:
                client.call(ECHO, timeout=0.1)
            self.assertEqual(raised.exception.code(), StatusCode.DEADLINE_EXCEEDED)
            spinning.result()
            self.assertEqual(client.call(ECHO, text="well").text, "well")

    def test_a_caller_that_finds_no_place_is_told_when_to_come_again(self):
        server = Server(
            "grpc-probe", config='[limits]\nqueue_timeout = "10ms"\n[plugin.grpc-probe]\nconcurrency = 1\n'
        )
        self.addCleanup(server.close)
        with server.client(None) as client:
            spinning = client.begin(SPIN, ms=500)
            wait_until("the place to be taken", lambda: server.plugin("grpc-probe")["in_flight"] == 1)
            self.check_status(lambda: client.call(ECHO), StatusCode.UNAVAILABLE, "plugin_busy")
            spinning.result()


class APluginThatIsReplaced(Case):
    """Versions of one component, which differ in nothing but the manifest's word."""

    SWAPS = 20

    def setUp(self):
        self.server = Server("grpc-probe")
        self.addCleanup(self.server.close)
        self.component = component("grpc-probe").read_bytes()
        self.failed, self.calls, self.stopped = [], 0, threading.Event()

    def swap(self):
        """Replaces the plugin again and again, and waits each time until the new version is live."""
        for number in range(1, self.SWAPS + 1):
            # As many bytes as before: the manifest is a part of the component.
            version = b'"version":"0.%d.0"' % (number % 9 + 1)
            self.server.put("grpc-probe.wasm", self.component.replace(b'"version":"0.1.0"', version))
            live = version.decode().split('"')[3]
            wait_until(live, lambda: self.server.plugin("grpc-probe")["version"] == live)

    def beside(self, act, threads):
        """Acts in threads until the plugin was replaced so many times."""
        def go_on():
            while not self.stopped.is_set():
                try:
                    act()
                    self.calls += 1
                except Exception as error:
                    self.failed.append(error)

        running = [threading.Thread(target=go_on) for _ in range(threads)]
        for thread in running:
            thread.start()
        try:
            self.swap()
        finally:
            self.stopped.set()
            for thread in running:
                thread.join()
        self.assertEqual(self.failed, [])
        self.assertGreater(self.calls, self.SWAPS)

    def test_no_call_fails(self):
        with self.server.client(None) as client:
            def act():
                self.assertEqual(client.call(ECHO, text="well").text, "well")

            self.beside(act, threads=8)

    def test_reflection_always_has_the_whole_service(self):
        def act():
            with self.server.client(None) as client:
                self.assertIn(PROBE, client.services())
                self.assertEqual(client.call(ECHO, text="well").text, "well")

        self.beside(act, threads=2)

    def test_one_that_is_removed_is_known_to_nobody(self):
        with self.server.client() as admin:
            admin.call(ECHO)
            admin.call("backplane.v1.Plugins/Remove", name="grpc-probe")
            self.check_status(lambda: admin.raw(ECHO), StatusCode.UNIMPLEMENTED, "unknown_method")
            self.assertNotIn(PROBE, admin.services())
            health = health_pb2_grpc.HealthStub(admin.channel)
            check = health_pb2.HealthCheckRequest(service=PROBE)
            self.check_status(lambda: health.Check(check, timeout=PATIENCE), StatusCode.NOT_FOUND, "unknown_plugin")
