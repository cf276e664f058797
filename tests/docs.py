#!/usr/bin/env python3
"""Reads the commands in the documentation, for tests/docs.sh and for scripts/lint.

    docs.py list FILE...          every block: where, kind, host, by which scenario it is run
    docs.py blocks FILE FOLDER [HEADING...]
                                  writes each block that is to be run to FOLDER/NUMBER, and
                                  prints "NUMBER LINE KIND HOST REST" of it
    docs.py said TEXT OUTPUT...   did a program print these lines, in this order?
    docs.py check                 what is wrong with README.md, CONTRIBUTING.md and docs/

A block is fenced, and the words behind the fence say what it is:

    sh HOST           commands; all succeed, within two minutes
    sh HOST runs      one command that goes on until it is ended
    text              what the commands above it print; numbers and keys may be others, addresses not
    conf HOST PATH    the contents of a file, in whatever language
    (nothing)         a picture

"<!-- not run: REASON -->" in the line before it exempts a block, and the text behind it. RELAY becomes
what the environment has as DOCS_RELAY, and so do all the words that it has in this way.
"""

import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FENCE = re.compile(r"^ *```+ *(.*)$")
NOT_RUN = re.compile(r"^<!-- not run: .+ -->$")
HEADING = re.compile(r"^#+ +(.*?) *#*$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
RUN = re.compile(r'\bdocs_run +([\w./-]+\.md)((?:(?: |\\\n\s*)+"[^"]+")*)')
COMMAND = re.compile(r"^(\$ |sudo |punchctl |relayd )", re.MULTILINE)
LOOP = re.compile(r"(while|until|for) ")
COLUMNS = 120


class Block:
    def __init__(self, line, words, heading, exempt):
        self.line = line
        self.kind, self.host, self.rest = (words.split(None, 2) + ["", "", ""])[:3]
        self.heading = heading
        self.exempt = exempt
        self.text = ""

    def runs(self):
        return self.kind == "sh" and self.rest == "runs"

    def wrong(self):
        """What is wrong with its words, if anything is."""
        if not self.kind:
            return "commands in a picture" if COMMAND.search(self.text) else ""
        if self.kind == "text":
            return "a text has no host" if self.host else ""
        if not self.host:
            return "says no host"
        if self.kind == "sh":
            if self.rest not in ("", "runs"):
                return f"not a way to run: {self.rest}"
            commands = re.sub(r"\\\n", " ", self.text).splitlines()
            if self.runs() and len(commands) != 1:
                return "one command goes on, not several"
            return ""
        return "" if self.rest else "is neither sh nor text, and says no path"


class Page:
    """Its blocks, headings and links, and what is wrong with its lines."""

    def __init__(self, path):
        self.path = path
        self.blocks, self.headings, self.links, self.wrong = [], [], [], []
        heading, block, before = "", None, ""
        with open(os.path.join(TOP, path), encoding="utf-8") as file:
            for number, line in enumerate(file.read().split("\n"), 1):
                fence = FENCE.match(line)
                if block and fence:
                    block = None
                elif block:
                    block.text += line + "\n"
                elif fence:
                    block = self.begin(number, fence[1], heading, before)
                else:
                    heading = self.prose(number, line, before, heading)
                before = line
        if block:
            self.wrong.append((block.line, "the block has no end"))

    def begin(self, number, words, heading, before):
        exempt = bool(NOT_RUN.match(before))
        if words == "text" and self.blocks:
            exempt = self.blocks[-1].exempt
        self.blocks.append(Block(number, words, heading, exempt))
        return self.blocks[-1]

    def prose(self, number, line, before, heading):
        if HEADING.match(line):
            heading = HEADING.match(line)[1]
            self.headings.append(heading)
        if len(line) > COLUMNS and not line.startswith("|"):
            self.wrong.append((number, f"longer than {COLUMNS} columns"))
        if line.startswith("    ") and not before.strip():
            self.wrong.append((number, "a block that is not fenced"))
        self.links += [(number, link) for link in LINK.findall(re.sub(r"`[^`]*`", "", line))]
        return heading

    def anchors(self):
        return [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in self.headings]


def pages():
    names = ["README.md", "CONTRIBUTING.md", "docs/*.md"]
    return sorted(path for name in names for path in glob.glob(name, root_dir=TOP))


def scenarios():
    """Which scenario runs what: (page, heading or "", scenario)."""
    found = []
    for path in sorted(glob.glob("tests/net_*.sh", root_dir=TOP)):
        with open(os.path.join(TOP, path), encoding="utf-8") as file:
            for page, headings in RUN.findall(file.read()):
                found += [(page, heading, path) for heading in re.findall(r'"([^"]+)"', headings) or [""]]
    return found


def run_by(page, block, runs):
    return [s for p, heading, s in runs if p == page.path and heading in ("", block.heading)]


def filled(text):
    for name, value in os.environ.items():
        if name.startswith("DOCS_"):
            text = re.sub(rf"\b{name[5:]}\b(?!=)", value, text)
    return text


def like(line):
    """The line without what differs from run to run."""
    line = re.sub(r"[A-Za-z0-9+/]{43}=", "KEY", line)
    return re.sub(r"\d+(?:\.\d+){3}|\d+", lambda n: n[0] if "." in n[0] else "0", " ".join(line.split()))


def follow(wanted, said):
    """Is the line among these? What stands before it there is left behind."""
    for number, line in enumerate(said):
        if wanted in line:
            del said[: number + 1]
            return True
    return False


def command_said(text, *outputs):
    said = []
    for path in outputs:
        with open(path, encoding="utf-8", errors="replace") as file:
            said.append([like(line) for line in re.split(r"[\r\n]+", file.read())])
    with open(text, encoding="utf-8") as file:
        wanted = [line for line in file.read().splitlines() if line.strip() not in ("", "...")]
    for line in wanted:
        if not any(follow(like(line), output) for output in said):
            print(f"nobody said: {line}")
            return 1
    return 0


def command_blocks(path, folder, *headings):
    page = Page(path)
    for heading in headings:
        if heading not in page.headings:
            print(f"{path} has no heading: {heading}")
            return 1
    for number, block in enumerate(page.blocks):
        if block.exempt or not block.kind or (headings and block.heading not in headings):
            continue
        with open(os.path.join(folder, str(number)), "w", encoding="utf-8") as file:
            file.write(("exec " if block.runs() and not LOOP.match(block.text) else "") + filled(block.text))
        print(number, block.line, block.kind, block.host or "-", block.rest or "-")
    return 0


def command_list(*paths):
    runs = scenarios()
    for page in map(Page, paths):
        for block in page.blocks:
            by = "not run" if block.exempt else " ".join(run_by(page, block, runs))
            print(f"{page.path}:{block.line}: {block.kind} {block.host} {block.rest}: {by}")
    return 0


def dead(page, link):
    """Why a relative link leads nowhere, or nothing."""
    if re.match(r"[a-z]+:", link):
        return ""
    path, _, anchor = link.partition("#")
    target = os.path.normpath(os.path.join(os.path.dirname(page.path), path)) if path else page.path
    if not os.path.exists(os.path.join(TOP, target)):
        return f"there is no {target}"
    if anchor and target.endswith(".md") and anchor not in Page(target).anchors():
        return f"{target} has no heading for #{anchor}"
    return ""


def faults(page, runs):
    yield from page.wrong
    for number, link in page.links:
        if dead(page, link):
            yield number, dead(page, link)
    for block in page.blocks:
        if block.exempt:
            continue
        if block.wrong():
            yield block.line, block.wrong()
        elif block.kind and not run_by(page, block, runs):
            yield block.line, "no scenario runs this, and it is not marked as not run"


def command_check():
    runs = scenarios()
    found = 0
    for page in map(Page, pages()):
        for number, what in sorted(faults(page, runs)):
            print(f"{page.path}:{number}: {what}")
            found += 1
    for path, heading, scenario in runs:
        if not os.path.exists(os.path.join(TOP, path)):
            print(f"{scenario}: runs {path}, which does not exist")
            found += 1
        elif heading and heading not in Page(path).headings:
            print(f"{scenario}: {path} has no heading: {heading}")
            found += 1
    return 1 if found else 0


COMMANDS = {"list": command_list, "blocks": command_blocks, "said": command_said, "check": command_check}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    return COMMANDS[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
