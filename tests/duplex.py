#!/usr/bin/python3
"""duplex: numbered datagrams both ways at once, counted on arrival, for scenarios in which paths change.

  duplex.py [--bind IP:PORT] [--to IP:PORT] --rate PPS [--size B]

Without --to it sends to where the newest datagram came from, once one has come. At SIGTERM it sends no more,
waits until nothing has come for a second, and prints one JSON object:

  sent, received, distinct, duplicated, reordered, gap (the longest silence in ms), missing (ranges of numbers),
  last (the highest number), sources

A datagram is lost that the other's "sent" counts and "distinct" does not. SIGUSR1 prints the same; SIGUSR2
begins the silences anew.
"""
import argparse
import json
import select
import signal
import socket
import struct
import time

BODY = struct.Struct("!II")
MAGIC = 0x64757078
SO_RCVBUFFORCE = 33


def endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Duplex:
    def __init__(self, args):
        bind = endpoint(args.bind)
        family = socket.AF_INET6 if ":" in bind[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.sock.setblocking(False)
        self.to = endpoint(args.to) if args.to else None
        self.interval, self.padding = 1 / args.rate, bytes(max(0, args.size - BODY.size))
        self.sent = self.received = self.duplicated = self.reordered = 0
        self.seen, self.sources, self.highest = set(), {}, -1
        self.last = self.gap = 0.0
        self.asked = self.ending = False
        self.bind = bind

    def open(self):
        """The last thing: whoever sees the port knows that signals are handled."""
        self.sock.bind(self.bind)

    def take(self, data, addr):
        if len(data) < BODY.size or BODY.unpack_from(data)[0] != MAGIC:
            return
        seq, now = BODY.unpack_from(data)[1], time.monotonic()
        self.to = addr
        self.sources[addr] = self.sources.get(addr, 0) + 1
        self.received += 1
        if self.last:
            self.gap = max(self.gap, now - self.last)
        self.last = now
        if seq in self.seen:
            self.duplicated += 1
            return
        self.seen.add(seq)
        self.reordered += seq < self.highest
        self.highest = max(self.highest, seq)

    def put(self):
        """The number is used up even when the kernel says that somebody was not there."""
        try:
            self.sock.sendto(BODY.pack(MAGIC, self.sent) + self.padding, self.to)
        except OSError:
            pass
        self.sent += 1

    def missing(self):
        ranges, before = [], -1
        for seq in sorted(self.seen):
            if seq > before + 1:
                ranges.append([before + 1, seq - 1])
            before = seq
        return ranges

    def report(self):
        print(json.dumps({
            "sent": self.sent, "received": self.received, "distinct": len(self.seen),
            "duplicated": self.duplicated, "reordered": self.reordered,
            "gap": round(self.gap * 1000), "missing": self.missing()[:20], "last": self.highest,
            "sources": len(self.sources)}), flush=True)
        self.asked = False

    def run(self):
        due = ended = None
        while not ended or time.monotonic() - max(self.last, ended) < 1:
            now = time.monotonic()
            if self.ending:
                ended, due = ended or now, None
            elif self.to and due is None:
                due = now
            while due is not None and now >= due:
                self.put()
                due += self.interval
            wait = 0.05 if due is None else max(0.0, due - time.monotonic())
            if select.select([self.sock], [], [], wait)[0]:
                for _ in range(64):
                    try:
                        self.take(*self.sock.recvfrom(65535))
                    except BlockingIOError:
                        break
                    except OSError:
                        pass
            if self.asked:
                self.report()
        self.report()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bind", default="127.0.0.1:0")
    parser.add_argument("--to")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--size", type=int, default=200)
    duplex = Duplex(parser.parse_args())

    def end(_signal, _frame):
        duplex.ending = True

    def ask(_signal, _frame):
        duplex.asked = True

    def calm(_signal, _frame):
        duplex.gap = 0.0

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGUSR2, calm)
    signal.signal(signal.SIGUSR1, ask)
    duplex.open()
    duplex.run()


if __name__ == "__main__":
    main()
