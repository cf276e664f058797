#!/usr/bin/python3
"""cloudd: the metadata service of a cloud, for namespaces only; a line for each question.

  cloudd.py BIND MODE-FILE LOCAL PUBLIC

The file has one word: aws, gcp, azure, or azure-standard, whose public address only the list of a
load balancer's has; each answers nobody who asks as another wants it, and with the status that its
documentation names. Or huge, slow, redirect, inject (a token with more than a token in it), none (no
address alone). It is read for each question.
"""
import http.server
import json
import sys
import time

AWS, GCP, AZURE = "/latest/meta-data/", "/computeMetadata/v1/instance/network-interfaces/0/", \
    "/metadata/instance/network/interface/0/ipv4/ipAddress/0/"
TEXT, LIST = "?api-version=2021-02-01&format=text", "/metadata/loadbalancer?api-version=2020-10-01"
LOCAL, PUBLIC = sys.argv[3:5]
# As documented, but for the brackets, which the service has; the rules' addresses are shared ones.
BALANCER = json.dumps({"loadbalancer": {
    "publicIpAddresses": [{"frontendIpAddress": "[2603:10e1:100:2::7]", "privateIpAddress": "[ace:cab:deca:deed::7]"},
                          {"frontendIpAddress": PUBLIC, "privateIpAddress": LOCAL}],
    "inboundRules": [{"frontendIpAddress": "203.0.113.66", "protocol": "tcp", "frontendPort": 80,
                      "backendPort": 443, "privateIpAddress": LOCAL}],
    "outboundRules": [{"frontendIpAddress": "203.0.113.66", "privateIpAddress": LOCAL}],
}}, indent=3)
PATHS = {
    "aws": {AWS + "local-ipv4": LOCAL, AWS + "public-ipv4": PUBLIC},
    "gcp": {GCP + "ip": LOCAL, GCP + "access-configs/0/external-ip": PUBLIC},
    "azure": {AZURE + "privateIpAddress" + TEXT: LOCAL, AZURE + "publicIpAddress" + TEXT: PUBLIC},
    "azure-standard": {AZURE + "privateIpAddress" + TEXT: LOCAL, AZURE + "publicIpAddress" + TEXT: "", LIST: BALANCER},
}
# What a question has to have, and the status of one that has not.
FIELDS = {"aws": ("X-aws-ec2-metadata-token", "AQAEAMtoken==", 401), "gcp": ("Metadata-Flavor", "Google", 403),
          "azure": ("Metadata", "true", 400), "azure-standard": ("Metadata", "true", 400)}


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def say(self, status, body, **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self):
        mode = open(sys.argv[2]).read().strip()
        print(mode, self.command, self.path, flush=True)
        if mode in PATHS:
            name, value, status = FIELDS[mode]
            if mode == "aws" and self.command == "PUT" and self.path == "/latest/api/token" and \
                    int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"]) > 0:
                return self.say(200, value.encode())
            if self.command != "GET" or self.headers[name] != value:
                return self.say(status, b"no")
            body = PATHS[mode].get(self.path)
            return self.say(404, b"no") if body is None else self.say(200, body.encode())
        if mode == "huge":
            return self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100000 + b"\r\n")
        if mode == "slow":
            return time.sleep(4)
        if mode == "redirect":
            return self.say(302, b"", Location="http://198.51.100.175/")
        if mode == "inject" and self.command == "PUT":
            return self.say(200, b"token\r\nX-Evil: 1")
        return self.say(200, b"203.0.113.66 and more")

    do_GET = do_PUT = serve

    def log_message(self, *args):
        if "X-Evil" in self.headers:
            print("injected", flush=True)


host, port = sys.argv[1].rsplit(":", 1)
http.server.ThreadingHTTPServer((host, int(port)), Service).serve_forever()
