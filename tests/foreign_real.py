#!/usr/bin/python3
"""foreign_real: sends packets of every kind through the relay and compares what foreign_tool says of
them with what becomes of them.

  foreign_real.py PREFIX TOOL     namespaces PREFIXsender, PREFIXrelay, PREFIXclient as net_foreign.sh
                                  makes them

Prints a line "4: media drops; punch passes; .." per family: what was said and came true, or "SAID ..
BUT ARRIVED|LOST". Media goes first alone, then again with its flow, then what the client sends back,
then media of a flow that is established. What was said to be dropped is given a moment to come; what
comes later is still seen at the end, so a slow machine cannot make a wrong word true for long.
"""
import ctypes
import os
import socket
import struct
import subprocess
import sys
import time

GRACE = 0.04  # for what should not come
PATIENCE = 10  # for what should
COOKIE = 0x2112A442
ADDRESSES = {
    4: {"sender": "10.1.0.2", "listen": "10.1.0.1", "client": "10.2.0.2", "punch": "10.2.0.1"},
    6: {"sender": "fd01::2", "listen": "fd01::1", "client": "fd02::2", "punch": "fd02::1"},
}
PORTS = {"sender": 6000, "listen": 9099, "client": 5004, "punch": 3478}
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    with open("/run/netns/" + namespace) as file:
        if libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), namespace)


def text(family, name):
    form = "[%s]:%d" if family == 6 else "%s:%d"
    return form % (ADDRESSES[family][name], PORTS[name])


class Way:
    """One kind of packet: from whose socket to whose, under which addresses."""

    def __init__(self, name, words, source, dest, to=None, sender=None, body="rtp"):
        self.name, self.words, self.source, self.dest = name, words, source, dest
        self.to, self.sender, self.body = to, sender, body


MEDIA = {"source": "sender", "dest": "listen", "to": "client", "sender": "punch"}
WAYS = [
    Way("media", ["way=media", "first", "in=in0", "out=out0"], **MEDIA),
    Way("more", ["way=media", "in=in0", "out=out0"], **MEDIA),
    Way("reply", ["way=reply", "in=out0", "out=in0"], "client", "punch", "sender", "listen"),
    Way("both", ["way=media", "replied", "in=in0", "out=out0"], **MEDIA),
    Way("punch", ["way=punch", "first", "in=out0"], "client", "punch", body="punch"),
    Way("answer", ["way=answer", "first", "out=out0"], "punch", "client", body="answer"),
]
NEEDS_FLOW = ("more", "reply", "both")


class Lab:
    def __init__(self, prefix, tool, family):
        self.tool, self.family, self.number, self.wrong = tool, family, os.getpid() << 12, {}
        self.sockets, self.said, self.arrived = {}, {}, set()
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        for host, name in (("sender", "sender"), ("client", "client"), ("relay", "punch")):
            enter(prefix + host)
            sock = socket.socket(kind, socket.SOCK_DGRAM)
            sock.bind((ADDRESSES[family][name], PORTS[name]))
            sock.setblocking(False)
            self.sockets[name] = sock

    def predict(self, way):
        """The tool's own words: passes, drops, changes, unknown."""
        words = [self.tool, "walk", "source=" + text(self.family, way.source)]
        words.append("dest=" + text(self.family, way.dest))
        if way.to:
            words += ["to=" + text(self.family, way.to), "from=" + text(self.family, way.sender)]
            words.append("mark=0x52000001")
        out = subprocess.run(words + way.words, capture_output=True, text=True, check=True).stdout
        self.chains = out
        return [line[4:] for line in out.splitlines() if line.startswith("all ")][0]

    def body(self, way):
        self.number += 1
        if way.body == "rtp":
            return struct.pack("!BBHII", 0x80, 96, 1, 2, 3) + struct.pack("!I", self.number)
        kind = 0x0001 if way.body == "punch" else 0x0101
        return struct.pack("!HHIIII", kind, 0, COOKIE, 1, 2, self.number)

    def collect(self):
        for sock in self.sockets.values():
            while True:
                try:
                    data = sock.recv(2048)
                except BlockingIOError:
                    break
                self.arrived.add(struct.unpack("!I", data[-4:])[0])

    def goes(self, way, said):
        """Sends it; whether it arrives."""
        try:
            data = self.body(way)
            address = ADDRESSES[self.family][way.dest], PORTS[way.dest]
            self.sockets[way.source].sendto(data, address)
        except PermissionError:
            return False  # dropped on its way out
        until = time.monotonic() + (PATIENCE if said == "passes" else GRACE)
        while time.monotonic() < until and self.number not in self.arrived:
            self.collect()
            time.sleep(0.001)
        return self.number in self.arrived

    def run(self):
        results, flow = [], False
        for way in WAYS:
            if way.name in NEEDS_FLOW and not flow:
                continue
            said = self.predict(way)
            came = self.goes(way, said)
            flow |= way.name == "media" and came
            self.said[self.number] = (way.name, said, self.chains)
            results.append((way.name, said, self.number))
        self.collect()
        return results

    def report(self, results):
        words = []
        for name, said, number in results:
            came = number in self.arrived
            if said == "unknown":
                words.append("%s unknown" % name)
            elif (said == "passes") == came:
                words.append("%s %s" % (name, said))
            else:
                words.append("%s SAID %s BUT %s" % (name, said, "ARRIVED" if came else "LOST"))
                print(self.said[number][2], file=sys.stderr)
        print("%d: %s" % (self.family, "; ".join(words)))


def main():
    prefix, tool = sys.argv[1:3]
    for family in (4, 6):
        lab = Lab(prefix, tool, family)
        enter(prefix + "relay")
        results = lab.run()
        time.sleep(GRACE)
        lab.collect()
        lab.report(results)


if __name__ == "__main__":
    main()
