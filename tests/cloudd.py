#!/usr/bin/python3
"""cloudd: the metadata service of a cloud, for namespaces only; a line for each question.

  cloudd.py BIND MODE-FILE LOCAL PUBLIC

The file has one word: aws, gcp or azure, each of which answers nobody who asks as another wants it;
huge, slow, redirect, inject (a token with more than a token in it), none (no address alone). It is
read for each question.
"""
import http.server
import sys
import time

AWS, GCP, AZURE = "/latest/meta-data/", "/computeMetadata/v1/instance/network-interfaces/0/", \
    "/metadata/instance/network/interface/0/ipv4/ipAddress/0/"
TEXT = "?api-version=2021-02-01&format=text"
LOCAL, PUBLIC = sys.argv[3:5]
PATHS = {
    "aws": {AWS + "local-ipv4": LOCAL, AWS + "public-ipv4": PUBLIC},
    "gcp": {GCP + "ip": LOCAL, GCP + "access-configs/0/external-ip": PUBLIC},
    "azure": {AZURE + "privateIpAddress" + TEXT: LOCAL, AZURE + "publicIpAddress" + TEXT: PUBLIC},
}
FIELDS = {"aws": ("X-aws-ec2-metadata-token", "AQAEAMtoken=="), "gcp": ("Metadata-Flavor", "Google"),
          "azure": ("Metadata", "true")}


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
            name, value = FIELDS[mode]
            if mode == "aws" and self.command == "PUT" and self.path == "/latest/api/token" and \
                    int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"]) > 0:
                return self.say(200, value.encode())
            good = self.command == "GET" and self.headers[name] == value and self.path in PATHS[mode]
            return self.say(200, PATHS[mode][self.path].encode()) if good else self.say(404, b"no")
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
