#!/usr/bin/env bash
# docs/recipe-docker.md: with the rules of any Docker no stream flows before its commands are run, and
# each does after them, also when Docker starts again.
#
#   sender ---+
#            net --- nat --- client
#   relay  ---+  (a machine with systemd)
#     | docker0 172.17.0.1
#   container 172.17.0.2
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/machine.sh"
. "$TOP/tests/docs.sh"
. "$TOP/tests/recipe.sh"
. "$TOP/tests/doctor.sh"

machine_needed "docs/recipe-docker.md"
plan 47

CONTAINER4=172.17.0.2

# Docker's own, as far as systemd sees of it.
docker_unit() {
	printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n' |
		docs_root relay sh -c 'cat >/etc/systemd/system/docker.service'
}

flows6() {
	flows "[$SENDER6]:7000" "[$RELAY6]:9100" 5006
}

dead6() {
	dead "[$SENDER6]:7000" "[$RELAY6]:9100" 5006
}

inner_flows() {
	SENDING=container flows "$CONTAINER4:7000" "$RELAY4:9101" 5008
}

lab_up
host_up container && link_up container eth0 relay docker0 && address container eth0 "$CONTAINER4/16" &&
	address relay docker0 172.17.0.1/16 && ip -n "${P}container" route add default via 172.17.0.1 || bail "no container"
ok "relayd starts" docs_service relay
ok "a stream" recipe_stream cam 9099
ok "one over IPv6" recipe_stream cam6 9100
ok "one whose sender is in a container" recipe_stream inner 9101
ok "and one at a port that a container publishes" recipe_stream taken 5353
ok "clients punch" punches cam "$RELAY4" 5004
ok "over IPv6" punches cam6 "$RELAY6" 5006 9100
ok "for the container" punches inner "$RELAY4" 5008 9101
ok "for the port" punches taken "$RELAY4" 5010 5353
ok "the stream flows" flows

for version in 20.10 27 28; do
	ok "Docker $version: its rules" docker_rules "$version" docs_root relay
	ok "Docker $version: the stream is dead" dead
	ok "Docker $version: the page says so" docs_run docs/recipe-docker.md "What Docker does"
	ok "Docker $version: the page lets it through" docs_run docs/recipe-docker.md "Let streams pass"
	ok "Docker $version: the stream flows" flows
	ok "Docker $version: so does the container's" inner_flows
	ok "Docker $version: and the one whose port is published" flows "$SENDER4:7000" "$RELAY4:5353" 5010
done

docker_rules 27 docs_root relay
ok "over IPv6 it is dead" dead6
ok "the page lets it through" docs_run docs/recipe-docker.md "Over IPv6"
ok "it flows" flows6

docker_unit
ok "the page has a file for Docker's unit" docs_run docs/recipe-docker.md "After a boot"
docker_rules 27 docs_root relay
ok "Docker has started anew, and it is dead" dead
ok "what the unit runs" docs_root relay systemctl start docker
ok "lets it flow" flows
ok "over IPv6 too" flows6
ok "and runs again" docs_root relay systemctl restart docker
is "without a second rule" "$(docs_root relay iptables -S DOCKER-USER | grep -c connmark)" 1

recipe_stream other 9104 >"$T/added"
ok "clients are told of a bridge's address" contains "$T/added" 172.17.0.1
ok "the page names the relay's" docs_run docs/recipe-docker.md "Addresses of bridges"
ok "relayd starts anew" docs_root relay systemctl restart relayd
ok "the client is back" wait_for 30 stream_is cam ready
ok "and the stream flows" flows
recipe_stream more 9105 >"$T/added"
ok "clients are told of no other" not contains "$T/added" 172.17.0.1
