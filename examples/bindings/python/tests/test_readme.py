"""Runs the code of the README and of the docstrings, and compares the docstrings of the native module with its stub."""

import ast
import doctest
import inspect
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
    for output in (
        "genuine and new: 04DE5F1EACC040",
        "refused: replayed tap: this tap, with counter 61, was already accepted",
    ):
        assert f"`{output}`" in said
        run = subprocess.run(
            [sys.executable, "-I", "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (run.stdout, run.stderr, run.returncode) == (output + "\n", "", 0)


def test_the_example_of_the_package() -> None:
    assert doctest.testmod(suntap) == (0, 6)


def test_the_wheel_is_tested_and_not_the_sources() -> None:
    assert "site-packages" in str(suntap.__file__)
    assert (Path(str(suntap.__file__)).parent / "py.typed").exists()


def test_help_shows_the_documentation_of_the_stub() -> None:
    """Editors read the stub, and ``help()`` the native module."""
    stub = ast.parse((Path(str(suntap.__file__)).parent / "_native.pyi").read_text(encoding="utf-8"))
    documented: list[tuple[object, str]] = []
    for node in stub.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            documented.append((getattr(suntap, node.name), text))
        if isinstance(node, ast.ClassDef):
            methods = [method for method in node.body if isinstance(method, ast.FunctionDef)]
            texts = [(getattr(suntap, node.name), method.name, ast.get_docstring(method)) for method in methods]
            documented += [(getattr(kind, name), text) for kind, name, text in texts if text]
    assert len(documented) > 40
    for shown, text in documented:
        assert inspect.getdoc(shown) == text
