#!/usr/bin/python3
"""Answers every datagram with itself, and prints a line for each new source.

    echo.py ADDRESS PORT
"""
import socket
import sys

sock = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], int(sys.argv[2])))
seen = set()
while True:
    data, addr = sock.recvfrom(65535)
    if addr not in seen:
        seen.add(addr)
        print(addr[0].replace("::ffff:", ""), addr[1], flush=True)
    sock.sendto(data, addr)
