#!/usr/bin/python3
"""peerfoe: peers that lie, forge, flood, and go without a word; after peertool.py, in the format of punch(7).

  lie --from IP:PORT --name NAME --key-file FILE --nat random|endpoint --host IP:PORT... --gateway IP:PORT
        a client that names others as its addresses, wants a direct path and never finds one; until it is let be:
        a line for each word
  hello --from IP:PORT --name NAME --key-file FILE [--lane HEX] [--role service] [--save FILE]
        says hello, and no more: what it was answered
  flood --from IP:PORT --name NAME --key-file FILE --count N [--bye]       hellos of ever new lanes, by 64 sockets
  anonymous --count N             hellos without a key, in the name of sources of 100.64.0.0/10
  forge --as IP:PORT --at IP:PORT --name NAME --key-file FILE --count N    words of the relay, in its name, and checks
  pairs --from IP:PORT --name NAME --key-file FILE --count N     honest ones: how long each waits to be paired, in ms

All want --to IP:PORT, and print JSON.
"""
import argparse
import json
import os
import select
import socket
import statistics
import struct
import sys
import time

sys.dont_write_bytecode = True
import peertool  # noqa: E402
import stuntool as stun  # noqa: E402

ROLES = {"client": 0, "service": 1}
READY, FAILED = 1, 3
QUIET = 20  # seconds without a word: no round is so long
NATS = {"random": struct.pack("!BBBBiHHBB", 5, 4, 3, 0, 0, 1024, 65535, 1, 2),
        "endpoint": struct.pack("!BBBBiHHBB", 2, 4, 0, 0, 0, 0, 0, 1, 2)}
UNKNOWN = bytes(14)


def endpoint(text):
    if not text:
        return bytes(20)
    host, port = stun.endpoint(text)
    return struct.pack("!BBH", 0, 1, port) + socket.inet_aton(host) + bytes(12)


def hello(role, lane, other=bytes(16), heard=0, bye=0, wants=0, progress=0, number=0, nat=UNKNOWN, gateway="",
          hosts=()):
    return (struct.pack("!BBBBIIIHBB", 1, role, bye | wants << 1, progress, heard, 20, number, 0, len(hosts), 0)
            + lane + other + nat + bytes(2) + endpoint(gateway) + b"".join(endpoint(h) for h in hosts))


class Foe(peertool.Peer):
    """Its socket, its nonce and its hellos, which are what the caller wants."""

    def __init__(self, args, source=None, role=None):
        copy = argparse.Namespace(**vars(args))
        copy.command = role or "client"
        copy.source = source or args.source
        super().__init__(copy)
        self.last = None

    def learn(self, seconds=2):
        """The nonce for this socket."""
        end = time.monotonic() + seconds
        while self.nonce is None and time.monotonic() < end:
            self.say()
            if select.select([self.sock], [], [], 0.2)[0]:
                self.take(self.sock.recv(2000))
        return self.nonce is not None

    def make(self, message):
        self.sequence += 1
        body = stun.attr(stun.USERNAME, self.name) + stun.attr(stun.REALM, self.realm)
        body += stun.attr(stun.NONCE, self.nonce)
        body += stun.attr(stun.PASSWORD_ALGORITHMS, struct.pack("!HHHH", 2, 0, 1, 0))
        body += stun.attr(stun.PASSWORD_ALGORITHM, struct.pack("!HH", 2, 0))
        body += stun.attr(stun.PUNCH_SEQUENCE, struct.pack("!IQ", stun.MAGIC, self.sequence))
        body += stun.attr(peertool.PEER, struct.pack("!I", stun.MAGIC) + message)
        self.last = stun.seal(body, os.urandom(12), self.key, "8489")
        return self.last

    def tell(self, **more):
        self.sock.sendto(self.make(hello(self.role, self.lane, self.other, self.serial, **more)), self.to)

    def drain(self):
        """What has come, unread."""
        while select.select([self.sock], [], [], 0)[0]:
            self.sock.recv(2000)


def word_of(message):
    """State, plan, number and go of a word; None: there is none."""
    attrs = stun.read(message)[2]
    if peertool.PEER not in attrs:
        return None
    word = attrs[peertool.PEER][1][4:]
    _, state, go, plan, serial = struct.unpack_from("!BBBBI", word)
    number = struct.unpack_from("!I", word, 44)[0]
    return {"state": peertool.STATES[state], "plan": plan, "go": bool(go), "serial": serial, "round": number}


def lie(args):
    foe = Foe(args)
    foe.learn()
    more = {"wants": 1, "nat": NATS[args.nat], "gateway": args.gateway, "hosts": args.host}
    said, word = 0, {"round": 0}
    began = heard = time.monotonic()
    while time.monotonic() - began < args.seconds and time.monotonic() - heard < QUIET:
        if time.monotonic() - said > 1:
            said = time.monotonic()
            foe.tell(number=word["round"], progress=word["round"] and (FAILED if word["go"] else READY), **more)
        if not select.select([foe.sock], [], [], 0.05)[0]:
            continue
        message = foe.sock.recv(2000)
        if message[4:8] != struct.pack("!I", stun.COOKIE) or message[:2] == b"\0\1":
            continue
        new = word_of(message)
        if foe.take(message) and new:
            word, said, heard = new, 0, time.monotonic()
            print(json.dumps(dict(new, time=time.time())), flush=True)
    foe.tell(bye=1)
    return {"state": "end", "round": word["round"], "time": time.time()}


def hello_once(args):
    foe = Foe(args, role=args.role)
    if not foe.learn():
        return {"kind": "silence"}
    if args.lane:
        foe.lane = bytes.fromhex(args.lane)
    foe.tell()
    if args.save:
        with open(args.save, "wb") as file:
            file.write(foe.last)
    if not select.select([foe.sock], [], [], 2)[0]:
        return {"kind": "silence"}
    answer = foe.sock.recv(2000)
    out = stun.describe(answer, foe.last, foe.key)
    word = word_of(answer)
    return dict(out, lane=foe.lane.hex(), state=word and word["state"])


def flood(args):
    host, port = stun.endpoint(args.source)
    foes = [Foe(args, "%s:%d" % (host, port + i), "service" if i % 2 else "client") for i in range(64)]
    if not all([foe.learn() for foe in foes]):
        return {"error": "no nonce"}
    begin = time.monotonic()
    for i in range(args.count):
        foe = foes[i % len(foes)]
        message = hello(foe.role, os.urandom(16), os.urandom(16) if i // 64 % 4 == 3 else bytes(16), bye=int(args.bye))
        foe.sock.sendto(foe.make(message), foe.to)
        foe.drain()
    seconds = time.monotonic() - begin
    return {"sent": args.count, "seconds": round(seconds, 2), "rate": round(args.count / seconds)}


def raw_send(sock, source, to, data):
    """A UDP datagram of whatever source; the kernel adds what is left out of the IP header."""
    udp = struct.pack("!HHHH", source[1], to[1], 8 + len(data), 0) + data
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton(source[0]),
                       socket.inet_aton(to[0]))
    sock.sendto(head + udp, (to[0], 0))


def anonymous(args):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    key, to, begin = os.urandom(32), stun.endpoint(args.to), time.monotonic()
    for i in range(args.count):
        body = stun.attr(stun.USERNAME, args.name.encode()) + stun.attr(stun.REALM, b"relayd")
        body += stun.attr(stun.NONCE, b"obMatJos2" + os.urandom(12).hex().encode())
        body += stun.attr(stun.PUNCH_SEQUENCE, struct.pack("!IQ", stun.MAGIC, 1))
        body += stun.attr(peertool.PEER, struct.pack("!I", stun.MAGIC) + hello(i % 2, os.urandom(16)))
        source = "100.%d.%d.%d" % (64 + i % 64, i // 256 % 256, i % 256), 1024 + i % 60000
        raw_send(sock, source, to, stun.seal(body, os.urandom(12), key, "8489"))
    return {"sent": args.count, "seconds": round(time.monotonic() - begin, 2)}


def indication(args, key, sequence, word):
    body = stun.attr(stun.PUNCH_SEQUENCE, struct.pack("!IQ", stun.MAGIC, sequence))
    body += stun.attr(peertool.PEER, struct.pack("!I", stun.MAGIC) + word)
    message = stun.seal(body, os.urandom(12), key, "8489")
    return b"\0\x11" + message[2:-32] + stun.hmac.new(key, b"\0\x11" + message[2:-36], stun.hashlib.sha256).digest()


def forge(args):
    """With the key of the stream, but without the sequences of those who are lied to."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with open(args.key_file, "rb") as file:
        password = file.read().strip()
    key = stun.hashlib.sha256(args.name.encode() + b":relayd:" + password).digest()
    source, to, micros = stun.endpoint(args.forged), stun.endpoint(args.at), time.time_ns() // 1000
    for i in range(args.count):
        closed = struct.pack("!BBBBI", 2, 2, 0, 0, 1000 + i) + bytes(16) + bytes(20) + bytes(28)
        sequence = (micros - i * 1000, i, 2 ** 64 - 1 - i)[i % 3]
        raw_send(sock, source, to, indication(args, key, sequence, closed))
        check = stun.fingerprint(stun.seal(b"", os.urandom(12), os.urandom(32), "8489"))
        raw_send(sock, source, to, check)
        time.sleep(0.0005)
    return {"sent": 2 * args.count}


def pairs(args):
    host, port = stun.endpoint(args.source)
    times = []
    for i in range(args.count):
        service = Foe(args, "%s:%d" % (host, port + 2 * i), "service")
        client = Foe(args, "%s:%d" % (host, port + 2 * i + 1), "client")
        if not (service.learn() and client.learn()):
            return {"error": "no nonce", "times": times}
        service.tell()
        service.turn()
        begin = time.monotonic()
        client.tell()
        while "paired" not in client.states and time.monotonic() < begin + 5:
            ready = select.select([client.sock, service.sock], [], [], 0.5)[0]
            for peer in ready and (p for p in (client, service) if p.sock in ready):
                if peer.take(peer.sock.recv(2000)):
                    peer.tell()
            if not ready:
                client.tell()
        if "paired" in client.states:
            times.append((time.monotonic() - begin) * 1000)
        for peer in client, service:
            peer.tell(bye=1)
            peer.sock.close()
    return {"pairs": len(times), "median": round(statistics.median(times), 2) if times else None,
            "most": round(max(times), 2) if times else None}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    runs = {"lie": lie, "hello": hello_once, "flood": flood, "anonymous": anonymous, "forge": forge, "pairs": pairs}
    parser.add_argument("command", choices=runs)
    parser.add_argument("--from", dest="source")
    parser.add_argument("--to")
    parser.add_argument("--as", dest="forged")
    parser.add_argument("--at")
    parser.add_argument("--name", required=True)
    parser.add_argument("--key-file")
    parser.add_argument("--nat", choices=NATS)
    parser.add_argument("--host", action="append", default=[])
    parser.add_argument("--gateway", default="")
    parser.add_argument("--lane")
    parser.add_argument("--role", choices=ROLES, default="client")
    parser.add_argument("--save")
    parser.add_argument("--bye", action="store_true")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--for", dest="seconds", type=float, default=60)
    parser.set_defaults(wait=1)
    args = parser.parse_args()
    print(json.dumps(runs[args.command](args)))


if __name__ == "__main__":
    main()
