"""property_world: relayd in its namespace, and all senders and clients as sockets of this process.

A client is a socket of the clients' namespace without any NAT: a hole is its address and port, so a
NAT that hands an old mapping to somebody else is the same socket punching for another stream.
"""
import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import time

import stuntool

RELAY = {4: "203.0.113.7", 6: "2001:db8:2::7"}
PUNCH = 3478
SENDER_HOSTS = {4: ("198.51.100.10", "198.51.100.11", "198.51.101.12"), 6: ("2001:db8:1::10", "2001:db8:1::11")}
CLIENT_HOSTS = {4: ("192.0.2.20", "192.0.2.21", "192.0.2.22"), 6: ("2001:db8:3::20", "2001:db8:3::21")}
PORTS = {4: 3, 6: 2}  # sockets of each host
CANARY = ("192.0.2.23", 9)
PROBE = b"\x80\x60property"  # the first bits of RTP, which no STUN has
REPORT = b"\x80\xc9property"

_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """What the relay did is not what it may do."""


def family_of(address):
    return 6 if ":" in address else 4


def endpoint_text(endpoint):
    return ("[%s]:%d" if ":" in endpoint[0] else "%s:%d") % endpoint


def endpoint_parse(text):
    return stuntool.endpoint(text) if text else None


class Socket:
    """One of a sender or a client; at is its address and port."""

    def __init__(self, at):
        kind = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
        self.at, self.family = at, family_of(at[0])
        self.sock = socket.socket(kind, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(at)
        self.given = self.given_at = None

    def send(self, data, to):
        with contextlib.suppress(OSError):  # an error that came back for an earlier one
            self.sock.sendto(data, to)

    def drain(self):
        """All that has come: (data, from)."""
        out = []
        while True:
            try:
                data, peer = self.sock.recvfrom(2048)
                out.append((data, peer[:2]))
            except BlockingIOError:
                return out
            except OSError:
                continue

    def wait(self, seconds, wanted):
        """The first datagram that is wanted, or None."""
        end = time.monotonic() + seconds
        while True:
            for data, peer in self.drain():
                if wanted(data, peer):
                    return data
            left = end - time.monotonic()
            if left <= 0:
                return None
            select.select([self.sock], [], [], left)


class World:
    def __init__(self, args):
        self.args = args
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.spaces = {}
        for host in ("relay", "senders", "clients"):
            self.spaces[host] = os.open("/run/netns/%s%s" % (args.prefix, host), os.O_RDONLY)
        # What is sent later arrives later if one processor alone does it all.
        mine = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {mine[os.getpid() % len(mine)]})
        self.senders = self._sockets("senders", SENDER_HOSTS, 7000)
        self.clients = self._sockets("clients", CLIENT_HOSTS, 5000)
        with self.inside("clients"):
            self.canary = Socket(CANARY)
        with self.inside("senders"):
            self.canary_sender = Socket((SENDER_HOSTS[4][0], 6999))
        self.by_at = {one.at: one for one in self.senders + self.clients}
        self.process = self.control = None
        self.serial = 0
        self.log = open(args.log, "ab")

    @contextlib.contextmanager
    def inside(self, host):
        if _libc.setns(self.spaces[host], 0):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            _libc.setns(self.home, 0)

    def _sockets(self, host, hosts, port):
        with self.inside(host):
            return [Socket((address, port + i)) for family in (4, 6)
                    for address in hosts[family] for i in range(PORTS[family])]

    def run(self, *words):
        """A command on the relay; its exit status."""
        with self.inside("relay"):
            return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False).returncode

    # relayd

    def start(self):
        with self.inside("relay"):
            self.process = subprocess.Popen([self.args.relayd, "--config", self.args.config], stdin=subprocess.DEVNULL,
                                            stdout=self.log, stderr=self.log, start_new_session=True,
                                            preexec_fn=lambda: os.sched_setaffinity(0, range(os.cpu_count())))
        self.ask({"do": "list"})

    def net_side(self):
        """The pid of the net side, or None while there is none."""
        path = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        with open(path, encoding="ascii") as file:
            children = file.read().split()
        return int(children[0]) if children else None

    def _forget_control(self):
        if self.control:
            self.control.close()
        self.control = None

    def guards(self):
        """Can the kernel keep others off the table?"""
        with open(self.log.name, "rb") as said:
            return b"cannot guard the table" not in said.read()

    def kill_net(self):
        pid = self.net_side()
        if pid:
            os.kill(pid, signal.SIGKILL)
            self._wait_gone(pid)
        self._forget_control()

    @staticmethod
    def _wait_gone(pid):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                with open("/proc/%d/stat" % pid, encoding="ascii") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                        return
            except OSError:
                return
            time.sleep(0.002)
        raise Failure("process %d does not end" % pid)

    def end(self, how):
        """how: "kernel" or "both" are killed, "stop" is asked to end."""
        if not self.process:
            return
        child = self.net_side() if self.process.poll() is None else None
        if how == "stop":
            self.process.terminate()
        else:
            self.process.kill()
            if child and how == "both":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        self.process.wait(10)
        if child:
            self._wait_gone(child)
        self.process = None
        self._forget_control()

    def ask(self, request):
        """relayd's answer to one request; across a restart of the net side too."""
        end = time.monotonic() + 30
        while True:
            try:
                return self._ask(request, end - time.monotonic())
            except (OSError, ValueError) as error:
                self._forget_control()
                if self.process.poll() is not None:
                    raise Failure("relayd has ended with status %d" % self.process.returncode) from error
                if time.monotonic() > end:
                    raise Failure("relayd does not answer: %s" % error) from error
                time.sleep(0.005)

    def _ask(self, request, seconds):
        if not self.control:
            self.control = socket.socket(socket.AF_UNIX)
            self.control.settimeout(max(seconds, 0.01))
            self.control.connect(self.args.socket)
        self.control.sendall(json.dumps(request).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            more = self.control.recv(1 << 16)
            if not more:
                raise ConnectionResetError("closed")
            data += more
        return json.loads(data)

    # Punches

    def _exchange(self, client, message):
        """Again and again as RFC 8489 has it, for the net side may be away."""
        relay = (RELAY[client.family], PUNCH)
        for wait in (0.3, 0.5, 1, 2, 4, 8):
            client.send(message, relay)
            reply = client.wait(wait, lambda data, _: data[8:20] == message[8:20])
            if reply:
                return reply
        raise Failure("no answer to a punch from %s" % endpoint_text(client.at))

    def _challenge(self, client, name):
        body = stuntool.attr(stuntool.USERNAME, name.encode())
        body += stuntool.attr(stuntool.PADDING, bytes(200 - len(body)))
        attrs = stuntool.read(self._exchange(client, stuntool.header(len(body), os.urandom(12)) + body))[2]
        client.given, client.given_at = {k: v[1] for k, v in attrs.items()}, time.monotonic()

    def punch(self, client, name, key):
        """0, or the code and the reason why not."""
        for _ in range(3):
            if not client.given or time.monotonic() - client.given_at > 60:
                self._challenge(client, name)
            message, secret = self._request(client, name, key)
            reply = self._exchange(client, message)
            kind, tid, attrs = stuntool.read(reply)
            if kind == 0x0101:
                if stuntool.mapped(attrs, tid) != endpoint_text(client.at):
                    raise Failure("a punch is told of another address")
                if not stuntool.signed(reply, attrs, secret):
                    raise Failure("an answer to a punch is not signed")
                return 0, ""
            value = attrs[stuntool.ERROR_CODE][1]
            code, reason = value[2] * 100 + value[3], value[4:].decode()
            if code != 438:
                return code, reason
            client.given, client.given_at = {k: v[1] for k, v in attrs.items()}, time.monotonic()
        return code, reason

    @staticmethod
    def _request(client, name, key):
        given = client.given
        parts = [(stuntool.USERNAME, name.encode()), (stuntool.REALM, given[stuntool.REALM]),
                 (stuntool.NONCE, given[stuntool.NONCE]),
                 (stuntool.PASSWORD_ALGORITHMS, given[stuntool.PASSWORD_ALGORITHMS]),
                 (stuntool.PASSWORD_ALGORITHM, b"\0\2\0\0"),
                 (stuntool.PUNCH_SEQUENCE, struct.pack("!IQ", stuntool.MAGIC, time.time_ns() // 1000))]
        secret = stuntool.hashlib.sha256(b":".join((name.encode(), given[stuntool.REALM], key.encode()))).digest()
        body = b"".join(stuntool.attr(*part) for part in parts)
        return stuntool.seal(body, os.urandom(12), secret, "8489"), secret

    # Probes

    def _flush_path(self):
        """Comes back when all that was sent before has arrived wherever it will."""
        for _ in range(5):
            self.serial += 1
            mark = PROBE + struct.pack("!Q", self.serial)
            self.canary_sender.send(mark, CANARY)
            if self.canary.wait(2, lambda data, _, mark=mark: data == mark):
                return
        raise Failure("the network between the namespaces is broken")

    def probe(self, sender, port, count=1):
        """Sends datagrams to a listen port: where each came, as (client, from)."""
        return self._send(sender, (RELAY[sender.family], port), PROBE, self.clients + self.senders, count)

    def report(self, client):
        """The client speaks first."""
        return self._send(client, (RELAY[client.family], PUNCH), REPORT, self.senders + self.clients, 1)

    def _send(self, source, to, head, receivers, count):
        sent = set()
        for _ in range(count):
            self.serial += 1
            message = head + struct.pack("!Q", self.serial)
            sent.add(message)
            source.send(message, to)
        self._flush_path()
        return [(one.at, peer) for one in receivers for data, peer in one.drain() if data in sent]
