# SPDX-License-Identifier: Apache-2.0
"""A collector that does what it is told, for the tests of the transport.

collector.py FOLDER [CERTIFICATE KEY]

Listens on a port of the kernel's choice, or COLLECTOR_PORT, and writes its
number into FOLDER/port.  Each request takes one line off FOLDER/script (the last one stays
for all that follow; without one: 200) and does what it says:

    200 | 400 ...            this status; further words are the answer's text
    429 Retry-After=VALUE    with this header; @N is the date in N seconds
    partial N WORDS          200, and N profiles were rejected
    slow SECONDS [STATUS]    200, or this one, after so long
    half                     a head that promises more than comes
    reset                    the connection is reset without an answer
    close                    it is closed without one
    big                      200 with an answer of 5 MiB
    page                     200 with a web page

and leaves N.headers and N.body (without compression) in FOLDER, N from 1, and
the time it came in N.time, by a clock that nobody sets.  N.ids has the profile
IDs in an OTLP body, one a line.
"""
import email.utils
import gzip
import os
import socket
import ssl
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder = sys.argv[1]
lock = threading.Lock()
count = 0


def next_step():
    """The number of the request and what to do about it."""
    global count
    path = os.path.join(folder, "script")
    with lock:
        count += 1
        try:
            with open(path) as f:
                lines = [line for line in f.read().split("\n") if line]
        except FileNotFoundError:
            lines = []
        if len(lines) > 1:
            with open(path + ".new", "w") as f:
                f.write("\n".join(lines[1:]) + "\n")
            os.rename(path + ".new", path)
        return count, lines[0] if lines else "200"


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def text_field(number, text):
    data = text.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(data):
    """(number, value) of a protobuf message; value is bytes or an integer."""
    at = 0

    def number():
        nonlocal at
        v = shift = 0
        while True:
            b = data[at]
            at += 1
            v |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                return v

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            yield tag >> 3, number()
        elif tag & 7 == 2:
            n = number()
            yield tag >> 3, data[at : at + n]
            at += n
        else:
            n = 8 if tag & 7 == 1 else 4
            yield tag >> 3, data[at : at + n]
            at += n


def profile_ids(body):
    """Resource profiles, scope profiles, profiles, field 7."""
    found = []
    try:
        for resource in (v for n, v in fields(body) if n == 1):
            for scope in (v for n, v in fields(resource) if n == 2):
                for profile in (v for n, v in fields(scope) if n == 2):
                    found += [v.hex() for n, v in fields(profile) if n == 7]
    except (IndexError, TypeError):
        pass
    return found


def save(name, data):
    path = os.path.join(folder, name)
    with open(path + ".new", "wb") as f:
        f.write(data)
    os.rename(path + ".new", path)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", kind="text/plain", more=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in more:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        number, step = next_step()
        save("%d.time" % number, b"%f" % time.monotonic())
        save("%d.body" % number, body)
        save("%d.ids" % number, "".join(i + "\n" for i in profile_ids(body)).encode())
        head = "POST %s\n%s" % (self.path, str(self.headers))
        save("%d.headers" % number, head.encode())
        words = step.split()
        if words[0] == "partial":
            inner = varint(1 << 3) + varint(int(words[1])) + text_field(2, " ".join(words[2:]))
            self.answer(200, varint(1 << 3 | 2) + varint(len(inner)) + inner, "application/x-protobuf")
        elif words[0] == "slow":
            time.sleep(float(words[1]))
            self.answer(int(words[2]) if len(words) > 2 else 200)
        elif words[0] == "half":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.close_connection = True
        elif words[0] == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif words[0] == "close":
            self.close_connection = True
        elif words[0] == "big":
            self.answer(200, b"x" * (5 << 20))
        elif words[0] == "page":
            self.answer(200, b"<html></html>", "text/html; charset=utf-8")
        else:
            more = []
            while len(words) > 1 and "=" in words[1]:
                name, value = words.pop(1).split("=", 1)
                if value.startswith("@"):
                    # Dates have no fractions: the next second, so that it is not sooner.
                    value = email.utils.formatdate(time.time() + int(value[1:]) + 1, usegmt=True)
                more.append((name, value.replace("_", " ")))
            said = " ".join(words[1:])
            if int(words[0]) >= 300 and said:
                # google.rpc.Status
                self.answer(int(words[0]), text_field(2, said), "application/x-protobuf", more)
            else:
                self.answer(int(words[0]), said.encode(), "text/plain", more)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", int(os.environ.get("COLLECTOR_PORT", "0"))), Handler)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    if len(sys.argv) > 4:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(sys.argv[4])
    # The handshake is the thread's, so that one that fails is not the server's end.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
save("port", b"%d\n" % server.server_port)
server.serve_forever()
