"""Runs the code of the README and of the docstrings."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import suntap

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_of_the_readme(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    said = " ".join(README.split())
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    for output in (
        "genuine and new: 04DE5F1EACC040",
        "refused: replayed tap: this tap, with counter 61, was already accepted",
    ):
        assert f"`{output}`" in said
        run = subprocess.run(
            [sys.executable, "-I", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert (run.stdout, run.stderr, run.returncode) == (output + "\n", "", 0)


def test_the_example_of_the_package() -> None:
    assert doctest.testmod(suntap) == (0, 6)


def test_the_wheel_is_tested_and_not_the_sources() -> None:
    assert "site-packages" in str(suntap.__file__)
    assert (Path(str(suntap.__file__)).parent / "py.typed").exists()
