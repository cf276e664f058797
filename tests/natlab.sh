# shellcheck shell=bash
# natlab.sh: hosts behind NATs of every kind, for peers; to be sourced after lib.sh.
#
#   relay  eth0 203.0.113.7, 203.0.113.8 --- net --- NAME  natbox ---- eth0 NAME  10.0.0.2
#               2001:db8:2::7, ::8            |      192.0.2.9              2001:db8:3::9
#                                             |
#                                             +----- NAME  natbox, a wire --- wan NAMEnat lan ----- eth0 NAME
#                                                                             192.0.2.9  10.0.0.1   10.0.0.2
#
# A natbox has no namespace of its own: it makes two TUN devices, one of them in the namespace of
# the host behind it, the other in net.

# Other scripts read these.
# shellcheck disable=SC2034
{
	NATBOX=${NATBOX:-$BUILD/tests/natbox/natbox}
	RELAY4B=203.0.113.8 RELAY6B=2001:db8:2::8
}

interface_exists() { # HOST INTERFACE
	in_ns "$1" test -e "/sys/class/net/$2"
}
