#!/usr/bin/env python3
"""Counts the results of `.ci/mutants` for each source file.

    table.py FOLDER..        prints the counts in these result folders of cargo-mutants
    table.py --add FOLDER..  writes those of complete files to results.tsv, with the commit, in place of what it has
    table.py --check         fails if the code of a file has changed since its results, lacks a mutant, or has one that survived

A mutant that is in several folders has the result of the last one, so survivors that a new test detects can be tested again alone.
"""

import argparse
import collections
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
RESULTS = Path(__file__).with_name("results.tsv")
RESULT = {"CaughtMutant": "caught", "Timeout": "timeout", "Unviable": "unviable", "MissedMutant": "missed"}
COLUMNS = ["caught", "timeout", "unviable", "missed"]


def output(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def code(text):
    """Returns the lines of a source file that a mutant can change: those without comments and without the tests at the end."""
    lines = text.split("\n#[cfg(test)]\nmod tests {\n")[0].splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("//")]


def unchanged(commit, file):
    """Returns whether the code of the file is still that of the commit. A file that one of the two does not have is a change."""
    try:
        return code(output("git", "show", f"{commit}:{file}")) == code((ROOT / file).read_text())
    except (subprocess.CalledProcessError, FileNotFoundError):
        return False


def mutants():
    """Returns the mutants that .cargo/mutants.toml does not exclude."""
    return json.loads(output("cargo", "mutants", "-p", "suntap", "--list", "--json"))


def per_file():
    """Returns the number of mutants of each file."""
    return collections.Counter(mutant["file"] for mutant in mutants())


def read(folders):
    """Returns the counts of each file."""
    included = {mutant["name"] for mutant in mutants()}
    results = {}
    for folder in folders:
        for outcome in json.loads((folder / "outcomes.json").read_text())["outcomes"]:
            if outcome["scenario"] != "Baseline":
                mutant = outcome["scenario"]["Mutant"]
                if mutant["name"] in included:
                    results[mutant["name"]] = (mutant["file"], RESULT[outcome["summary"]])
    counts = collections.defaultdict(collections.Counter)
    for file, result in results.values():
        counts[file][result] += 1
    return counts


def load():
    """Returns the commit and the counts of each file."""
    rows = RESULTS.read_text().splitlines()[1:] if RESULTS.exists() else []
    results = {}
    for row in rows:
        file, commit, *numbers = row.split("\t")
        results[file] = (commit, collections.Counter(dict(zip(COLUMNS, map(int, numbers)))))
    return results


def table(results):
    rows = [["file", "commit", *COLUMNS]]
    for file, (commit, counts) in sorted(results.items()):
        rows.append([file, commit, *(str(counts[column]) for column in COLUMNS)])
    return "".join("\t".join(row) + "\n" for row in rows)


def check():
    results = load()
    expected = per_file()
    faults = []
    for file in sorted(expected.keys() | results.keys()):
        commit, counts = results.get(file, ("HEAD", collections.Counter()))
        if not unchanged(commit, file):
            faults.append(f"{file}: changed since {commit}")
        if sum(counts.values()) != expected[file]:
            faults.append(f"{file}: {expected[file]} mutants, {sum(counts.values())} results")
        if counts["missed"]:
            faults.append(f"{file}: {counts['missed']} survived")
    total = sum((counts for _, counts in results.values()), collections.Counter())
    print(f"{sum(total.values())} of {sum(expected.values())} mutants:", ", ".join(f"{total[column]} {column}" for column in COLUMNS))
    sys.exit("\n".join(faults) or 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", metavar="FOLDER", nargs="*", type=Path)
    parser.add_argument("--add", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        check()
    commit = output("git", "rev-parse", "--short", "HEAD").strip()
    new = {file: (commit, counts) for file, counts in read(options.folders).items()}
    if options.add:
        expected = per_file()
        complete = {file: row for file, row in new.items() if sum(row[1].values()) == expected[file]}
        for file in sorted(new.keys() - complete.keys()):
            print(f"{file}: not complete, left out")
        RESULTS.write_text(table(load() | complete))
    else:
        print(table(new), end="")


main()
