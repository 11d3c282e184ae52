"""Servers in a test's own network namespace.

They are DNS on 127.0.0.1:53, and on every address HTTP on port 80 and a TCP server on port 5432 that sends a greeting.

The first argument is the DNS zone as JSON. It maps each name to a list of answers, one per query (the last one is
repeated), and each answer is a list of addresses. HTTP responses contain the address that the client connected to.
GET /asked returns how often each name was queried.
"""

import http.server
import ipaddress
import json
import socket
import struct
import sys
import threading

zone = json.loads(sys.argv[1])
query_counts = {}


def answer(query):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += query[at] + 1
    name, kind = ".".join(labels).lower(), struct.unpack("!H", query[at + 1 : at + 3])[0]
    question = query[12 : at + 5]
    answers = zone.get(name)
    records = b""
    count = 0
    if answers is not None and kind in (1, 28):
        # A look-up sends one query per record type, so counts are kept per type.
        number = query_counts.get((name, kind), 0)
        query_counts[(name, kind)] = number + 1
        for text in answers[min(number, len(answers) - 1)]:
            address = ipaddress.ip_address(text)
            if (address.version == 4) == (kind == 1):
                data = address.packed
                records += struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(data)) + data
                count += 1
    flags = 0x8580 if answers is not None else 0x8583
    return query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question + records


def serve_dns():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    ready.release()
    while True:
        query, client = server.recvfrom(4096)
        server.sendto(answer(query), client)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/asked":
            body = json.dumps({f"{name} {kind}": count for (name, kind), count in query_counts.items()})
        else:
            address = ipaddress.ip_address(self.connection.getsockname()[0].split("%")[0])
            body = f"reached {getattr(address, 'ipv4_mapped', None) or address}"
        body = body.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def serve_greeting():
    server = socket.create_server(("0.0.0.0", 5432))
    ready.release()
    while True:
        connection, _ = server.accept()
        connection.sendall(b"hello")
        connection.close()


ready = threading.Semaphore(0)
threading.Thread(target=serve_greeting, daemon=True).start()
ready.acquire()
threading.Thread(target=serve_dns, daemon=True).start()
ready.acquire()
server = Server(("::", 80), Handler)
print("ready", flush=True)
server.serve_forever()
