#!/usr/bin/python3
"""stund: a STUN server that can lie; a line for each question.

  stund.py BIND MODE-FILE

The file has one word: honest, silent, lie (it says 192.0.2.99), wrong-id and elsewhere (the same with
another id, or from another port), error. It is read for each question.
"""
import os
import socket
import struct
import sys


host, port = sys.argv[1].rsplit(":", 1)
sock, aside = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
sock.bind((host, int(port)))
aside.bind((host, 0))
while True:
    data, source = sock.recvfrom(2000)
    mode = open(sys.argv[2]).read().strip()
    print(source[0], source[1], len(data), mode, flush=True)
    if mode == "silent":
        continue
    tid = os.urandom(12) if mode == "wrong-id" else data[8:20]
    addr = socket.inet_aton(source[0] if mode == "honest" else "192.0.2.99")
    cookie = data[4:8]
    value = struct.pack("!HH", 1, source[1] ^ 0x2112) + bytes(a ^ b for a, b in zip(addr, cookie))
    kind = 0x0111 if mode == "error" else 0x0101
    answer = struct.pack("!HH", kind, 12) + cookie + tid + struct.pack("!HH", 0x20, 8) + value
    (aside if mode == "elsewhere" else sock).sendto(answer, source)
