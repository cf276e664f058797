#!/usr/bin/python3
"""webdriver: steers a headless Chromium behind a chromedriver that runs already, one step a call.

    webdriver.py [--session FILE] open PROFILE-FOLDER   starts the browser, whose session FILE names
    webdriver.py go URL
    webdriver.py js EXPRESSION                   prints what it is in the page
    webdriver.py until SECONDS EXPRESSION        until it is true; else 1, and prints what it was
    webdriver.py type WORD...                    keys by name (Tab, Enter, ..) or the letters themselves
    webdriver.py screen WIDTH HEIGHT light|dark [phone]
    webdriver.py shot FILE                       PNG of what is seen
    webdriver.py console                         what the page has said there since it was last asked
    webdriver.py close
"""
import argparse
import base64
import json
import sys
import time
import urllib.request

KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "ArrowLeft": "\ue012",
        "ArrowUp": "\ue013", "ArrowDown": "\ue015"}
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
             "--disable-background-networking", "--disable-component-update", "--no-first-run"]
DRIVER = "http://127.0.0.1:9515"


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(DRIVER + path, data, {"Content-Type": "application/json"}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        return json.load(answer)["value"]


class Browser:
    def __init__(self, session):
        self.path = "/session/" + session

    def post(self, path, **body):
        return call("POST", self.path + path, body)

    def cdp(self, command, **params):
        return self.post("/goog/cdp/execute", cmd=command, params=params)

    def js(self, expression):
        return self.post("/execute/sync", script="return (%s)" % expression, args=[])

    def go(self, url):
        self.post("/url", url=url)

    def until(self, seconds, expression):
        end = time.monotonic() + float(seconds)
        while True:
            value = self.js(expression)
            if value or time.monotonic() > end:
                return value
            time.sleep(0.05)

    def type(self, *words):
        keys = [key for word in words for key in ([KEYS[word]] if word in KEYS else word)]
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.post("/actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def screen(self, width, height, scheme, phone=None):
        self.cdp("Emulation.setDeviceMetricsOverride", width=int(width), height=int(height),
                 deviceScaleFactor=2 if phone else 1, mobile=bool(phone))
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def shot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.cdp("Page.captureScreenshot", format="png")["data"]))

    def console(self):
        for line in self.post("/se/log", type="browser"):
            print(line["level"], line["message"])

    def close(self):
        call("DELETE", self.path)


def open_browser(profile):
    options = {"args": ARGUMENTS + ["--user-data-dir=" + profile]}
    answer = call("POST", "/session", {"capabilities": {"alwaysMatch": {
        "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
    return answer["sessionId"]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--session", default="session")
    parser.add_argument("step")
    parser.add_argument("words", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.step == "open":
        with open(options.session, "w", encoding="ascii") as file:
            file.write(open_browser(*options.words))
        return 0
    with open(options.session, encoding="ascii") as file:
        browser = Browser(file.read())
    value = getattr(browser, options.step)(*options.words)
    if value is not None:
        print(value if isinstance(value, str) else json.dumps(value))
    return options.step == "until" and not value


if __name__ == "__main__":
    sys.exit(main())
