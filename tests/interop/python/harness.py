"""One server process in folders of its own, and clients that know nothing but its address.

Messages and methods are found by reflection, so that each test proves it as well. `cargo xtask interop` builds what is
started here, and says where it is.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = pathlib.Path(os.environ.get("BACKPLANE_TARGET", ROOT / "target"))
PROGRAM = TARGET / "debug" / "backplane"

# How long anything may take before a test gives up, in seconds.
PATIENCE = 60
PASSWORD = "seven mooses in a lift"


def component(name):
    """Returns the file of a plugin or of a guest of the tests."""
    for folder in ("plugins", "guests"):
        path = TARGET / folder / f"{name}.wasm"
        if path.exists():
            return path
    raise FileNotFoundError(f"{name}.wasm is not built: `cargo xtask interop` does that")


def wait_until(what, is_so):
    """Looks again and again until something is so, and returns what was seen."""
    end = time.monotonic() + PATIENCE
    while True:
        seen = is_so()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE} s for {what}")
        time.sleep(0.01)


class Server:
    """A running server. It ends with `close`, which every test class calls."""

    def __init__(self, *plugins, config=""):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="backplane-interop-"))
        self.plugins = self.folder / "plugins"
        self.data = self.folder / "data"
        self.plugins.mkdir()
        self.data.mkdir(mode=0o700)
        for name in plugins:
            self.put(f"{name}.wasm", component(name).read_bytes())
        (self.folder / "backplane.toml").write_text('[folder]\nremoval_grace = "300ms"\n' + config)
        self._tokens = {}
        self._log = open(self.folder / "log", "w")
        self._process = subprocess.Popen(
            [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--config", self.folder / "backplane.toml",
             "--plugins", self.plugins, "--data", self.data],
            cwd=self.folder, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )
        line = self._process.stdout.readline()
        if "http://" not in line:
            raise AssertionError(f"the server did not start: {self.log()}")
        self.address = line.strip().split("http://")[1]
        wait_until("a server that is ready", lambda: self.http("GET", "/readyz")[0] == 200)

    def close(self):
        """Tells the server to stop, and deletes its folders."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process.stdout.close()
            self._log.close()
            shutil.rmtree(self.folder)

    def log(self):
        """Returns what the server has logged so far."""
        return (self.folder / "log").read_text()

    def put(self, name, content):
        """Puts a file into the plugin folder in one step."""
        hidden = self.plugins / f".{name}"
        hidden.write_bytes(content)
        hidden.rename(self.plugins / name)

    def token(self, role="admin"):
        """Returns a token of somebody with that role."""
        if role not in self._tokens:
            self._run("user", "add", role, "--role", role, text=PASSWORD)
            self._tokens[role] = self._run("token", "issue", "--user", role, "--ttl", "1h").strip()
        return self._tokens[role]

    def client(self, role="admin"):
        """Connects somebody with that role; nobody in particular when it is none."""
        return Client(self.address, self.token(role) if role else None)

    def http(self, method, path, body=None, headers=None):
        """Sends a request over HTTP/1.1, and returns the status and the body."""
        request = urllib.request.Request(
            f"http://{self.address}{path}", data=body, method=method, headers=headers or {}
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def plugin(self, name):
        """Returns what the API says of a plugin."""
        authorization = {"authorization": f"Bearer {self.token()}"}
        status, text = self.http("GET", f"/api/plugins/{name}", headers=authorization)
        return json.loads(text) if status == 200 else None

    def _run(self, *arguments, text=""):
        command = [PROGRAM, *arguments, "--data", self.data]
        done = subprocess.run(command, input=text, cwd=self.folder, env={}, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"`backplane {' '.join(arguments)}` failed: {done.stderr}")
        return done.stdout


class Client:
    """A connection, and what its server's reflection says that can be called."""

    def __init__(self, address, token=None, options=()):
        # A channel without this shares its connection with every other one to the same address.
        options = [("grpc.use_local_subchannel_pool", 1), *options]
        self.channel = grpc.insecure_channel(address, options=options)
        self.pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))
        self.metadata = [("authorization", f"Bearer {token}")] if token else []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def services(self):
        """Lists the services."""
        return sorted(ProtoReflectionDescriptorDatabase(self.channel).get_services())

    def message(self, name, **fields):
        """Makes a message of a type."""
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))(**fields)

    def request(self, path, **fields):
        """Makes the message that a method takes."""
        return message_factory.GetMessageClass(self._method(path).input_type)(**fields)

    def call(self, path, request=None, metadata=(), timeout=PATIENCE, compression=None, **fields):
        """Calls a method: with fields, a message, or an iterator of messages for one that takes a stream."""
        if request is None:
            request = self.request(path, **fields)
        return self._prepared(path)(
            request, timeout=timeout, metadata=[*self.metadata, *metadata], compression=compression
        )

    def begin(self, path, metadata=(), timeout=PATIENCE, **fields):
        """Calls a method that takes one message and answers one, and does not wait for it."""
        request = self.request(path, **fields)
        return self._prepared(path).future(request, timeout=timeout, metadata=[*self.metadata, *metadata])

    def raw(self, path, message=b"", metadata=(), timeout=PATIENCE):
        """Calls whatever is named with whatever bytes, as one message that is answered with one."""
        call = self.channel.unary_unary(f"/{path}", None, None)
        return call(message, timeout=timeout, metadata=[*self.metadata, *metadata])

    def _method(self, path):
        service, name = path.split("/")
        return self.pool.FindServiceByName(service).FindMethodByName(name)

    def _prepared(self, path):
        method = self._method(path)
        streams = ("stream" if streaming else "unary" for streaming in (method.client_streaming, method.server_streaming))
        return getattr(self.channel, "_".join(streams))(
            f"/{path}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )


class Case(unittest.TestCase):
    """A test that can tell how calls fail."""

    def check_status(self, act, code, reason, domain="backplane"):
        """Checks that a call fails with that status and that stable code, and returns its message."""
        with self.assertRaises(grpc.RpcError) as raised:
            act()
        error = raised.exception
        self.assertEqual((error.code(), reason_of(error)), (code, (domain, reason)), error.details())
        return error.details()


def reason_of(error):
    """Returns domain and reason of the `ErrorInfo` that a failed call carries."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.domain, info.reason
    return None
