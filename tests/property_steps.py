"""property_steps: what may happen, each with a number from which everything about it is drawn.

A step that cannot happen as things are does nothing, so any steps can be left out of a sequence.
"""
import base64
import random
import time

import property_model as model_of
import property_witness as witness
from property_world import CLIENT_HOSTS, RELAY, SENDER_HOSTS, Failure, endpoint_text

KEYS = [base64.b64encode(bytes([i] * 32)).decode() for i in range(4)]
SOURCES = ["any", "any", "first", "first", "198.51.100.10/32", "198.51.100.0/24", "2001:db8:1::10/128",
           "2001:db8:1::/64"]
CLIENTS = ["any", "any", "any", "192.0.2.20/31", "2001:db8:3::/64"]
CONFIGURED, ADDED = 4, 5
KEEP = 4  # seconds after which a client punches again


def draw_spec(name, base, rng):
    """Ports of its own, and sometimes of the next one."""
    ports = rng.choice([[base], [base], [base, base + 1], [base + 1, base + 3], [base + 10]])
    return {"name": name, "ports": ports, "source": rng.choice(SOURCES), "key": rng.choice(KEYS),
            "clients": rng.choice(CLIENTS), "rate": rng.choice([0, 0, 1000000])}


def configured(i, rng):
    return draw_spec("c%d" % i, 9000 + 10 * i, rng)


def added(i, rng):
    return draw_spec("a%d" % i, 9000 + 10 * (CONFIGURED - 1 + i), rng)


class Steps:
    def __init__(self, world, model, judge):
        self.world, self.model, self.judge = world, model, judge
        self.table = None
        self.handovers = []

    # Helpers

    def _slot(self, rng, holed=None):
        slots = [slot for slot in self.model.slots() if holed is None or bool(slot.hole) == holed]
        return rng.choice(sorted(slots, key=lambda slot: slot.name())) if slots else None

    def _some(self, rng, sockets, family):
        return rng.choice([one for one in sockets if one.family == family])

    def write_config(self, specs):
        with open(self.world.args.config + ".base", encoding="ascii") as file:
            text = file.read()
        for spec in specs:
            text += 'stream "%s" {\n listen = "%s"\n source = "%s"\n key = "%s"\n rate = %d\n' % (
                spec["name"], model_of.listen_text(spec["ports"]), spec["source"], spec["key"], spec["rate"])
            text += "" if spec["clients"] == "any" else ' clients = "%s"\n' % spec["clients"]
            text += "}\n"
        with open(self.world.args.config, "w", encoding="ascii") as file:
            file.write(text)

    def config_specs(self):
        return [one.spec for one in self.model.streams.values() if one.origin == "config"]

    def tend(self):
        """Clients that are there keep their holes open."""
        now = time.monotonic()
        for slot in self.model.slots():
            if slot.hole and slot.kept and not slot.unsure and now - slot.first > KEEP:
                self._punch(slot, self.world.by_at[slot.hole])

    def _expected(self, slot, client, key):
        """The codes with which a punch may be answered."""
        if key != slot.stream.spec["key"]:
            return {401}
        clients = slot.stream.spec["clients"]
        if clients != "any" and not model_of.prefix_has(clients, client.at[0]):
            return {403}
        owner = self.model.hole_owner(client.at)
        if owner and owner is not slot:
            open_end = owner.unsure or owner.ends(time.monotonic())[0]
            return {0, 437} if open_end else {437}
        return {0}

    def _punch(self, slot, client, key=None):
        key = key or slot.stream.spec["key"]
        expected = self._expected(slot, client, key)
        first = time.monotonic()
        code, reason = self.world.punch(client, "%s:%d" % (slot.stream.name, slot.port), key)
        if code not in expected:
            raise Failure("a punch of %s for %s is answered with %d %s, not %s" % (
                endpoint_text(client.at), slot.name(), code, reason, sorted(expected)))
        if code:
            if code != 401 and not reason:
                raise Failure("a punch is refused without a reason")
            return code
        owner = self.model.hole_owner(client.at)
        if owner and owner is not slot:
            owner.close()
        slot.punched(client.at, first, time.monotonic())
        return 0

    # Steps; each says in words what it did, or None

    def punch(self, rng):
        slot = self._slot(rng)
        if not slot:
            return None
        client = self._some(rng, self.world.clients, slot.family)
        owner = slot.owner
        text = "punch %s for %s" % (endpoint_text(client.at), slot.name())
        code = self._punch(slot, client)
        if code:
            return "%s, refused with %d" % (text, code)
        # The answer promises the path.
        listen, table = (RELAY[slot.family], slot.port), self.judge.table()
        if table.ingress.get(listen) != client.at or listen not in table.consent or client.at not in table.egress:
            raise Failure("a punch for %s is answered before the kernel forwards" % slot.name())
        if owner:
            self.judge.probe(owner, slot, table)
        return text

    def wrong_key(self, rng):
        slot = self._slot(rng)
        if not slot:
            return None
        client = self._some(rng, self.world.clients, slot.family)
        key = rng.choice([key for key in KEYS if key != slot.stream.spec["key"]])
        self._punch(slot, client, key)
        return "punch %s for %s with a wrong key" % (endpoint_text(client.at), slot.name())

    def taken(self, rng):
        """A hole that another stream holds: a NAT gave the mapping away, or a client is confused."""
        holder = self._slot(rng, True)
        others = sorted((slot for slot in self.model.slots() if holder and slot is not holder and
                         slot.family == holder.family), key=lambda slot: slot.name())
        if not others:
            return None
        slot = rng.choice(others)
        code = self._punch(slot, self.world.by_at[holder.hole])
        return "punch with the hole of %s for %s: %d" % (holder.name(), slot.name(), code)

    def send(self, rng):
        slot = self._slot(rng)
        if not slot:
            return None
        sender = self._some(rng, self.world.senders, slot.family)
        count = rng.choice([1, 1, 1, 5, 20])
        came = self.judge.probe(sender, slot, self.judge.table(), count)
        return "%s sends %d to %s: %s" % (endpoint_text(sender.at), count, slot.name(), "arrives" if came else "nowhere")

    def restart_sender(self, rng):
        """The sender comes back with another port."""
        slot = self._slot(rng, True)
        if not slot or not slot.owner or slot.unsure:
            return None
        others = [one for one in self.world.senders
                  if one.at[0] == slot.owner.at[0] and one is not slot.owner]
        if not others or not self.judge.probe(slot.owner, slot, self.judge.table()):
            return None
        sender = rng.choice(others)
        took = self.judge.probe_until(sender, slot, 6)
        if took is not None:
            self.handovers.append(took)
        return "the sender to %s comes back as %s: %s" % (slot.name(), endpoint_text(sender.at), took)

    def other_sender(self, rng):
        """Somebody else sends and the one before has gone."""
        slot = self._slot(rng, True)
        if not slot or slot.unsure or slot.stream.spec["source"] == "first":
            return None
        sender = self._some(rng, self.world.senders, slot.family)
        if not model_of.source_allows(slot.stream.spec["source"], sender.at[0]):
            return None
        self._punch(slot, self.world.by_at[slot.hole])
        took = self.judge.probe_until(sender, slot, 8)
        return "%s has %s after %s" % (endpoint_text(sender.at), slot.name(), took)

    def client_first(self, rng):
        slot = self._slot(rng, True)
        if not slot or slot.unsure:
            return None
        self.judge.report(slot)
        return "the client of %s speaks" % slot.name()

    def leave(self, rng):
        """The client punches no more."""
        slot = self._slot(rng, True)
        if not slot:
            return None
        slot.kept = False
        return "the client of %s goes without a word" % slot.name()

    def wait(self, rng):
        seconds = rng.choice([0.2, 0.5, 1.5])
        time.sleep(seconds)
        return "%s s pass" % seconds

    def flush(self, rng):
        name = rng.choice(sorted(self.model.streams) + [None])
        self._command({"do": "flush", "name": name} if name else {"do": "flush"}, True)
        for stream in self.model.streams.values():
            if name in (None, stream.name):
                for slot in stream.slots:
                    slot.close()
        return "punchctl flush %s" % (name or "")

    def _command(self, request, wanted):
        answer = self.world.ask(request)
        if bool(answer.get("ok")) != wanted or not wanted and not answer.get("error"):
            raise Failure("%s is answered with %s" % (request, answer))
        return answer.get("error", "")

    def add(self, rng):
        spec = added(rng.randrange(ADDED), rng)
        taken = spec["name"] in self.model.streams or any(self.model.port_owner(port) for port in spec["ports"])
        request = {"do": "add", "name": spec["name"], "listen": model_of.listen_text(spec["ports"]),
                   "source": spec["source"], "key": spec["key"], "rate": spec["rate"]}
        if spec["clients"] != "any":
            request["clients"] = spec["clients"]
        error = self._command(request, not taken)
        if not taken:
            self.model.add(spec, "runtime")
        return "punchctl add %s: %s" % (spec, error or "done")

    def remove(self, rng):
        if not self.model.streams:
            return None
        name = rng.choice(sorted(self.model.streams))
        runtime = self.model.streams[name].origin == "runtime"
        self._command({"do": "remove", "name": name}, runtime)
        if runtime:
            del self.model.streams[name]
        return "punchctl remove %s%s" % (name, "" if runtime else ", refused")

    def _new_config(self, rng):
        """(name, its entry or None), and the whole file."""
        i = rng.randrange(CONFIGURED)
        spec = configured(i, rng) if rng.random() < 0.85 else None
        name = "c%d" % i
        specs = [one for one in self.config_specs() if one["name"] != name] + ([spec] if spec else [])
        return name, spec, specs

    def _clash(self, spec):
        """A port of it is somebody else's: False, "config" or "runtime"."""
        for port in spec["ports"] if spec else []:
            owner = self.model.port_owner(port)
            if owner and owner.name != spec["name"]:
                return owner.origin
        return False

    def reload(self, rng):
        name, spec, specs = self._new_config(rng)
        clash = self._clash(spec)
        before = self.config_specs()
        self.write_config(specs)
        error = self._command({"do": "reload"}, not clash)
        if clash:
            self.write_config(before)
        else:
            self.model.change(name, spec)
        return "reload with %s = %s: %s" % (name, spec, error or "done")

    # Hands of others, and our own death

    def conntrack_flush(self, _rng):
        self.world.run("conntrack", "-F")
        return "conntrack -F"

    def conntrack_delete(self, rng):
        flows = [flow for flow in self.judge.conntrack.read() if flow.ours()]
        if not flows:
            return None
        flow = rng.choice(sorted(flows, key=repr))
        self.world.run("conntrack", "-D", "-p", "udp", "-s", flow.source[0], "--sport", str(flow.source[1]))
        return "conntrack -D of %s" % flow

    def foreign(self, rng):
        """Where the table has an owner these have no effect."""
        if not self.world.guards():
            return None
        words = rng.choice([("flush", "ruleset"), ("delete", "table", "inet", "relayd"),
                            ("flush", "table", "inet", "relayd")])
        self.world.run("nft", *words)
        table = self.judge.table()
        command, _ = witness.element_delete_command(table, rng.choice(witness.element_kinds()), rng.randrange(1 << 16))
        if command:
            with self.world.inside("relay"):
                witness.nft_json(command)
        return "nft %s; nft %s" % (" ".join(words), command)

    def kill_net(self, _rng):
        self.world.kill_net()
        return "kill -9 of the net side"

    def _damage_element(self, rng):
        table = self.judge.table()
        if not table:
            return None
        kind = rng.choice(witness.element_kinds())
        command, key = witness.element_delete_command(table, kind, rng.randrange(1 << 16))
        if not command:
            return None
        with self.world.inside("relay"):
            witness.nft_json(command)
        for slot in self.model.slots():
            if slot.hole and (slot.hole == key[:2] or (RELAY[slot.family], slot.port) == key[:2]):
                slot.unsure = True
        return command

    def _damage_ruleset(self, _rng):
        self.world.run("nft", "flush", "ruleset")
        self.model.table_gone()
        return "nft flush ruleset"

    def _damage_config(self, rng):
        name, spec, specs = self._new_config(rng)
        if self._clash(spec):
            return None
        self.write_config(specs)
        self.model.replace(name, spec)
        return "%s = %s in the file" % (name, spec)

    def _damage_traffic(self, rng):
        """Streams flow on without relayd; what nobody has programmed does not."""
        slot = self._slot(rng)
        table = self.judge.table()
        if not slot or not table or slot.unsure or table.ingress.get((RELAY[slot.family], slot.port)) != slot.hole:
            return None
        sender = self._some(rng, self.world.senders, slot.family)
        came = self.judge.probe(sender, slot, table)
        return "%s sends to %s: %s" % (endpoint_text(sender.at), slot.name(), came)

    def die(self, rng):
        how = rng.choice(["kernel", "both", "both", "stop"])
        self.world.end(how)
        said = []
        damages = [self._damage_element, self._damage_element, self._damage_ruleset, self._damage_config,
                   self._damage_traffic, self.conntrack_flush]
        # Traffic first: while the model says what flows.
        if rng.random() < 0.5:
            said.append(self._damage_traffic(rng))
        for _ in range(rng.choice([0, 0, 1, 1, 2, 4])):
            said.append(rng.choice(damages)(rng))
        self.world.start()
        for slot in self.model.slots():
            slot.owner = None
        return "end (%s); %s; start" % (how, ", ".join(text for text in said if text))


WEIGHTS = {"punch": 24, "send": 24, "restart_sender": 6, "client_first": 6, "taken": 4, "wrong_key": 2,
           "add": 6, "remove": 4, "reload": 5, "flush": 2, "leave": 3, "wait": 0.5, "other_sender": 0.3,
           "conntrack_flush": 2, "conntrack_delete": 2, "foreign": 2, "kill_net": 1, "die": 3}


def draw(seed, count):
    rng = random.Random(seed)
    names = list(WEIGHTS)
    return [(name, rng.randrange(1 << 32)) for name in rng.choices(names, WEIGHTS.values(), k=count)]
