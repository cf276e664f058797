"""property_judge: compares kernel, relayd's table and registry with the model, and probes."""
import time

import property_model as model_of
import property_witness as witness
from property_world import PUNCH, RELAY, Failure, endpoint_parse, endpoint_text

SETTLED = 6  # seconds until they must agree, which takes milliseconds; less than a flow lives


def differ(what, found, wanted):
    """A list of one sentence about two dictionaries, or of none."""
    out = []
    for key in sorted(set(found) | set(wanted), key=repr):
        if found.get(key) != wanted.get(key):
            out.append("%s: %s, not %s" % (key, found.get(key), wanted.get(key)))
    return ["%s: %s" % (what, "; ".join(out))] if out else []


class Judge:
    def __init__(self, world, model):
        self.world, self.model = world, model
        with world.inside("relay"):
            self.conntrack = witness.Conntrack()
        self.slowest = (0.0, "")
        self.probes = self.arrived = 0

    def table(self):
        with self.world.inside("relay"):
            return witness.table_read()

    # What differs

    def settle(self, after):
        """Waits until all agree; the table then."""
        begin, last = time.monotonic(), []
        pause = 0.002
        while True:
            wrong, table = self.differences()
            if not wrong:
                said = "%s (%s)" % (after, "; ".join(last)[:300])
                self.slowest = max(self.slowest, (time.monotonic() - begin, said))
                return table
            last = wrong
            if time.monotonic() - begin > SETTLED:
                raise Failure("; ".join(wrong[:6]))
            time.sleep(pause)
            pause = min(pause * 2, 0.1)

    def differences(self):
        answer = self.world.ask({"do": "list"})
        if not isinstance(answer, dict) or not answer.get("ok"):
            return ["relayd refuses to list: %s" % answer], None
        shown = {one["name"]: one for one in answer["streams"]}
        table, flows = self.table(), self.conntrack.read()
        if table is None:
            return ["there is no table"], None
        now = time.monotonic()
        wrong = self._observe(shown, now)
        streams, numbers = witness.registry_read(self.world.args.database)
        wrong += self._registry(streams, numbers)
        if set(shown) != set(self.model.streams):
            return wrong + ["relayd has the streams %s, not %s" % (sorted(shown), sorted(self.model.streams))], table
        for stream in self.model.streams.values():
            wrong += self._shown(stream, shown[stream.name])
        wrong += self._listens(table, numbers)
        wrong += self._holes(table, now)
        return wrong + self._flows(table, flows, numbers), table

    def _observe(self, shown, now):
        """What the model leaves open is as relayd says, if that is one of what may be."""
        wrong = []
        for slot in self.model.slots():
            may_end, ended = slot.ends(now)
            client = self._client_shown(slot, shown)
            if not slot.hole or client == slot.hole and not ended:
                continue
            if client is None and (slot.unsure or may_end):
                slot.close()
            elif client == slot.hole:
                wrong.append("%s has a hole whose consent is over" % slot.name())
        return wrong

    @staticmethod
    def _client_shown(slot, shown):
        listen = (RELAY[slot.family], slot.port)
        for port in shown.get(slot.stream.name, {}).get("ports", []):
            if endpoint_parse(port["listen"]) == listen:
                return endpoint_parse(port["client"])
        return None

    def _registry(self, streams, numbers):
        wanted = {one.name: (model_of.listen_text(one.spec["ports"]), one.spec["source"], one.spec["key"])
                  for one in self.model.streams.values() if one.origin == "runtime"}
        found = {name: row[:3] for name, row in streams.items()}
        wrong = differ("in the registry", found, wanted)
        missing = set(self.model.streams) - set(numbers)
        if missing or len(set(numbers.values())) != len(numbers):
            wrong.append("numbers are missing or doubled: %s" % numbers)
        return wrong

    def _shown(self, stream, shown):
        spec, wrong = stream.spec, []
        wanted = {"origin": stream.origin, "source": spec["source"], "rate": spec["rate"],
                  "clients": spec["clients"], "listen": model_of.listen_text(spec["ports"])}
        for field, value in wanted.items():
            if shown[field] != value:
                wrong.append("%s of %s is %s, not %s" % (field, stream.name, shown[field], value))
        ports = {endpoint_parse(one["listen"]): one for one in shown["ports"]}
        if set(ports) != {(RELAY[slot.family], slot.port) for slot in stream.slots}:
            return wrong + ["%s listens at %s" % (stream.name, sorted(ports))]
        for slot in stream.slots:
            port = ports[(RELAY[slot.family], slot.port)]
            client = endpoint_parse(port["client"])
            if client != slot.hole:
                wrong.append("relayd has %s's client as %s, not %s" % (slot.name(), client, slot.hole))
            if (port["state"] in ("ready", "live")) != bool(client):
                wrong.append("%s is %s with client %s" % (slot.name(), port["state"], client))
            if client and port["consent"] is not None and not 0 <= port["consent"] <= model_of.CONSENT:
                wrong.append("%s has consent for %s" % (slot.name(), port["consent"]))
        return wrong

    def _listens(self, table, numbers):
        wanted = {(RELAY[slot.family], slot.port): slot for slot in self.model.slots()}
        names = {at: slot.stream.name for at, slot in wanted.items()}
        wrong = differ("the kernel listens", table.listens, names)
        marks = {at: numbers.get(name) for at, name in names.items()}
        wrong += differ("numbers in the kernel", table.numbers, marks)
        for at, slot in wanted.items():
            found = table.sources.get(at, [])
            if slot.hole and slot.ends(time.monotonic())[0] and not found:
                continue
            if bool(slot.hole) != (len(found) == 1):
                wrong.append("to %s may send %s; its client is %s" % (slot.name(), found, slot.hole))
            elif found and found[0] not in self.model.sources_possible(slot):
                wrong.append("to %s may send %s, not one of %s" %
                             (slot.name(), found, sorted(self.model.sources_possible(slot))))
        for at, found in table.prefixes.items():
            slot = wanted.get(at)
            if not slot or slot.hole and at not in table.consent and not slot.ends(time.monotonic())[0] or \
                    len(found) != 1 or found[0] not in self.model.sources_possible(slot):
                wrong.append("prefixes %s for %s" % (found, at))
        if set(table.sources) - set(wanted) or table.strays:
            wrong.append("sources for nothing: %s %s" % (sorted(set(table.sources) - set(wanted)), table.strays))
        return wrong

    def _holes(self, table, now):
        ingress, egress, names, rates, optional = {}, {}, {}, {}, set()
        for slot in self.model.slots():
            if not slot.hole:
                continue
            at = (RELAY[slot.family], slot.port)
            ingress[at], names[at] = slot.hole, slot.stream.name
            egress[slot.hole] = (RELAY[slot.family], PUNCH)
            if slot.ends(now)[0]:
                optional.add(at)
            if table.counted.get(at):
                rates[at] = slot.stream.spec["rate"]
            elif slot.stream.spec["rate"] and at not in optional:
                rates[at] = "a rate"
        wrong = differ("ingress", table.ingress, ingress) + differ("egress", table.egress, egress)
        for what, found, should in (("consent", table.names, names), ("rate", table.rates, rates)):
            found = {key: value for key, value in found.items() if key not in optional}
            should = {key: value for key, value in should.items() if key not in optional}
            wrong += differ(what, found, should)
        for at, left in table.consent.items():
            if left > model_of.CONSENT:
                wrong.append("consent for %s lasts %s" % (at, left))
        return wrong

    def _flows(self, table, flows, numbers):
        wanted = {(RELAY[slot.family], slot.port): slot for slot in self.model.slots()}
        wrong = []
        for flow in flows:
            slot = wanted.get(flow.destination)
            if flow.early() and slot:
                continue  # it goes with its next packet
            if not flow.ours():
                if slot or PUNCH in (flow.reply_destination[1], flow.destination[1]):
                    wrong.append("not ours and in the way: %s" % flow)
                continue
            right = slot and flow.reply_source == slot.hole and \
                flow.reply_destination == (RELAY[slot.family], PUNCH) and \
                flow.mark & ~witness.MARK_MASK == numbers.get(slot.stream.name)
            if not right:
                wrong.append("no such flow should be: %s" % flow)
            elif not all(model_of.source_allows(one, flow.source[0])
                         for one in table.sources.get(flow.destination, [])):
                wrong.append("a flow of who may not send: %s" % flow)
        return wrong

    # Probes

    def _conflict(self, sender, slot):
        listen = (RELAY[slot.family], slot.port)
        return any(flow.reply_source == slot.hole and flow.source != sender.at or
                   flow.early() and (flow.source, flow.destination) == (sender.at, listen)
                   for flow in self.conntrack.read())

    def _allowed(self, table, sender, slot):
        found = table.sources.get((RELAY[slot.family], slot.port), [])
        return bool(found) and model_of.source_allows(found[0], sender.at[0])

    def _placed(self, arrivals, sender, slot):
        """Did it arrive where it should? Elsewhere it never may."""
        right = (slot.hole, (RELAY[slot.family], PUNCH))
        for arrival in arrivals:
            if not slot.hole or arrival != right:
                raise Failure("what %s sent to %s came to %s from %s; the client is %s" % (
                    endpoint_text(sender.at), slot.name(), endpoint_text(arrival[0]),
                    endpoint_text(arrival[1]), slot.hole))
        return bool(arrivals)

    def probe(self, sender, slot, table, count=1):
        """Packets of that sender arrive at the hole, if they may; at nobody else's in any case."""
        if slot.unsure:
            return False
        conflict = slot.hole and self._conflict(sender, slot)
        spec_allows = model_of.source_allows(slot.stream.spec["source"], sender.at[0])
        if slot.hole and spec_allows:
            self.model.sent(slot, sender.at[0])
        allowed = slot.hole and self._allowed(table, sender, slot)
        arrivals = self.world.probe(sender, slot.port, count)
        self.probes += count
        self.arrived += len(arrivals)
        came = self._placed(arrivals, sender, slot)
        if came and len(arrivals) != count and not conflict and slot.stream.spec["rate"] == 0:
            raise Failure("%d of %d packets of %s to %s came" % (
                len(arrivals), count, endpoint_text(sender.at), slot.name()))
        if came and (not spec_allows or not allowed and not self._allowed(self.table(), sender, slot)):
            raise Failure("%s may not send to %s, and it arrived" % (endpoint_text(sender.at), slot.name()))
        if not came and allowed and not conflict and not slot.ends(time.monotonic())[0] and \
                self._allowed(self.table(), sender, slot):
            raise Failure("a packet of %s to %s did not arrive at %s" % (
                endpoint_text(sender.at), slot.name(), endpoint_text(slot.hole)))
        if came:
            slot.owner = sender
        return came

    def probe_until(self, sender, slot, seconds):
        """A sender that may send, and is alone, has the stream after this time at the latest."""
        begin = time.monotonic()
        while not slot.ends(time.monotonic())[0]:
            if self.probe(sender, slot, self.table()):
                return time.monotonic() - begin
            if time.monotonic() - begin > seconds:
                raise Failure("%s does not get %s within %d s" % (
                    endpoint_text(sender.at), slot.name(), seconds))
            time.sleep(0.01)
        return None

    def report(self, slot):
        """What the client sends comes to the sender that has the stream, or to nobody."""
        client = self.world.by_at[slot.hole]
        flows = [flow for flow in self.conntrack.read() if flow.ours() and flow.reply_source == slot.hole]
        right = {(flow.source, flow.destination) for flow in flows}
        for arrival in self.world.report(client):
            if arrival not in right:
                raise Failure("what the client of %s sent came to %s from %s" % (
                    slot.name(), endpoint_text(arrival[0]), endpoint_text(arrival[1])))
            right.discard(arrival)
        # It may have timed out just then.
        right &= {(flow.source, flow.destination) for flow in self.conntrack.read() if flow.ours()}
        if right and not slot.ends(time.monotonic())[0]:
            raise Failure("what the client of %s sent did not come to %s" % (slot.name(), right))
