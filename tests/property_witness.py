"""property_witness: what the kernel and the registry hold, read by others' code than relayd's.

The table as libnftables prints it, conntrack by netlink, the database by SQLite. Only this file
knows how the sets are called.
"""
import ctypes
import json
import socket
import sqlite3
import struct

MARK, MARK_MASK = 0x52000000, 0xFF000000

_nft = ctypes.CDLL("libnftables.so.1")
_nft.nft_ctx_new.restype = ctypes.c_void_p
_nft.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
for _function in (_nft.nft_ctx_get_output_buffer, _nft.nft_ctx_buffer_output, _nft.nft_ctx_free,
                  _nft.nft_ctx_buffer_error):
    _function.argtypes = [ctypes.c_void_p]
_nft.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
_nft.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_JSON = 1 << 4


def nft_json(command):
    """What nft -j prints in this namespace, or None when it fails."""
    context = _nft.nft_ctx_new(0)
    try:
        _nft.nft_ctx_buffer_output(context)
        _nft.nft_ctx_buffer_error(context)
        _nft.nft_ctx_output_set_flags(context, _JSON)
        if _nft.nft_run_cmd_from_buffer(context, command.encode()):
            return None
        text = _nft.nft_ctx_get_output_buffer(context)
        return json.loads(text)["nftables"] if text else []
    finally:
        _nft.nft_ctx_free(context)


def _value(item):
    """Key of an element with its comment and what else it carries."""
    if isinstance(item, dict) and "elem" in item:
        return _value(item["elem"]["val"])[0], item["elem"]
    return _concat(item), {}


def _concat(item):
    if isinstance(item, dict) and "concat" in item:
        return tuple(_concat(part) for part in item["concat"])
    if isinstance(item, dict) and "prefix" in item:
        return "%s/%d" % (item["prefix"]["addr"], item["prefix"]["len"])
    return item


class Table:
    """The table's elements as plain values; an endpoint is (address, port)."""

    def __init__(self, sets):
        self.sets = sets
        self.listens = {}  # endpoint: name
        self.numbers = {}  # endpoint: stream's number
        self.sources = {}  # endpoint: the sources that may send, as long as there is consent
        self.consent, self.names = {}, {}  # endpoint: seconds left, and of which stream
        self.counted, self.rates = {}, {}
        self.ingress, self.egress = {}, {}
        self.prefixes = {}  # of ports that nobody may send to now
        self.strays = {}  # what belongs to nothing
        for family in "46":
            self._read(family)

    def _each(self, name):
        for item in self.sets.get(name, []):
            if isinstance(item, list):
                key, extra = _value(item[0])
                yield key, extra, _concat(item[1])
            else:
                key, extra = _value(item)
                yield key, extra, None

    def _read(self, family):
        for key, extra, _ in self._each("listen" + family):
            self.listens[key] = extra.get("comment")
        for key, _, mark in self._each("mark" + family):
            self.numbers[key] = mark & ~MARK_MASK if mark & MARK_MASK == MARK else -1
        prefixes = {}
        for key, _, _ in self._each("prefix" + family):
            prefixes.setdefault(key[:2], []).append(key[2])
        for name in ("any", "any_rate", "exact", "exact_rate", "within"):
            for key, extra, _ in self._each(name + family):
                at = key[:2]
                found = prefixes.pop(at, ["no prefix"]) if name == "within" else ["any"] if "any" in name else [key[2]]
                self.sources.setdefault(at, []).extend(found)
                self.consent[at] = extra.get("expires", 0)
                self.names[at] = extra.get("comment")
                self.counted[at] = name in ("any_rate", "exact_rate", "within")
        self.prefixes.update(prefixes)
        for key, extra, _ in self._each("rate" + family):
            self.rates[key] = extra.get("limit", {}).get("rate", 0)
        for key, _, client in self._each("ingress" + family):
            self.ingress[key] = client
        for key, _, punch in self._each("egress" + family):
            self.egress[key] = punch
        for key, _, _ in self._each("consent" + family):
            self.strays[key] = "consent of a peer"


def table_read():
    """The table, or None when there is none."""
    objects = nft_json("list table inet relayd")
    if objects is None:
        return None
    sets = {}
    for entry in objects:
        for kind in ("set", "map"):
            if kind in entry:
                sets[entry[kind]["name"]] = entry[kind].get("elem", [])
    return Table(sets)


# Commands that delete one element, by the kind of what is deleted.
def element_kinds():
    return ("listen", "mark", "any", "exact", "any_rate", "exact_rate", "within", "prefix", "rate", "ingress",
            "egress")


def element_delete_command(table, kind, pick):
    """A command that deletes one element of that kind, or None when there is none; with its key."""
    found = []
    for family in "46":
        for item in table.sets.get(kind + family, []):
            key = _value(item[0] if isinstance(item, list) else item)[0]
            found.append((kind + family, key))
    if not found:
        return None, None
    name, key = sorted(found, key=repr)[pick % len(found)]
    words = " . ".join(str(part) for part in key)
    return "delete element inet relayd %s { %s }" % (name, words), key


### Conntrack #################################################################################

class Flow:
    """One UDP entry; endpoints are (address, port)."""

    def __init__(self, original, reply, mark):
        self.source, self.destination = original
        self.reply_source, self.reply_destination = reply
        self.mark = mark

    def ours(self):
        return self.mark & MARK_MASK == MARK

    def early(self):
        """Not translated: it began before anybody listened."""
        return (self.source, self.destination) == (self.reply_destination, self.reply_source)

    def __repr__(self):
        return "%s:%d > %s:%d, back %s:%d > %s:%d, mark %#x" % (
            *self.source, *self.destination, *self.reply_source, *self.reply_destination, self.mark)


def _attrs(data):
    out, at = {}, 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        if size < 4:
            break
        out[kind & 0x3FFF] = data[at + 4:at + size]
        at += size + -size % 4
    return out


def _tuple(data):
    parts = _attrs(data)
    ip, proto = _attrs(parts[1]), _attrs(parts[2])
    if proto[1][0] != socket.IPPROTO_UDP:
        return None
    if 1 in ip:
        family, source, destination = socket.AF_INET, ip[1], ip[2]
    else:
        family, source, destination = socket.AF_INET6, ip[3], ip[4]
    ports = [struct.unpack("!H", proto[kind])[0] for kind in (2, 3)]
    return ((socket.inet_ntop(family, source), ports[0]),
            (socket.inet_ntop(family, destination), ports[1]))


class Conntrack:
    """Opened in the namespace whose entries it reads."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.settimeout(5)

    def read(self):
        """All UDP entries."""
        request = struct.pack("=IHHII", 20, 1 << 8 | 1, 0x301, 1, 0) + struct.pack("=BBH", 0, 0, 0)
        self.sock.send(request)
        flows = []
        while True:
            data, at = self.sock.recv(1 << 17), 0
            while at + 16 <= len(data):
                size, kind = struct.unpack_from("=IH", data, at)
                if kind == 3:
                    return flows
                if kind == 2:
                    raise OSError("conntrack refuses to be read")
                self._entry(data[at + 20:at + size], flows)
                at += size + -size % 4

    @staticmethod
    def _entry(data, flows):
        attrs = _attrs(data)
        original, reply = _tuple(attrs[1]), _tuple(attrs[2])
        if original:
            mark = struct.unpack("!I", attrs[8])[0] if 8 in attrs else 0
            flows.append(Flow(original, reply, mark))


### The registry ##############################################################################

def registry_read(path):
    """Its streams by name, and every name's number."""
    database = sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=5)
    try:
        streams = {row[0]: row[1:] for row in database.execute(
            "SELECT name, listen, source, key, clients, rate FROM stream")}
        numbers = dict(database.execute("SELECT name, number FROM number"))
    finally:
        database.close()
    return streams, numbers
