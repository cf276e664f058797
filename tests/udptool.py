#!/usr/bin/python3
"""udptool: numbered datagrams for the scenario tests, sent at a fixed rate and counted on arrival.

  send --from IP:PORT --to IP:PORT --count N --rate PPS [--size B] [--rtp] [--first SEQ] [--ttl N]
  recv --bind IP:PORT [--expect N] [--for S] [--idle S] [--punch IP:PORT [--every S]] [--echo]

Each datagram holds (after an RTP header, with --rtp) a magic word, a number and the time at which
it left. recv ends when N different ones have come, after --for seconds, when nothing has come for
--idle seconds since the last one, or at SIGTERM; then it prints one JSON object:

  received, distinct, lost (between the lowest and the highest number), duplicated, reordered,
  other (datagrams that are not ours), first and last (arrival, seconds since 1970), first_seq,
  last_seq, missing (the first ranges of lost numbers), gap (the longest silence, and gap_at the
  number after it), delay (p50, p99 and max in milliseconds), sources (datagrams per address)

--punch sends a datagram to that address from the receiving socket, at once and every S seconds.
--echo returns each of our datagrams to where it came from. An IPv6 address is written [::1]:9.
"""
import argparse
import json
import signal
import socket
import struct
import sys
import time

MAGIC = 0x70726C79
BODY = struct.Struct("!IQQ")  # magic, number, nanoseconds since 1970
RTP = struct.Struct("!BBHII")  # V=2, payload type 96, sequence, timestamp, SSRC
SO_RCVBUFFORCE = 33  # of Linux; missing in the socket module


class Ended(Exception):
    pass


def endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def name(addr):
    return ("[%s]:%d" if ":" in addr[0] else "%s:%d") % addr[:2]


def open_socket(bind):
    family = socket.AF_INET6 if ":" in bind[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    except PermissionError:
        pass  # then the usual size must do
    sock.bind(bind)
    return sock


def send(args):
    """Sends what is due by the clock, so a late wake-up does not lower the rate."""
    sock = open_socket(endpoint(args.source))
    if args.ttl:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, args.ttl)
    sock.connect(endpoint(args.to))
    start, refused = time.monotonic(), 0
    padding = bytes(max(0, args.size - BODY.size - (RTP.size if args.rtp else 0)))
    for i in range(args.count):
        wait = start + i / args.rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        seq = args.first + i
        head = RTP.pack(0x80, 96, seq & 0xFFFF, seq * 90 & 0xFFFFFFFF, 0x50554E43) if args.rtp else b""
        try:
            sock.send(head + BODY.pack(MAGIC, seq, time.time_ns()) + padding)
        except ConnectionRefusedError:
            refused += 1  # an ICMP error for an earlier one; this one was not sent
    print(json.dumps({"sent": args.count - refused, "refused": refused, "from": name(sock.getsockname()),
                      "seconds": round(time.monotonic() - start, 3)}))


class Count:
    def __init__(self):
        self.times = {}
        self.sources = {}
        self.delays = []
        self.received = self.duplicated = self.reordered = self.other = 0
        self.first = self.last = self.gap = 0.0
        self.gap_at = None
        self.highest = -1

    def take(self, data, addr):
        now = time.time_ns()
        head = RTP.size if len(data) >= RTP.size + BODY.size and data[0] >> 6 == 2 else 0
        if len(data) < head + BODY.size or BODY.unpack_from(data, head)[0] != MAGIC:
            self.other += 1
            return False
        _, seq, sent = BODY.unpack_from(data, head)
        self.received += 1
        self.sources[name(addr)] = self.sources.get(name(addr), 0) + 1
        if self.first and now / 1e9 - self.last > self.gap:
            self.gap, self.gap_at = now / 1e9 - self.last, seq
        self.first, self.last = self.first or now / 1e9, now / 1e9
        if seq in self.times:
            self.duplicated += 1
            return True
        self.reordered += seq < self.highest
        self.highest = max(self.highest, seq)
        self.times[seq] = now
        self.delays.append((now - sent) / 1e6)
        return True

    def missing(self):
        ranges, before = [], None
        for seq in sorted(self.times):
            if before is not None and seq > before + 1:
                ranges.append([before + 1, seq - 1])
            before = seq
        return ranges

    def report(self):
        ranges, delays = self.missing(), sorted(self.delays) or [0]
        return {
            "received": self.received, "distinct": len(self.times),
            "lost": sum(b - a + 1 for a, b in ranges), "duplicated": self.duplicated,
            "reordered": self.reordered, "other": self.other,
            "first": self.first, "last": self.last,
            "first_seq": min(self.times, default=None), "last_seq": max(self.times, default=None),
            "missing": ranges[:20], "gap": round(self.gap, 6), "gap_at": self.gap_at,
            "delay": {"p50": round(delays[len(delays) // 2], 3),
                      "p99": round(delays[len(delays) * 99 // 100], 3), "max": round(delays[-1], 3)},
            "sources": self.sources,
        }


def end(_signal, _frame):
    raise Ended


def receive(sock, args, count):
    now = time.monotonic()
    until = now + args.seconds if args.seconds else None
    idle, punch = None, now if args.punch else None
    while not args.expect or len(count.times) < args.expect:
        now = time.monotonic()
        if punch is not None and now >= punch:
            sock.sendto(b"punch", endpoint(args.punch))
            punch = now + args.every
        due = [t for t in (until, idle, punch) if t is not None]
        if any(t is not None and now >= t for t in (until, idle)):
            return
        sock.settimeout(max(min(due) - now, 0.0001) if due else None)
        try:
            data, addr = sock.recvfrom(65535)
        except socket.timeout:
            continue
        except OSError:
            continue  # an ICMP error that came back for a punch or an echo
        if count.take(data, addr) and args.echo:
            sock.sendto(data, addr)
        idle = time.monotonic() + args.idle if args.idle else None


def recv(args):
    sock, count = open_socket(endpoint(args.bind)), Count()
    try:
        receive(sock, args, count)
    except Ended:
        pass
    print(json.dumps(count.report()))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = parser.add_subparsers(required=True)
    out = sub.add_parser("send")
    out.add_argument("--from", dest="source", required=True)
    out.add_argument("--to", required=True)
    out.add_argument("--count", type=int, required=True)
    out.add_argument("--rate", type=float, required=True)
    out.add_argument("--size", type=int, default=200)
    out.add_argument("--first", type=int, default=0)
    out.add_argument("--ttl", type=int, default=0)
    out.add_argument("--rtp", action="store_true")
    out.set_defaults(run=send)
    into = sub.add_parser("recv")
    into.add_argument("--bind", required=True)
    into.add_argument("--expect", type=int)
    into.add_argument("--for", dest="seconds", type=float)
    into.add_argument("--idle", type=float)
    into.add_argument("--punch")
    into.add_argument("--every", type=float, default=1.0)
    into.add_argument("--echo", action="store_true")
    into.set_defaults(run=recv)
    signal.signal(signal.SIGTERM, end)
    args = parser.parse_args()
    try:
        args.run(args)
    except Ended:
        sys.exit(143)


if __name__ == "__main__":
    main()
