#!/usr/bin/env python3
"""Types into an interactive shell on a terminal, and waits for what is to come of it.

usage: typist.py KEYS (--file FILE | --screen WORD...) -- SHELL...

KEYS are typed once the shell has printed its prompt, "ready>"; \\t and \\r in them are the keys. Ends
well when FILE exists, which is then printed, or when every WORD is on the screen; ill after 20
seconds, with what the screen showed.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

LIMIT = 20
ESCAPES = re.compile(rb"\x1b(\[[0-9;?<>=]*[A-Za-z]|[()][A-Z0-9]|\][^\x07]*\x07|[=>])")


def start(words):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(words[0], words)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
    return pid, terminal


def read(terminal):
    if not select.select([terminal], [], [], 0.05)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def main():
    keys, what = sys.argv[1].encode().decode("unicode_escape").encode(), sys.argv[2]
    split = sys.argv.index("--", 3)
    wanted, words = sys.argv[3:split], sys.argv[split + 1:]
    pid, terminal = start(words)
    screen, typed, end = b"", False, time.monotonic() + LIMIT
    while time.monotonic() < end:
        screen += read(terminal)
        text = ESCAPES.sub(b"", screen).decode(errors="replace")
        if not typed and "ready>" in text:
            os.write(terminal, keys)
            typed = True
            screen = b""
        elif typed and what == "--file" and os.path.exists(wanted[0]):
            break
        elif typed and what == "--screen" and all(word in text.split() for word in wanted):
            break
    else:
        print("the screen showed:", text, sep="\n")
        sys.exit(1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if what == "--file":
        print(text, file=sys.stderr)
        print(open(wanted[0]).read(), end="")


main()
