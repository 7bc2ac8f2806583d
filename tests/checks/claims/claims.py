#!/usr/bin/env python3
"""Checks that each figure and each strong claim of the documentation has an entry in claims.toml, which names what shows it.

    claims.py                         checks the entries; fails if the documentation has changed and claims.toml has not
    claims.py --list                  prints all claims, one in a line
    claims.py --sample N [--seed S]   prints N random claims with what shows them, for a reviewer

It runs no command, but fails if a command names a script or a test that does not exist.
"""

import argparse
import random
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
FILE = Path(__file__).with_suffix(".toml")

# The key that each kind of evidence needs.
SHOWN_BY = {
    "test": "command",
    "measurement": "command",
    "definition": "definition",
    "source": "source",
    "arithmetic": "reason",
    "reason": "reason",
}

# Code, the targets of links, addresses, and the numbers of list items and table rows.
NOT_PROSE = re.compile(
    r"^ *```.*?^ *```|`[^`]*`|\]\([^)]*\)|^\[\w+\]: .*?$|https?://\S+|^ *\d+\. |^\| [\d, ]+ \|", re.DOTALL | re.MULTILINE
)
# A digit in a word is not a figure, such as in P-256 or Apache-2.0.
WORD = re.compile(r"\b[A-Za-z][\w-]*(?:\.\d+)*")
FIGURE = re.compile(r"\d[\d.,]*(?<=\d)")
TEST = re.compile(r"#\[(?:tokio::)?test[^\n]*\](?:\s*#\[[^\n]*\])*\s*(?:async )?fn (\w+)")


class Claim(NamedTuple):
    file: str
    line: int
    text: str
    kind: str
    shown_by: str


def line_of(page, offset):
    return page.count("\n", 0, offset) + 1


def joined(text):
    """Returns the text with single spaces, because a claim may span lines."""
    return " ".join(text.split())


def files(pattern):
    """Returns the files in git that match a pattern."""
    return subprocess.run(["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def tests_of_packages():
    """Returns the paths of the tests of each package, such as `vectors::lrp::lricb`."""
    packages = {"src/": "suntap"}
    for manifest in files("*/Cargo.toml"):
        package = tomllib.loads((ROOT / manifest).read_text()).get("package", {})
        packages[manifest.removesuffix("Cargo.toml")] = package.get("name")
    tests = {name: [] for name in packages.values()}
    for file in files("*.rs"):
        folder = max(filter(file.startswith, packages), key=len, default="src/")
        module = re.sub(r"^(src/|tests/[^/]+/|[a-z]+/(?=[^/]+$))", "", file.removeprefix(folder)).removesuffix(".rs")
        path = module.replace("/", "::")
        tests[packages[folder]] += [f"{path}::{test}" for test in TEST.findall((ROOT / file).read_text())]
    return tests


def command_problems(command, tests):
    """Yields a text for each script and each test of a command that does not exist."""
    words = [word for word in shlex.split(command) if not re.match(r"\w+=", word)]
    for word in words:
        if "/" in word and not (ROOT / word).exists():
            yield f"{command}: {word} does not exist"
    if words[:2] == ["cargo", "test"]:
        arguments = argparse.ArgumentParser()
        for option in ("-p", "--test", "--features", "--example"):
            arguments.add_argument(option)
        known, filters = arguments.parse_known_args([word for word in words[2:] if word != "--"])
        for word in filters:
            if not word.startswith("-") and not any(word in test for test in tests.get(known.p, ())):
                yield f"{command}: no test of {known.p} has {word} in its name"


def definition_problems(file, texts):
    """Yields a text for each text that the file does not contain."""
    content = joined((ROOT / file).read_text()) if (ROOT / file).is_file() else ""
    for text in texts:
        if joined(text) not in content:
            yield f"{file} does not contain: {text}"


def uncovered(file, page, covered, data):
    """Yields a text for each figure and each strong word outside of the covered ranges."""
    names = re.compile(rf"(?<![\w.,])(?:{'|'.join(data['names'])})(?![.,]?\w)")
    strong = re.compile(rf"\b(?:{'|'.join(data['strong'])})\b", re.IGNORECASE)
    prose = page
    for pattern in (NOT_PROSE, names):
        prose = pattern.sub(lambda match: re.sub(r"\S", " ", match[0]), prose)
    figures = FIGURE.finditer(WORD.sub(lambda match: " " * len(match[0]), prose))
    for match in sorted([*figures, *strong.finditer(prose)], key=re.Match.start):
        if not any(start <= match.start() < end for start, end in covered):
            around = joined(page[max(0, match.start() - 60) : match.end() + 60])
            yield f"{file}:{line_of(page, match.start())}: no entry for {match[0]!r}: … {around} …"


def check():
    """Returns the claims and the problems."""
    text = FILE.read_text()
    data = tomllib.loads(text)
    pages = {path.relative_to(ROOT).as_posix(): path.read_text() for pattern in data["files"] for path in ROOT.glob(pattern)}
    covered = {file: [] for file in pages}
    claims, tests = [], tests_of_packages()
    problems = [f"{pattern}: no such file" for pattern in data["files"] if not any(ROOT.glob(pattern))]
    for evidence in data["evidence"]:
        shown_by = evidence[SHOWN_BY[evidence["kind"]]]
        if "command" in evidence:
            problems += command_problems(shown_by, tests)
        if "definition" in evidence:
            problems += definition_problems(evidence["definition"], evidence["holds"])
        for file, claimed in evidence["claims"].items():
            for claim in claimed:
                places = list(re.finditer(r"\s+".join(map(re.escape, claim.split())), pages[file]))
                if len(places) != 1:
                    entry = f"{FILE.relative_to(ROOT)}:{line_of(text, text.find(claim))}"
                    problems.append(f"{entry}: occurs {len(places)} times in {file}, expected 1: {claim}")
                covered[file] += [place.span() for place in places]
                claims += [Claim(file, line_of(pages[file], place.start()), claim, evidence["kind"], shown_by) for place in places]
    for file, page in pages.items():
        problems += uncovered(file, page, covered[file], data)
    return sorted(claims), problems


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--list", action="store_true")
    arguments.add_argument("--sample", type=int, metavar="N")
    arguments.add_argument("--seed", type=int)
    options = arguments.parse_args()
    claims, problems = check()
    if options.list:
        for claim in claims:
            print(f"{claim.file}:{claim.line}: {claim.text} [{claim.kind}: {claim.shown_by}]")
    elif options.sample:
        for claim in random.Random(options.seed).sample(claims, options.sample):
            print(f"{claim.file}:{claim.line}: {claim.text}\n    {claim.kind}: {claim.shown_by}")
    else:
        print(*problems, f"{len(claims)} claims, {len(problems)} problems", sep="\n")
        sys.exit(bool(problems))


if __name__ == "__main__":
    main()
