"""pcap: what tcpdump -w wrote about UDP, for the scenarios that look at a wire.

packets(path) yields Packet(time, source, to, data) in the order of the wire; endpoints are written
as udptool.py writes them. A file that is still being written ends where it ends."""
import collections
import ipaddress
import struct

from udptool import BODY, MAGIC, RTP, name

Packet = collections.namedtuple("Packet", "time source to data")
COOKIE = 0x2112A442
REQUEST, SUCCESS, ERROR = 0x0001, 0x0101, 0x0111  # of STUN's Binding


def udp_of(frame):
    """Source, destination and data; None when it is something else."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    ip = frame[14:]
    if kind == 0x0800 and ip[9] == 17:
        head, size, at = (ip[0] & 15) * 4, 4, 12
    elif kind == 0x86DD and ip[6] == 17:
        head, size, at = 40, 16, 8
    else:
        return None
    source, to, length = struct.unpack_from("!HHH", ip, head)
    ends = [str(ipaddress.ip_address(ip[at + i * size:at + (i + 1) * size])) for i in (0, 1)]
    return name((ends[0], source)), name((ends[1], to)), ip[head + 8:head + length]


def packets(path):
    with open(path, "rb") as file:
        if file.read(24)[:4] != struct.pack("<I", 0xA1B2C3D4):
            return
        while len(head := file.read(16)) == 16:
            seconds, micros, kept, _ = struct.unpack("<IIII", head)
            frame = file.read(kept)
            if len(frame) < kept:
                return
            udp = udp_of(frame)
            if udp:
                yield Packet(seconds + micros / 1e6, *udp)


def stun(data):
    """The type of a STUN message, None when it is none."""
    if len(data) < 20 or struct.unpack_from("!I", data, 4)[0] != COOKIE:
        return None
    return struct.unpack_from("!H", data)[0]


def number(data):
    """The number of a datagram of udptool.py, None when it is none."""
    for head in (0, RTP.size):
        if len(data) >= head + 12 and BODY.size and struct.unpack_from("!I", data, head)[0] == MAGIC:
            return struct.unpack_from("!Q", data, head + 4)[0]
    return None
