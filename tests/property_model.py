"""property_model: what streams there are, who has which hole, and who may send."""
import ipaddress
import itertools

CONSENT = 10      # seconds; the least that relayd takes
CONSENT_SLACK = 3  # it looks once a second, and the kernel's clock has its own ticks


class Slot:
    """One port of a stream in one family."""

    def __init__(self, stream, port, family):
        self.stream, self.port, self.family = stream, port, family
        self.hole = None      # (address, port) of the client
        self.unsure = False   # somebody else had his hands on it: there or not, but whole
        self.kept = True      # somebody punches for it regularly
        self.first = self.last = 0.0  # the punch was taken at some time in between
        self.heard = set()    # addresses that have sent to it since the beginning
        self.owner = None     # who was the last to get through, if nothing has happened since

    def name(self):
        return "%s:%d/%d" % (self.stream.name, self.port, self.family)

    def punched(self, client, first, last):
        if self.hole != client:
            self.owner = None
        self.hole, self.unsure, self.kept = client, False, True
        self.first, self.last = first, last

    def close(self):
        self.hole = self.owner = None
        self.unsure = False

    def ends(self, now):
        """Consent may be over, or is over for sure."""
        return (now > self.first + CONSENT - 1, now > self.last + CONSENT + CONSENT_SLACK)


class Stream:
    def __init__(self, spec, origin):
        self.name, self.origin = spec["name"], origin
        self.heard = set()
        self.slots = []
        self.respec(spec)

    def respec(self, spec):
        """Ports that it had and still has keep their slots."""
        before = {(one.port, one.family): one for one in self.slots}
        self.spec = dict(spec)
        self.slots = [before.get(at) or Slot(self, *at) for at in itertools.product(spec["ports"], (4, 6))]

    def slot(self, port, family):
        return next(one for one in self.slots if (one.port, one.family) == (port, family))


def listen_text(ports):
    """As relayd prints a list of ports: runs are ranges."""
    runs = []
    for port in ports:
        if runs and port == runs[-1][1] + 1:
            runs[-1][1] = port
        else:
            runs.append([port, port])
    return ",".join("%d-%d" % (a, b) if a != b else str(a) for a, b in runs)


def prefix_has(prefix, address):
    network = ipaddress.ip_network(prefix)
    address = ipaddress.ip_address(address)
    return network.version == address.version and address in network


def kernel_source(source, family):
    """What the source sets hold for a source of the configuration, without a lock."""
    if source in ("any", "first"):
        return "any"
    network = ipaddress.ip_network(source)
    if network.version != family:
        return nobody(family)
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def nobody(family):
    return "0.0.0.0" if family == 4 else "::"


def source_allows(source, address):
    """source as the kernel has it, or as the configuration has it."""
    return source in ("any", "first") or prefix_has(source, address)


class Model:
    def __init__(self):
        self.streams = {}

    def slots(self):
        return [slot for stream in self.streams.values() for slot in stream.slots]

    def add(self, spec, origin):
        self.streams[spec["name"]] = Stream(spec, origin)

    def port_owner(self, port):
        for stream in self.streams.values():
            if port in stream.spec["ports"]:
                return stream
        return None

    def hole_owner(self, client):
        for slot in self.slots():
            if slot.hole == client:
                return slot
        return None

    def change(self, name, spec):
        """A reload with another entry for the stream; None: without it."""
        stream = self.streams.get(name)
        if spec is None:
            self.streams.pop(name, None)
        elif not stream:
            self.add(spec, "config")
        else:
            for slot in stream.slots:
                denied = slot.hole and spec["clients"] != "any" and \
                    not prefix_has(spec["clients"], slot.hole[0])
                if denied or spec["key"] != stream.spec["key"]:
                    slot.close()
                slot.owner = None
            stream.respec(spec)

    def replace(self, name, spec):
        """The same while relayd is away: it keeps what it finds and may have, or begins anew."""
        before = self.streams.pop(name, None)
        if spec is None:
            return
        self.add(spec, "config")
        stream = self.streams[name]
        stream.heard = before.heard if before else set()
        for old in before.slots if before else []:
            for slot in stream.slots:
                if (slot.port, slot.family) != (old.port, old.family):
                    continue
                slot.heard = old.heard
                denied = old.hole and spec["clients"] != "any" and not prefix_has(spec["clients"], old.hole[0])
                if old.hole and not denied:
                    slot.hole, slot.first, slot.last, slot.kept = old.hole, old.first, old.last, old.kept
                    slot.unsure = old.unsure or spec != before.spec

    def table_gone(self):
        for slot in self.slots():
            slot.close()
            slot.heard.clear()

    def sent(self, slot, address):
        slot.heard.add(address)
        slot.stream.heard.add(address)

    def sources_possible(self, slot):
        """What the kernel may have as the slot's source: the spec's, or one address that sends."""
        spec = slot.stream.spec["source"]
        out = {kernel_source(spec, slot.family)}
        heard = slot.stream.heard if spec == "first" else slot.heard
        for address in heard:
            same = (6 if ":" in address else 4) == slot.family
            if same and source_allows(spec, address):
                out.add(address)
            elif not same and spec == "first":
                out.add(nobody(slot.family))
        return out
