#!/usr/bin/env python3
"""Uses a server as clients do, so that a compiler sees which parts of it are busy: exercise.py [--quick] BINARY COMPONENT…

BINARY is compiled with `-Cprofile-generate`. COMPONENT are examples, among them `echo` and `handbook`. Each configuration gets
calls, lists, prompts, resources, refused requests and sessions, with and without TLS, and the components are compiled anew.
Needs the program openssl, for a key, a certificate and a token. With --quick there are few calls, which shows that all are answered.
"""

import base64
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ISSUER = "https://issuer.example"
AUDIENCE = "https://tools.example/mcp"
GUARD = f"""
[server]
listen = "127.0.0.1:PORT"
public-url = "https://tools.example"
[auth]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
public-key = {{ file = "key.pub" }}
"""
RECORDING = '[telemetry]\nlog-file = "x.log"\nmetrics = "127.0.0.1:0"\naudit = "x.jsonl"\n'
# Appended to GUARD, with the calls that a server with this configuration gets. Most servers log a line per request.
CONFIGURATIONS = [
    ("", 6_000),
    ('[telemetry]\nlevel = "warn"\n', 3_000),
    (RECORDING, 6_000),
    ('[server.tls]\ncert = "tls.pem"\nkey = "tls.key"\n', 1_500),
]
CONNECTIONS = 4
MAX_START_SECONDS = 600
MAX_ANSWER_SECONDS = 60


def main() -> None:
    arguments = sys.argv[1:]
    is_quick = arguments[:1] == ["--quick"]
    paths = arguments[is_quick:]
    if len(paths) < 2:
        sys.exit("usage: exercise.py [--quick] BINARY COMPONENT…")
    binary, *components = (str(Path(path).resolve()) for path in paths)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        # An empty cache of compiled components.
        os.environ["XDG_CACHE_HOME"] = directory
        token = make_secrets()
        subprocess.run([binary, "inspect", *components], stdout=subprocess.DEVNULL, check=True)
        for settings, calls in CONFIGURATIONS:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            text = f"components = {json.dumps(components)}\n{GUARD}{settings}".replace("PORT", str(port))
            Path("toolcrib.toml").write_text(text)
            with open("server.log", "w") as log:
                server = subprocess.Popen([binary, "serve", "--config", "toolcrib.toml"], stderr=log)
            try:
                wait_for(server, port, token, "tls" in settings)
                exercise(port, token, calls // (100 if is_quick else 1), "tls" in settings)
            finally:
                server.send_signal(signal.SIGTERM)
                status = server.wait(60)
            if status != 0:
                sys.exit(f"exercise.py: the server ended with status {status}")


def make_secrets() -> str:
    """Makes key.pub, tls.pem and tls.key, and returns a token."""

    def openssl(*arguments: str, stdin: bytes = b"") -> bytes:
        command = ["openssl", *arguments]
        return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout

    openssl("genrsa", "-out", "key", "2048")
    openssl("rsa", "-in", "key", "-pubout", "-out", "key.pub")
    openssl(
        *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=tools.example".split(),
        *"-addext subjectAltName=DNS:tools.example -keyout tls.key -out tls.pem".split(),
    )

    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 3_600}
    parts = [{"alg": "RS256", "typ": "at+jwt"}, claims]
    signed = ".".join(encode(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{encode(openssl('dgst', '-sha256', '-sign', 'key', stdin=signed.encode()))}"


class Client:
    """A connection that stays open."""

    def __init__(self, port: int, token: str, is_tls: bool) -> None:
        context = ssl._create_unverified_context()
        self.connection = (
            http.client.HTTPSConnection("127.0.0.1", port, timeout=MAX_ANSWER_SECONDS, context=context)
            if is_tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=MAX_ANSWER_SECONDS)
        )
        self.headers = {
            "Host": "tools.example",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }

    def send(self, method: str, path: str, body: str | None = None, **headers: str) -> http.client.HTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, self.headers | named)
        response = self.connection.getresponse()
        response.text = response.read().decode()
        return response

    def post(self, method: str, params: dict, **headers: str) -> http.client.HTTPResponse:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.send("POST", "/mcp", json.dumps(message), **headers)

    def newest(self, method: str, params: dict, **headers: str) -> http.client.HTTPResponse:
        """Sends a request of the newest revision, which carries its metadata."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        headers |= {"MCP_Protocol_Version": "2026-07-28", "Mcp_Method": method}
        return self.post(method, params | {"_meta": meta}, **headers)


def wait_for(server: subprocess.Popen, port: int, token: str, is_tls: bool) -> None:
    """Waits until the server answers."""
    started = time.monotonic()
    while True:
        try:
            if Client(port, token, is_tls).send("GET", "/healthz").status == 200:
                return
        except OSError:
            pass
        if server.poll() is not None or time.monotonic() - started > MAX_START_SECONDS:
            sys.exit(f"exercise.py: the server does not start: {Path('server.log').read_text()[-2_000:]}")
        time.sleep(0.1)


def exercise(port: int, token: str, calls: int, is_tls: bool) -> None:
    failures = []

    def connection() -> None:
        try:
            use(Client(port, token, is_tls), calls // CONNECTIONS)
        except Exception as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=connection) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"exercise.py: {failures[0]}")


def use(client: Client, calls: int) -> None:
    """Sends the requests of one client."""

    def check(response: http.client.HTTPResponse, expected: str) -> None:
        if response.status != 200 or expected not in response.text:
            raise RuntimeError(f"{response.status} {response.text[:500]}")

    echo = {"name": "echo", "arguments": {"text": "hello"}}
    revision = {"MCP_Protocol_Version": "2025-11-25"}
    for number in range(calls):
        check(client.post("tools/call", echo, **revision), '"hello"')
        if number % 3 == 0:
            check(client.newest("tools/call", echo, Mcp_Name="echo"), '"hello"')
        if number % 20 == 0:
            text = {"name": "echo", "arguments": {"text": "hello " * 2_000}}
            check(client.post("tools/call", text, **revision), "hello")
            check(client.post("tools/list", {}, **revision), '"echo"')
            check(client.post("prompts/list", {}, **revision), "prompts")
            check(client.post("resources/list", {}, **revision), "resources")
            check(client.newest("server/discover", {}), "capabilities")
        if number % 50 == 0:
            check(client.post("tools/call", {"name": "echo", "arguments": {"txt": 1}}, **revision), "isError")
            client.send("POST", "/mcp", "{", Authorization="Bearer no")
            client.send("GET", "/.well-known/oauth-protected-resource/mcp")
            client.send("OPTIONS", "/mcp", Origin="https://tools.example", Access_Control_Request_Method="POST")
            params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
            check(client.post("initialize", params), "serverInfo")


if __name__ == "__main__":
    main()
