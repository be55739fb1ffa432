"""The parts of a newsgroup message: headers, quoted text, signature, thread.

The rules for what is removed are those of scikit-learn's ``fetch_20newsgroups(remove=…)``, so that numbers
can be compared with those published for it.
"""

from __future__ import annotations

import re

QUOTED = re.compile(r"writes in|writes:|wrote:|says:|said:|^In article|^Quoted from|^\||^>")
"""Lines that quote or announce a quotation."""
SUBJECT = re.compile(r"^Subject:[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)
REPLY = re.compile(r"^(?:re(?:\[\d+\])?:\s*)+", re.IGNORECASE)


def without_headers(message: str) -> str:
    """What follows the first empty line; nothing where there is none."""
    return message.partition("\n\n")[2]


def without_footer(message: str) -> str:
    """Without the last block, if a line that is empty or of dashes alone stands before it: most are signatures."""
    lines = message.strip().split("\n")
    rules = [number for number, line in enumerate(lines) if not line.strip().strip("-")]
    return "\n".join(lines[: rules[-1]]) if rules and rules[-1] > 0 else message


def without_quotes(message: str) -> str:
    """Without quoted lines and those that announce them."""
    return "\n".join(line for line in message.split("\n") if not QUOTED.search(line))


def thread(message: str) -> str:
    """The subject, without marks of a reply and in lower case; empty where the headers have none."""
    found = SUBJECT.search(message.partition("\n\n")[0])
    return REPLY.sub("", found[1].strip()).strip().lower() if found else ""
