#!/usr/bin/env python3
"""Reads the commands in the documentation, for tests/docs.sh and for scripts/lint.

    docs.py list FILE...          every block: where, kind, host, by which scenario it is run
    docs.py blocks FILE FOLDER [HEADING...]
                                  writes each block that is to be run to FOLDER/NUMBER, and
                                  prints "NUMBER LINE KIND HOST REST" of it
    docs.py said TEXT OUTPUT...   did a program print these lines, in this order?
    docs.py check                 what is wrong with README.md, CONTRIBUTING.md, tests/README.md, docs/ and
                                  man/, also of commands within a sentence; asks the programs in $BUILD

A block is fenced, and the words behind the fence say what it is:

    sh HOST           commands; all succeed, within two minutes; root@HOST: in a shell of root's
    sh HOST runs      one command that goes on until it is ended
    text              what the commands above it print; numbers but 0 and keys may be others, addresses not
    conf HOST PATH    the contents of a file, in whatever language
    (nothing)         a picture

In a manual page it is a literal display, and the words are a comment in the line before it, "picture" for
nothing. "<!-- not run: REASON -->" in the line before exempts a block, and the text behind it; the reason
names the test that runs it. RELAY becomes what the environment has as DOCS_RELAY, and so do all the words
that it has in this way.
"""

import functools
import glob
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
PAGES = ("README.md", "CONTRIBUTING.md", "tests/README.md", "docs/*.md", "man/*.[1-9]")
NOT_RUN = re.compile(r'^(?:<!--|\.\\") not run: (.+?)(?: -->)?$')
# What no test can run, for what it needs is no more to be had.
NEVER_RUN = re.compile(r"^MP4Box ")
LINK = re.compile(r"\]\(([^)\s]+)\)")
RUN = re.compile(r'\bdocs_run +([\w./-]+\.(?:md|[1-9]))((?:(?: |\\\n\s*)+"[^"]+")*)')
COMMAND = re.compile(r"^(\$ |sudo |punchctl |relayd )", re.MULTILINE)
LOOP = re.compile(r"(while|until|for) ")
OURS = re.compile(r"(?:sudo )?(punchctl|relayd|relayd-exporter|scripts/[\w-]+)(?: (.*))?")
OPTION = re.compile(r"--[a-z][a-z-]*")
COLUMNS = 120


def content(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


class Markdown:
    FENCE = re.compile(r"^ *```+ *(.*)$")
    HEADING = re.compile(r"^#+ +(.*?) *#*$")
    CODE = re.compile(r"`([^`]+)`")

    def begins(self, lines, number):
        """The words of the block that begins here, and its reason not to be run; or nothing."""
        fence = self.FENCE.match(lines[number])
        reason = NOT_RUN.match(lines[number - 1])
        return fence and (fence[1], reason[1] if reason else "")

    def ends(self, line):
        return self.FENCE.match(line)

    def text(self, line):
        return line

    def commands(self, prose):
        """What is said in a sentence, and in which line. A sentence may break it."""
        for paragraph in re.finditer(r"(?:.+\n)+", prose):
            for code in self.CODE.finditer(paragraph[0]):
                yield prose.count("\n", 0, paragraph.start() + code.start()) + 1, " ".join(code[1].split())


class Manual:
    HEADING = re.compile(r'^\.S[hs] "?(.*?)"?$')
    WORDS = re.compile(r'^\.\\" (.*)$')
    CODE = re.compile(r"^\.(?:Ql|Dl|Li) (.*)$", re.MULTILINE)
    ESCAPES = {"\\e": "\\", "\\-": "-", "\\&": "", "\\(aq": "'"}

    def begins(self, lines, number):
        if not lines[number].startswith(".Bd -literal"):
            return None
        words = self.WORDS.match(lines[number - 1])
        reason = words and NOT_RUN.match(lines[number - 2])
        return words[1] if words else "", reason[1] if reason else ""

    def ends(self, line):
        return line == ".Ed"

    def text(self, line):
        return re.sub(r"\\(?:e|-|&|\(aq)", lambda escape: self.ESCAPES[escape[0]], line)

    def commands(self, prose):
        """As far as the next macro, without a point behind it."""
        for code in self.CODE.finditer(prose):
            words = re.sub(r" (?:[.,:;)]|[A-Z][a-z]\b).*", "", code[1])
            yield prose.count("\n", 0, code.start()) + 1, words


def names_test(reason):
    return any(os.path.exists(os.path.join(TOP, path)) for path in re.findall(r"\b(?:tests|scripts)/[\w.-]*\w", reason))


class Block:
    def __init__(self, line, words, heading, reason):
        self.line, self.words = line, words
        self.kind, self.host, self.rest = (words.split(None, 2) + ["", "", ""])[:3]
        if words == "picture":
            self.kind = ""
        self.heading = heading
        self.exempt = reason
        self.text = ""

    def runs(self):
        return self.kind == "sh" and self.rest == "runs"

    def wrong(self):
        """What is wrong with its words, if anything is."""
        if self.exempt:
            return "" if NEVER_RUN.match(self.text) or names_test(self.exempt) else "names no test that runs it"
        if self.words == "" and self.heading == "EXAMPLES":
            return "says nothing of its host"
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
    """Its blocks, headings and links, what it says within sentences, and what is wrong with its lines."""

    def __init__(self, path):
        self.path = path
        self.form = Markdown() if path.endswith(".md") else Manual()
        self.blocks, self.headings, self.links, self.wrong = [], [], [], []
        self.prose = ""
        heading, block = "", None
        lines = content(path).split("\n")
        for number, line in enumerate(lines):
            begins = not block and self.form.begins(lines, number)
            if block and self.form.ends(line):
                block = None
            elif block:
                block.text += self.form.text(line) + "\n"
            elif begins:
                block = self.begin(number + 1, *begins, heading)
            else:
                heading = self.read(number + 1, line, heading, lines[number - 1])
                self.prose += line
            self.prose += "\n"
        if block:
            self.wrong.append((block.line, "the block has no end"))

    def begin(self, number, words, reason, heading):
        if words == "text" and self.blocks:
            reason = self.blocks[-1].exempt
        self.blocks.append(Block(number, words, heading, reason))
        return self.blocks[-1]

    def read(self, number, line, heading, before):
        if self.form.HEADING.match(line):
            heading = self.form.HEADING.match(line)[1]
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
    return sorted(path for name in PAGES for path in glob.glob(name, root_dir=TOP))


def scenarios():
    """Which scenario runs what: (page, heading or "", scenario)."""
    found = []
    for path in sorted(glob.glob("tests/net_*.sh", root_dir=TOP)):
        for page, headings in RUN.findall(content(path)):
            found += [(page, heading, path) for heading in re.findall(r'"([^"]+)"', headings) or [""]]
    return found


def run_by(page, block, runs):
    return [s for p, heading, s in runs if p == page.path and heading in ("", block.heading)]


def filled(text):
    for name, value in os.environ.items():
        if name.startswith("DOCS_"):
            text = re.sub(rf"\b{name[5:]}\b(?!=)", value, text)
    return text


def number_like(number):
    return number[0] if number[0].count(".") == 3 or number[0] == "0" else "1"


def like(line):
    """The line without what differs from run to run. That nothing is lost is no such thing."""
    line = re.sub(r"[A-Za-z0-9+/]{43}=", "KEY", " ".join(line.split()))
    return re.sub(r"\d+(?:\.\d+)*", number_like, line)


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
            file.write(("exec env " if block.runs() and not LOOP.match(block.text) else "") + filled(block.text))
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


def output(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@functools.lru_cache(None)
def options(program, command=""):
    """The commands that a program of ours has, with "", or the options of one."""
    if program.startswith("scripts/"):
        # What scripts/build does not know goes to configure.
        paths = [program] + ["configure.ac"] * (program == "scripts/build")
        return {option for path in paths for option in OPTION.findall(content(path))}
    folder = {"punchctl": "punchctl", "relayd": "relayd", "relayd-exporter": "exporter"}[program]
    path = os.path.join(BUILD, folder, program)
    if program != "punchctl":
        return set(OPTION.findall(output(path, "--help")))
    words = [command, "--"] if command else [""]
    return {line.split("\t")[0] for line in output(path, "complete", "--", *words).splitlines()}


def strange(said):
    """What our programs do not know of a command, or nothing."""
    ours = OURS.fullmatch(said)
    if not ours:
        return ""
    program, words = ours[1], re.split(r" (?:-- |[|&>])", ours[2] or "")[0].split()
    if program.startswith("scripts/") and not os.path.isfile(os.path.join(TOP, program)):
        return f"there is no {program}"
    command = ""
    if program == "punchctl":
        command = next((word for word in words if not word.startswith("-")), "")
        if command and command not in options(program):
            return f"punchctl has no command: {command}"
    for word in words:
        option = word.split("=")[0]
        if option.startswith("--") and option not in options(program, command):
            return f"{program} has no option: {option}"
    return ""


def faults(page, runs):
    yield from page.wrong
    for number, link in page.links:
        if dead(page, link):
            yield number, dead(page, link)
    for number, said in page.form.commands(page.prose):
        if strange(said):
            yield number, strange(said)
    for block in page.blocks:
        if block.wrong():
            yield block.line, block.wrong()
        elif block.kind and not block.exempt and not run_by(page, block, runs):
            yield block.line, "no scenario runs this, and it is not marked as not run"


def command_check():
    if not os.path.exists(os.path.join(BUILD, "punchctl", "punchctl")):
        print("scripts/build first: the programs are asked for their words")
        return 1
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
