#!/usr/bin/python3
"""stuntool: punches and abuses of them, by STUN code that shares nothing with ours.

  punch --from IP:PORT --to IP:PORT --name NAME --key-file FILE [--style 8489|5389] [--nonce N]
        [--sequence N] [--save FILE]     401, then the signed request; with --nonce only that
  ask --from IP:PORT --to IP:PORT --name NAME                the first step of it alone
  replay --from IP:PORT --to IP:PORT --file FILE             the very bytes of --save
  lengths --from IP:PORT --to IP:PORT --name NAME --key-file FILE
        a good signed request with each attribute at each wrong length; with a length field that
        lies; cut off anywhere; with the header's length wrong
  flood --from IP:PORT --to IP:PORT --kind random|request --name NAME --count N
  listen --bind IP:PORT                  a line for each datagram, until killed

Each prints JSON. An answer has "kind" (success, error), "code", "signed" (its integrity is right),
"mapped", "nonce", "request" and "reply" (bytes). No answer within --wait seconds: "kind": "silence".
"""
import argparse
import hashlib
import hmac
import json
import os
import random
import signal
import socket
import struct
import sys
import time
import zlib

COOKIE = 0x2112A442
CHANGE_REQUEST, USERNAME, INTEGRITY, ERROR_CODE = 0x0003, 0x0006, 0x0008, 0x0009
REALM, NONCE, INTEGRITY256 = 0x0014, 0x0015, 0x001C
PASSWORD_ALGORITHM, USERHASH, XOR_MAPPED_ADDRESS = 0x001D, 0x001E, 0x0020
PADDING, RESPONSE_PORT, PASSWORD_ALGORITHMS = 0x0026, 0x0027, 0x8002
FINGERPRINT, PUNCH_SEQUENCE = 0x8028, 0xFF01
MAGIC = 0x504E4348
SIZE = 256  # of a padded request; no answer is larger


def endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def attr(kind, value, claimed=None):
    length = len(value) if claimed is None else claimed
    return struct.pack("!HH", kind, length) + value + bytes(-len(value) % 4)


def header(body_len, tid, kind=0x0001):
    return struct.pack("!HHI", kind, body_len, COOKIE) + tid


def seal(body, tid, key, style, claimed=None, digest_len=None):
    """The message with its integrity, which covers everything in front of it."""
    kind, function = (INTEGRITY256, hashlib.sha256) if style == "8489" else (INTEGRITY, hashlib.sha1)
    size = function().digest_size if digest_len is None else digest_len
    head = header(len(body) + 4 + size + -size % 4, tid)
    digest = hmac.new(key, head + body, function).digest()
    value = (digest + bytes(1280))[:size]
    return head + body + attr(kind, value, claimed)


def fingerprint(message, value_len=4):
    grown = len(message) - 20 + 4 + value_len + -value_len % 4
    message = message[:2] + struct.pack("!H", grown) + message[4:]
    value = struct.pack("!I", zlib.crc32(message) ^ 0x5354554E)
    return message + attr(FINGERPRINT, (value + bytes(1280))[:value_len])


def read(message):
    """Type and attributes of a message, each with the offset where it begins."""
    kind, length, cookie = struct.unpack_from("!HHI", message)
    if cookie != COOKIE or length != len(message) - 20:
        raise ValueError("not STUN")
    attrs, at = {}, 20
    while at < len(message):
        number, size = struct.unpack_from("!HH", message, at)
        attrs.setdefault(number, (at, message[at + 4:at + 4 + size]))
        at += 4 + size + -size % 4
    return kind, message[8:20], attrs


def signed(message, attrs, key):
    for kind, function in ((INTEGRITY256, hashlib.sha256), (INTEGRITY, hashlib.sha1)):
        if key and kind in attrs:
            at, value = attrs[kind]
            head = message[:2] + struct.pack("!H", at + 4 + len(value) - 20) + message[4:at]
            return hmac.compare_digest(hmac.new(key, head, function).digest(), value)
    return False


def mapped(attrs, tid):
    if XOR_MAPPED_ADDRESS not in attrs:
        return None
    value = attrs[XOR_MAPPED_ADDRESS][1]
    mask = struct.pack("!I", COOKIE) + tid
    host = bytes(a ^ b for a, b in zip(value[4:], mask))
    port = struct.unpack("!H", value[2:4])[0] ^ (COOKIE >> 16)
    if value[1] == 1:
        return "%s:%d" % (socket.inet_ntop(socket.AF_INET, host), port)
    return "[%s]:%d" % (socket.inet_ntop(socket.AF_INET6, host), port)


def describe(reply, request, key):
    if reply is None:
        return {"kind": "silence", "request": len(request)}
    kind, tid, attrs = read(reply)
    out = {"kind": {0x0101: "success", 0x0111: "error"}.get(kind, hex(kind)),
           "signed": signed(reply, attrs, key), "request": len(request), "reply": len(reply)}
    if ERROR_CODE in attrs:
        value = attrs[ERROR_CODE][1]
        out["code"] = value[2] * 100 + value[3]
    if NONCE in attrs:
        out["nonce"] = attrs[NONCE][1].decode()
    if XOR_MAPPED_ADDRESS in attrs:
        out["mapped"] = mapped(attrs, tid)
    return out


class Client:
    def __init__(self, args):
        source = endpoint(args.source)
        self.sock = socket.socket(socket.AF_INET6 if ":" in source[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind(source)
        self.to = endpoint(args.to)
        self.wait = args.wait
        self.name = (getattr(args, "name", None) or "").encode()
        self.password, self.key = b"", None
        if getattr(args, "key_file", None):
            with open(args.key_file, "rb") as file:
                self.password = file.read().strip()

    def exchange(self, message):
        """Sends once: what is measured is one answer to one datagram."""
        self.sock.sendto(message, self.to)
        end = time.monotonic() + self.wait
        while True:
            self.sock.settimeout(max(end - time.monotonic(), 0.001))
            try:
                reply, peer = self.sock.recvfrom(2048)
            except socket.timeout:
                return None
            if peer[:2] == self.to and reply[8:20] == message[8:20]:
                return reply

    def question(self, size=SIZE):
        tid = os.urandom(12)
        body = attr(USERNAME, self.name)
        if size:
            body += attr(PADDING, bytes(size - 24 - len(body)))
        return header(len(body), tid) + body

    def challenge(self):
        message = self.question()
        reply = self.exchange(message)
        if reply is None:
            return describe(None, message, None), None
        attrs = read(reply)[2]
        return describe(reply, message, None), {k: v[1] for k, v in attrs.items()}

    def credentials(self, style, realm):
        text = self.name + b":" + realm + b":" + self.password
        return (hashlib.sha256 if style == "8489" else hashlib.md5)(text).digest()

    def parts(self, style, given, sequence):
        """The attributes in front of the padding."""
        out = [(USERNAME, self.name), (REALM, given[REALM]), (NONCE, given[NONCE])]
        if style == "8489":
            out += [(PASSWORD_ALGORITHMS, given[PASSWORD_ALGORITHMS]), (PASSWORD_ALGORITHM, b"\0\2\0\0")]
        if sequence:
            out += [(PUNCH_SEQUENCE, struct.pack("!IQ", MAGIC, sequence))]
        return out

    def request(self, style, given, sequence):
        body = b"".join(attr(*part) for part in self.parts(style, given, sequence))
        tail = 36 if style == "8489" else 24
        body += attr(PADDING, bytes(max(0, SIZE - 24 - len(body) - tail)))
        self.key = self.credentials(style, given[REALM])
        return seal(body, os.urandom(12), self.key, style)


def punch(args):
    client = Client(args)
    if args.nonce:
        given = {REALM: b"relayd", NONCE: args.nonce.encode(), PASSWORD_ALGORITHMS: b"\0\2\0\0\0\1\0\0"}
    else:
        answer, given = client.challenge()
        if given is None or NONCE not in given:
            return answer
    message = client.request(args.style, given, args.sequence)
    if args.save:
        with open(args.save, "wb") as file:
            file.write(message)
    return describe(client.exchange(message), message, client.key)


def ask(args):
    return Client(args).challenge()[0]


def replay(args):
    with open(args.file, "rb") as file:
        message = file.read()
    return describe(Client(args).exchange(message), message, None)


def wrong_lengths(client, given, low):
    """(what, message) for each attribute at each length from 0 to 64 that does not fit."""
    parts = client.parts("8489", given, low)
    parts += [(CHANGE_REQUEST, bytes(4)), (RESPONSE_PORT, bytes(4)), (USERHASH, bytes(32)),
              (XOR_MAPPED_ADDRESS, b"\0\1" + bytes(6))]
    # Padding behind the parameters may be counted; our own attribute without its magic is another's.
    fits = {PASSWORD_ALGORITHM: (4, 5, 6, 7), PUNCH_SEQUENCE: (0, 1, 2, 3, 12), RESPONSE_PORT: (2, 4)}
    key = client.credentials("8489", given[REALM])

    def build(number, value, claimed=None):
        body = b"".join(attr(k, value, claimed) if k == number else attr(k, v) for k, v in parts)
        return seal(body, os.urandom(12), key, "8489")

    for number, value in parts:
        for length in range(65):
            if length in fits.get(number, (len(value),)):
                continue
            yield "%#06x has %d bytes" % (number, length), build(number, (value + bytes(65))[:length])
        for claimed in list(range(0, 65)) + [508, 509, 763, 764, 1280, 0x7FFF, 0xFFFC, 0xFFFF]:
            if (claimed + 3) // 4 != (len(value) + 3) // 4:
                yield "%#06x says %d bytes" % (number, claimed), build(number, value, claimed)
    body = b"".join(attr(*part) for part in parts)
    for length in range(65):
        if length != 32:
            yield "integrity has %d bytes" % length, seal(body, os.urandom(12), key, "8489", None, length)
            yield "integrity says %d bytes" % length, seal(body, os.urandom(12), key, "8489", length)
        if length != 4:
            yield "fingerprint has %d bytes" % length, fingerprint(
                seal(body, os.urandom(12), key, "8489"), length)
        if length != 20:  # the other integrity, in front of the good one
            yield "0x0008 has %d bytes" % length, seal(
                body + attr(INTEGRITY, bytes(length)), os.urandom(12), key, "8489")
    size = len(seal(body, bytes(12), key, "8489"))

    def good():
        return seal(body, os.urandom(12), key, "8489")

    for length in range(20, size):
        yield "cut to %d" % length, good()[:length]
    for length in range(24, size, 4):  # cut, and the header agrees
        message = good()
        yield "ends at %d" % length, message[:2] + struct.pack("!H", length - 20) + message[4:length]
    for length in list(range(0, 1280, 5)) + [65535]:
        if length != size - 20:
            message = good()
            yield "header says %d" % length, message[:2] + struct.pack("!H", length) + message[4:]
    yield "too large", seal(body + attr(PADDING, bytes(1200)), os.urandom(12), key, "8489")


def lengths(args):
    """A plain question behind each batch tells that all before it have been seen to."""
    client = Client(args)
    given = client.challenge()[1]
    out = {"cases": 0, "datagrams": 1, "replies": 0, "successes": [], "larger": [], "codes": {}}
    pending = {}

    def take(reply):
        what, message = pending.get(reply[8:20], ("another's answer", b""))
        answer = describe(reply, message, None)
        out["replies"] += 1
        code = answer.get("code", answer["kind"])
        out["codes"][code] = out["codes"].get(code, 0) + 1
        if answer["kind"] != "error":
            out["successes"].append(what)
        if len(reply) > len(message):
            out["larger"].append([what, len(message), len(reply)])

    def drain():
        ping = header(SIZE - 20, os.urandom(12)) + attr(PADDING, bytes(SIZE - 24))
        client.sock.sendto(ping, client.to)
        out["datagrams"] += 1
        client.sock.settimeout(client.wait)
        while True:
            reply = client.sock.recv(2048)
            if reply[8:20] == ping[8:20]:
                return
            take(reply)

    for what, message in wrong_lengths(client, given, int(time.time() * 1e6)):
        pending[message[8:20]] = (what, message)
        client.sock.sendto(message, client.to)
        out["cases"] += 1
        if out["cases"] % 16 == 0:
            drain()
    drain()
    out["datagrams"] += out["cases"]
    return out


def flood(args):
    """In bursts out of a stock that was made before, so that the making costs no time."""
    client = Client(args)
    rng = random.Random(8489)
    stock = []
    for i in range(2000):
        if args.kind == "random":
            message = rng.randbytes(rng.randrange(1, 400))
            if i % 2 and len(message) > 20:  # half of them get past the first look
                message = b"\0\1" + struct.pack("!HI", len(message) - 20 & 0xFFFC, COOKIE) + message[8:]
        else:
            message = client.question(0 if i % 4 == 3 else SIZE)
        stock.append(message)
    begin = time.monotonic()
    octets = 0
    client.sock.connect(client.to)
    send = client.sock.send
    for i in range(args.count):
        try:
            octets += send(stock[i % 2000])
        except ConnectionRefusedError:
            octets += send(stock[i % 2000])
    seconds = time.monotonic() - begin
    return {"sent": args.count, "bytes": octets, "seconds": round(seconds, 2), "rate": round(args.count / seconds)}


def listen(args):
    bind = endpoint(args.bind)
    sock = socket.socket(socket.AF_INET6 if ":" in bind[0] else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(bind)
    while True:
        data, peer = sock.recvfrom(65535)
        print(json.dumps({"from": "%s:%d" % peer[:2], "bytes": len(data), "type": data[:2].hex()}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = parser.add_subparsers(required=True)
    for run in (punch, ask, replay, lengths, flood):
        one = sub.add_parser(run.__name__)
        one.add_argument("--from", dest="source", required=True)
        one.add_argument("--to", required=True)
        one.add_argument("--wait", type=float, default=1.0)
        one.set_defaults(run=run)
        if run is not replay:
            one.add_argument("--name", required=True)
        if run in (punch, lengths):
            one.add_argument("--key-file", required=True)
        if run is punch:
            one.add_argument("--style", choices=("8489", "5389"), default="8489")
            one.add_argument("--nonce")
            one.add_argument("--sequence", type=int)
            one.add_argument("--save")
        if run is replay:
            one.add_argument("--file", required=True)
        if run is flood:
            one.add_argument("--kind", choices=("random", "request"), required=True)
            one.add_argument("--count", type=int, required=True)
    one = sub.add_parser("listen")
    one.add_argument("--bind", required=True)
    one.set_defaults(run=listen)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(json.dumps(args.run(args)))


if __name__ == "__main__":
    main()
