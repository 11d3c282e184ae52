"""The servers of a network of the test's own: names (DNS on 127.0.0.1:53) and HTTP on port 80 of every address.

The names come as JSON in the first argument: each has a list of answers, one for each time that it is asked (the last
stands for all that follow), and an answer is a list of addresses. HTTP answers with the address that was connected to.
GET /asked on 127.0.0.1 tells how often each name was asked.
"""

import http.server
import ipaddress
import json
import socket
import struct
import sys
import threading

names = json.loads(sys.argv[1])
asked = {}


def answer(query):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += query[at] + 1
    name, kind = ".".join(labels).lower(), struct.unpack("!H", query[at + 1 : at + 3])[0]
    question = query[12 : at + 5]
    answers = names.get(name)
    records = b""
    count = 0
    if answers is not None and kind in (1, 28):
        # One look-up asks for both kinds.
        number = asked.get((name, kind), 0)
        asked[(name, kind)] = number + 1
        for text in answers[min(number, len(answers) - 1)]:
            address = ipaddress.ip_address(text)
            if (address.version == 4) == (kind == 1):
                data = address.packed
                records += struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(data)) + data
                count += 1
    flags = 0x8580 if answers is not None else 0x8583
    return query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question + records


def resolve():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    ready.release()
    while True:
        query, client = server.recvfrom(4096)
        server.sendto(answer(query), client)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/asked":
            body = json.dumps({f"{name} {kind}": times for (name, kind), times in asked.items()})
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


ready = threading.Semaphore(0)
threading.Thread(target=resolve, daemon=True).start()
ready.acquire()
server = Server(("::", 80), Handler)
print("ready", flush=True)
server.serve_forever()
