"""Prints the number of cases that passed, for the log of run.sh."""

import json
from pathlib import Path
from typing import Any

import pytest

BINDINGS = Path(__file__).parents[2]
CASES: dict[str, Any] = json.loads((BINDINGS / "cases.json").read_text(encoding="utf-8"))
ALL = len(CASES["settings"]) + len(CASES["taps"])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Makes a test of each case."""
    if "invalid_settings" in metafunc.fixturenames:
        metafunc.parametrize("invalid_settings", CASES["settings"], ids=range(len(CASES["settings"])))
    if "tap_case" in metafunc.fixturenames:
        metafunc.parametrize("tap_case", CASES["taps"], ids=[case["id"] for case in CASES["taps"]])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints how many cases passed."""
    passed = [report for report in terminalreporter.stats.get("passed", []) if "::test_case" in report.nodeid]
    terminalreporter.write_line(f"cases {len(passed)} of {ALL}")


@pytest.fixture
def cases() -> dict[str, Any]:
    """The contents of cases.json."""
    return CASES
