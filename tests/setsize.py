#!/usr/bin/env python3
"""Gives a set of relayd's a size that it has not.

    setsize.py PID SET SIZE

Nobody but the owner may change the table, so it is sent through the socket of the process PID,
relayd's kernel side, without its knowledge. Linux 6.4 and later; before, the kernel ignores it. Prints "counted"
where the kernel says how many elements a set has (Linux 6.16). To be run in relayd's network
namespace.
"""
import ctypes
import os
import socket
import struct
import sys

PIDFD_GETFD, NETLINK_NETFILTER = 438, 12
BEGIN, END, NEWSET, GETSET = 0x10, 0x11, 10 << 8 | 9, 10 << 8 | 10
REQUEST, ACK, CREATE = 1, 4, 0x400
INET = 1
TABLE, NAME, DESC, ID, COUNT = 1, 2, 9, 10, 20
# What says what a set is: FLAGS, the types and lengths of key and data, POLICY, TIMEOUT, GC_INTERVAL,
# USERDATA, EXPR, EXPRESSIONS.
KEPT = (3, 4, 5, 6, 7, 8, 11, 12, 13, 17, 18)
NESTED = 0x8000


def attr(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def attrs(data):
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        yield kind & ~NESTED, kind, data[4:size]
        data = data[(size + 3) & ~3:]


def message(kind, flags, family, resource, body=b""):
    return struct.pack("=IHHIIBBH", 20 + len(body), kind, flags, 0, 0, family, 0,
                       socket.htons(resource)) + body


def socket_of(pid):
    """The first one: it owns the table."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    for number in sorted(map(int, os.listdir("/proc/%d/fd" % pid))):
        fd = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
        if fd < 0 or not os.readlink("/proc/self/fd/%d" % fd).startswith("socket:"):
            continue
        sock = socket.socket(fileno=fd)
        if sock.family == socket.AF_NETLINK and sock.proto == NETLINK_NETFILTER:
            return sock
    sys.exit("process %d has no such socket" % pid)


def main():
    pid, name, size = int(sys.argv[1]), sys.argv[2].encode() + b"\0", int(sys.argv[3])
    names = attr(TABLE, b"relayd\0") + attr(NAME, name)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as own:
        own.send(message(GETSET, REQUEST, INET, 0, names))
        answer = own.recv(65536)
    if struct.unpack_from("=H", answer, 4)[0] != NEWSET:
        sys.exit("there is no set %s" % sys.argv[2])
    length = struct.unpack_from("=I", answer)[0]
    body = names + attr(ID, struct.pack("!I", 1))
    body += attr(DESC | NESTED, attr(1, struct.pack("!I", size)))
    for kind, whole, value in attrs(answer[20:length]):
        if kind in KEPT:
            body += attr(whole, value)
        if kind == COUNT:
            print("counted")
    socket_of(pid).send(message(BEGIN, REQUEST, 0, 10) + message(NEWSET, REQUEST | CREATE, INET, 0, body)
                        + message(END, REQUEST, 0, 10))


main()
