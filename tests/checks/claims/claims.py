#!/usr/bin/env python3
"""Checks that each figure and each strong claim of the documentation has an entry in claims.toml, which names what shows it.

    claims.py                         checks the entries; fails if the documentation has changed and claims.toml has not
    claims.py --list                  prints all claims, one a line
    claims.py --sample N [--seed S]   prints N random claims with their commands, for a reviewer

The check needs a second. It runs no command, but fails if a command names a script or a test that does not exist.
"""

import argparse
import random
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

# The key that each kind of evidence needs.
KINDS = {
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


@dataclass
class Claim:
    file: str
    line: int
    text: str
    kind: str
    shown_by: str

    def __str__(self):
        return f"{self.file}:{self.line}: {self.text} [{self.kind}: {self.shown_by}]"


def line_of(page, offset):
    return page.count("\n", 0, offset) + 1


def blank(match):
    return re.sub(r"\S", " ", match[0])


def lines_of(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def tests_of_packages():
    """Returns the paths of the tests of each package, such as `tests::it::vectors::lrp::lricb`."""
    packages = {}
    for manifest in lines_of("git", "ls-files", "*Cargo.toml"):
        package = tomllib.loads((ROOT / manifest).read_text()).get("package", {})
        packages[package.get("name")] = manifest.removesuffix("Cargo.toml") or "src/"
    tests = {name: [] for name in packages}
    for file in lines_of("git", "ls-files", "*.rs"):
        name = max((name for name in packages if file.startswith(packages[name])), key=lambda name: len(packages[name]), default="suntap")
        path = file.removesuffix(".rs").replace("/", "::")
        tests[name] += [f"{path}::{test}" for test in TEST.findall((ROOT / file).read_text())]
    return tests


def command_problems(command, tests):
    """Yields the scripts and tests of a command that do not exist."""
    words = [word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word)]
    for word in words:
        if "/" in word and not (ROOT / word).exists():
            yield f"{command}: {word} does not exist"
    if words[:2] == ["cargo", "test"]:
        arguments = argparse.ArgumentParser()
        for option in ("-p", "--test", "--features", "--example"):
            arguments.add_argument(option)
        known, filters = arguments.parse_known_args([word for word in words[2:] if word != "--"])
        for word in filters:
            if not word.startswith("-") and not any(word in test for test in tests[known.p]):
                yield f"{command}: no test of {known.p} has {word} in its name"


def check(data):
    """Returns the claims and the problems."""
    pages = {path.relative_to(ROOT).as_posix(): path.read_text() for glob in data["files"] for path in sorted(ROOT.glob(glob))}
    covered = {file: [] for file in pages}
    claims, problems, tests = [], [], tests_of_packages()
    for evidence in data["evidence"]:
        kind = evidence["kind"]
        shown_by = evidence[KINDS[kind]]
        if KINDS[kind] == "command":
            problems += command_problems(shown_by, tests)
        if kind == "definition":
            source = ROOT / shown_by
            content = " ".join(source.read_text().split()) if source.is_file() else ""
            problems += [f"{shown_by} does not contain: {text}" for text in evidence["holds"] if " ".join(text.split()) not in content]
        for file, texts in evidence["claims"].items():
            for text in texts:
                found = list(re.finditer(r"\s+".join(map(re.escape, text.split())), pages[file]))
                if len(found) != 1:
                    problems.append(f"{file}: occurs {len(found)} times instead of once: {text}")
                for match in found:
                    covered[file].append(match.span())
                    claims.append(Claim(file, line_of(pages[file], match.start()), text, kind, shown_by))
    names = re.compile(rf"(?<![\w.,])(?:{'|'.join(data['names'])})(?![.,]?\w)")
    strong = re.compile(rf"\b(?:{'|'.join(data['strong'])})\b", re.IGNORECASE)
    for file, page in pages.items():
        prose = NOT_PROSE.sub(blank, page)
        figures = FIGURE.finditer(WORD.sub(blank, names.sub(blank, prose)))
        for match in sorted([*figures, *strong.finditer(prose)], key=lambda match: match.start()):
            if not any(start <= match.start() < end for start, end in covered[file]):
                around = " ".join(page[max(0, match.start() - 60) : match.end() + 60].split())
                problems.append(f"{file}:{line_of(page, match.start())}: no entry for {match[0]!r}: … {around} …")
    return sorted(claims, key=lambda claim: (claim.file, claim.line)), problems


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--list", action="store_true")
    arguments.add_argument("--sample", type=int, metavar="N")
    arguments.add_argument("--seed", type=int)
    options = arguments.parse_args()
    claims, problems = check(tomllib.loads((HERE / "claims.toml").read_text()))
    if options.list:
        print(*claims, sep="\n")
    elif options.sample:
        for claim in random.Random(options.seed).sample(claims, options.sample):
            print(f"{claim.file}:{claim.line}: {claim.text}\n    {claim.kind}: {claim.shown_by}")
    else:
        print(*problems, sep="\n", end="\n" if problems else "")
        print(f"{len(claims)} claims, {len(problems)} problems")
        sys.exit(bool(problems))


if __name__ == "__main__":
    main()
