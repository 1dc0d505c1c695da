"""The host's own services, by grpcio and what belongs to it."""

import threading

import grpc
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness import PATIENCE, Case, Server, component, wait_until

LIST = "backplane.v1.Plugins/List"
GET = "backplane.v1.Plugins/Get"
WATCH = "backplane.v1.Plugins/Watch"
PUBLISH = "backplane.v1.Events/Publish"
SUBSCRIBE = "backplane.v1.Events/Subscribe"

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class HostServices(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("echo")
        cls.addClassCleanup(cls.server.close)
        cls.admin = cls.server.client()
        cls.addClassCleanup(cls.admin.channel.close)

    def stranger(self, role=None):
        client = self.server.client(role)
        self.addCleanup(client.channel.close)
        return client

    def test_reflection_lists_the_services_and_is_enough_to_call_one(self):
        services = self.stranger().services()
        for name in ("Plugins", "Events"):
            self.assertIn(f"backplane.v1.{name}", services)
        self.assertIn("grpc.health.v1.Health", services)
        self.assertIn("grpc.reflection.v1alpha.ServerReflection", services)
        plugin = self.admin.call(GET, name="echo").plugin
        self.assertEqual((plugin.name, plugin.mount), ("echo", "/echo"))

    def test_what_nobody_has_is_not_implemented(self):
        for path in ("none.v1.None/List", "backplane.v1.Plugins/None", "backplane.v1.Plugins"):
            self.check_status(lambda: self.admin.raw(path), StatusCode.UNIMPLEMENTED, "unknown_method")

    def test_who_calls_decides(self):
        nobody, clerk = self.stranger(), self.stranger("clerk")
        self.check_status(lambda: nobody.call(LIST), StatusCode.UNAUTHENTICATED, "unauthenticated")
        self.check_status(lambda: clerk.call(LIST), StatusCode.PERMISSION_DENIED, "forbidden")
        for token in ("Bearer bp_none", "Bearer " + "x" * 300):
            lie = [("authorization", token)]
            self.check_status(lambda: nobody.call(LIST, metadata=lie), StatusCode.UNAUTHENTICATED, "invalid_token")
        twice = [("authorization", "Bearer one")]
        self.check_status(lambda: clerk.call(LIST, metadata=twice), StatusCode.INVALID_ARGUMENT, "invalid_request")

    def test_a_message_that_is_none_is_the_callers_fault(self):
        # A field longer than the message, text that is not UTF-8, and a wire type that there is not.
        for message in (b"\x0a\x05abc", b"\x0a\x01\xff", b"\x0f"):
            self.check_status(lambda: self.admin.raw(GET, message), StatusCode.INVALID_ARGUMENT, "invalid_request")
        self.check_status(lambda: self.admin.call(GET, name="none"), StatusCode.NOT_FOUND, "unknown_plugin")

    def test_a_message_that_is_too_long_is_refused(self):
        long = self.admin.request(PUBLISH)
        long.event.topic = "interop.long"
        long.event.payload = bytes(5 << 20)
        for compression in (None, grpc.Compression.Gzip):
            self.check_status(
                lambda: self.admin.call(PUBLISH, long, compression=compression),
                StatusCode.RESOURCE_EXHAUSTED, "payload_too_large",
            )

    def test_takes_and_gives_gzip(self):
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            answer = self.admin.call(LIST, compression=compression)
            self.assertIn("echo", [plugin.name for plugin in answer.plugins])
        # grpcio accepts gzip by itself, and would refuse an encoding that it did not name.
        with self.server.client() as client:
            answer, call = client._prepared(LIST).with_call(client.request(LIST), metadata=client.metadata)
            self.assertIn("echo", [plugin.name for plugin in answer.plugins])
            self.assertIn("x-request-id", dict(call.initial_metadata()))

    def test_a_stream_ends_with_the_callers_time(self):
        stream = self.admin.call(WATCH, timeout=0.3)
        with self.assertRaises(grpc.RpcError) as raised:
            for _ in stream:
                pass
        self.assertEqual(raised.exception.code(), StatusCode.DEADLINE_EXCEEDED)

    def test_more_streams_than_there_are_places_can_be_followed_one_after_another(self):
        for _ in range(1200):
            stream = self.admin.call(WATCH, name="echo")
            next(stream)
            stream.cancel()
        self.assertEqual(next(self.admin.call(WATCH, name="echo")).plugins[0].name, "echo")

    def test_events_are_published_and_followed_from_a_place_of_the_log(self):
        sent = []
        for number in range(3):
            request = self.admin.request(PUBLISH)
            request.event.topic, request.event.key, request.event.payload = "interop.python", "k", b"%d" % number
            sent.append(self.admin.call(PUBLISH, request).event.sequence)

        def follow(after, count):
            stream = self.admin.call(SUBSCRIBE, topics=["interop.python", "interop.none.*"], after=after)
            events = []
            for message in stream:
                if message.HasField("event"):
                    events.append((message.event.sequence, message.event.payload))
                if len(events) == count:
                    break
            stream.cancel()
            return events

        all_of_them = follow(0, 3)
        self.assertEqual(all_of_them, [(sequence, b"%d" % number) for number, sequence in enumerate(sent)])
        self.assertEqual(follow(sent[0], 2), all_of_them[1:])

    def test_an_event_under_the_callers_own_id_is_written_once(self):
        request = self.admin.request(PUBLISH)
        request.event.topic, request.event.id = "interop.once", "interop-1"
        first, second = (self.admin.call(PUBLISH, request).event for _ in range(2))
        self.assertEqual((first.id, first.sequence), (second.id, second.sequence))


class HealthAndFiles(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.admin = cls.server.client()
        cls.addClassCleanup(cls.admin.channel.close)
        cls.health = health_pb2_grpc.HealthStub(cls.admin.channel)

    def check(self, service):
        return self.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE).status

    def upload(self, content):
        def parts():
            part = self.admin.message("backplane.v1.UploadPluginRequest")
            part.header.file = ""
            yield part
            for start in range(0, len(content), 1 << 16):
                yield self.admin.message("backplane.v1.UploadPluginRequest", chunk=content[start:start + (1 << 16)])

        return self.admin.call("backplane.v1.Plugins/Upload", parts())

    def test_a_plugin_is_uploaded_replaced_rolled_back_and_removed_while_its_health_is_watched(self):
        self.assertEqual(self.check(""), SERVING)
        self.check_status(lambda: self.check("hello"), StatusCode.NOT_FOUND, "unknown_plugin")
        statuses = []
        watch = self.health.Watch(health_pb2.HealthCheckRequest(service="hello"), timeout=2 * PATIENCE)

        def follow():
            try:
                for answer in watch:
                    statuses.append(answer.status)
            except grpc.RpcError as error:
                statuses.append(error.code())

        follower = threading.Thread(target=follow)
        follower.start()
        wait_until("the first status", lambda: statuses == [SERVICE_UNKNOWN])

        first = component("hello").read_bytes()
        uploaded = self.upload(first).plugin
        self.assertEqual((uploaded.name, uploaded.version), ("hello", "0.1.0"))
        self.assertEqual(self.server.http("GET", "/hello/Ada"), (200, '{"hello":"Ada"}'))
        self.assertEqual(self.check("hello"), SERVING)
        wait_until("the plugin to serve", lambda: statuses[-1] == SERVING)

        second = first.replace(b'"version":"0.1.0"', b'"version":"0.2.0"')
        self.assertEqual(self.upload(second).plugin.version, "0.2.0")
        rolled_back = self.admin.call("backplane.v1.Plugins/Rollback", name="hello").plugin
        self.assertEqual((rolled_back.version, rolled_back.rolled_back), ("0.1.0", True))

        self.admin.call("backplane.v1.Plugins/Remove", name="hello")
        self.check_status(lambda: self.check("hello"), StatusCode.NOT_FOUND, "unknown_plugin")
        wait_until("the plugin to be unknown", lambda: statuses[-1] == SERVICE_UNKNOWN)
        watch.cancel()
        follower.join()
        self.assertEqual(statuses[-1], StatusCode.CANCELLED)

    def test_a_component_that_is_none_is_refused_with_the_reason(self):
        message = self.upload_refused(b"oops")
        self.assertIn("not a component", message)

    def upload_refused(self, content):
        def act():
            part = self.admin.message("backplane.v1.UploadPluginRequest")
            part.header.file = "broken.wasm"
            chunk = self.admin.message("backplane.v1.UploadPluginRequest", chunk=content)
            self.admin.call("backplane.v1.Plugins/Upload", iter([part, chunk]))

        message = self.check_status(act, StatusCode.INVALID_ARGUMENT, "invalid_plugin")
        self.assertEqual(self.check("broken"), NOT_SERVING)
        return message
