#!/usr/bin/python3
"""peertool: one peer on the relay, by code that shares nothing with ours; never a direct path.

  service --from IP:PORT --to IP:PORT --name NAME --key-file FILE --for SECONDS      echoes what comes
  client  --from IP:PORT --to IP:PORT --name NAME --key-file FILE --for SECONDS --count N

Prints JSON at its end: "states" as they were said, "mapped", and of a client how many datagrams came
back, "echoed".
"""
import argparse
import json
import os
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
import stuntool as stun  # noqa: E402

PEER = 0xFF03
STATES = ["waiting", "paired", "closed"]


def hello(role, lane, other, heard, bye):
    """As drawn in punch(7), of somebody who knows nothing of his NAT and wants no direct path."""
    return (struct.pack("!BBBBIIIHBB", 1, role, bye, 0, heard, 20, 0, 0, 0, 0) + lane + other
            + bytes(16) + bytes(20))


class Peer(stun.Client):
    def __init__(self, args):
        super().__init__(args)
        self.role = {"client": 0, "service": 1}[args.command]
        self.lane, self.other, self.serial = os.urandom(16), bytes(16), 0
        self.states, self.mapped, self.echoed, self.nonce = [], None, 0, None
        self.sequence = time.time_ns() // 1000

    def say(self, bye=0):
        tid = os.urandom(12)
        body = stun.attr(stun.USERNAME, self.name)
        if self.nonce is None:
            body += stun.attr(stun.PADDING, bytes(200))
            self.sock.sendto(stun.header(len(body), tid) + body, self.to)
            return
        self.sequence += 1
        message = hello(self.role, self.lane, self.other, self.serial, bye)
        body += stun.attr(stun.REALM, self.realm) + stun.attr(stun.NONCE, self.nonce)
        body += stun.attr(stun.PASSWORD_ALGORITHMS, struct.pack("!HHHH", 2, 0, 1, 0))
        body += stun.attr(stun.PASSWORD_ALGORITHM, struct.pack("!HH", 2, 0))
        body += stun.attr(stun.PUNCH_SEQUENCE, struct.pack("!IQ", stun.MAGIC, self.sequence))
        body += stun.attr(PEER, struct.pack("!I", stun.MAGIC) + message)
        self.sock.sendto(stun.seal(body, tid, self.key, "8489"), self.to)

    def take(self, message):
        kind, tid, attrs = stun.read(message)
        if stun.NONCE in attrs:
            self.nonce, self.realm = attrs[stun.NONCE][1], attrs[stun.REALM][1]
            text = self.name + b":" + self.realm + b":" + self.password
            self.key = stun.hashlib.sha256(text).digest()
            return True
        if PEER not in attrs or not stun.signed(message, attrs, self.key):
            return False
        self.mapped = stun.mapped(attrs, tid) or self.mapped
        word = attrs[PEER][1][4:]
        _, state, _, _, serial = struct.unpack_from("!BBBBI", word)
        if serial <= self.serial:
            return False
        self.serial, self.other = serial, word[8:24]
        if self.states[-1:] != [STATES[state]]:
            self.states.append(STATES[state])
        return True

    def turn(self):
        """One datagram that has come, or none for a moment."""
        self.sock.settimeout(0.05)
        try:
            message = self.sock.recv(2000)
        except socket.timeout:
            return
        if len(message) >= 8 and message[4:8] == struct.pack("!I", stun.COOKIE):
            if self.take(message):
                self.say()
        elif self.role:
            self.sock.sendto(message, self.to)
        else:
            self.echoed += 1

    def run(self, seconds, count):
        end, said, sent = time.monotonic() + seconds, 0, 0
        while time.monotonic() < end and "closed" not in self.states:
            if time.monotonic() - said > 1:
                said = time.monotonic()
                self.say()
            self.turn()
            if not self.role and "paired" in self.states and sent < 2 * count and self.echoed < count:
                self.sock.sendto(b"datagram %d" % sent, self.to)
                sent += 1
            if not self.role and self.echoed >= count:
                break
        self.say(bye=1)
        print(json.dumps({"states": self.states, "mapped": self.mapped, "echoed": self.echoed}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", choices=("service", "client"))
    parser.add_argument("--from", dest="source", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--for", dest="seconds", type=float, default=10)
    parser.add_argument("--count", type=int, default=100)
    parser.set_defaults(wait=1)
    args = parser.parse_args()
    Peer(args).run(args.seconds, args.count)


if __name__ == "__main__":
    main()
