"""The README is true: its code runs, its tables are complete, and nothing names a machine."""

import re
import subprocess
from pathlib import Path

import keras
import pytest
import rewrite

import keras_fusion

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
# A comment on the line before a block keeps it to one backend: <!-- tensorflow only -->
BLOCK = re.compile(r"(?:^<!-- (\w+) only -->\n)?^```python\n(.*?)^```", re.M | re.S)
MACHINE = re.compile(r"(?<![\w.~-])/(?:home|root|work|Users|opt|mnt)/\w|\b[A-Z]:\\Users\\")
REGISTRY = re.compile(
    r"--(?:extra-)?index[-]url|--find[-]links|\bPIP_(?:EXTRA_)?INDEX|\bPIP_FIND"
    r"|://[^\s\"')]*/simple\b|://(?:test\.|files\.)?(?:pypi|pythonhosted)\b"
)

needs_readme = pytest.mark.skipif(not README.exists(), reason="README.md does not exist")


def blocks(text):
    """`(backend or None, source)` of every block; tracebacks show the lines of the README."""
    return [(m[1], "\n" * text.count("\n", 0, m.start(2)) + m[2]) for m in BLOCK.finditer(text)]


def names_in_tables(text):
    """Every identifier between backquotes in the rows of tables."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    code = " ".join(re.findall(r"`([^`]+)`", " ".join(rows)))
    return set(re.findall(r"[A-Za-z_]\w*", code))


def machine_names(text):
    """The lines that name a folder of some machine or the address of a registry."""
    return [line for line in text.splitlines() if MACHINE.search(line) or REGISTRY.search(line)]


@needs_readme
def test_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sources = blocks(README.read_text(encoding="utf-8"))
    assert sources
    namespace = {"__name__": "__main__"}
    for backend, source in sources:
        if backend in (None, keras.backend.backend()):
            exec(compile(source, str(README), "exec"), namespace)


@needs_readme
def test_tables_are_those_of_the_code():
    pytest.importorskip("keras_tuner")  # names of the package tuning
    text = README.read_text(encoding="utf-8")
    assert rewrite.readme(text) == text, "run: python tests/rewrite.py"
    public = set(keras_fusion.__all__)
    assert public - names_in_tables(text) == set()


@needs_readme
def test_names_exist():
    names = re.findall(r"\b(?:kf|keras_fusion)((?:\.[A-Za-z_]\w*)+)", README.read_text("utf-8"))
    assert names
    for name in names:
        value = keras_fusion
        for part in name[1:].split("."):
            assert hasattr(value, part), f"README.md: keras_fusion{name} does not exist"
            value = getattr(value, part)


@needs_readme
def test_commands():
    # .ci/run runs every line with this beginning: they have to stand alone, the tests last.
    lines = README.read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if 'pip install -e ".[' in line]
    assert len(commands) == 2 and commands[0].startswith('pip install -e ".[examples]" && python ')
    assert commands[1] == 'pip install -e ".[test]" && pytest'


def test_no_machine_in_the_repository():
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = {}
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            found[name] = machine_names(content.decode("utf-8"))
    assert found
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_checks_can_fail():
    text = "a\n\n<!-- jax only -->\n```python\n1 / 0\n```\n\n```python\nx = 1\n```\n"
    assert blocks(text) == [("jax", "\n\n\n\n1 / 0\n"), (None, "\n" * 8 + "x = 1\n")]
    assert names_in_tables("| `kf.build(a)` | b |\n`c`\n") == {"kf", "build", "a"}
    for root in ("home", "root", "work"):
        assert machine_names(f'open("/{root}/someone/x.npz")')
    assert machine_names("pip install --" + "index-url x")
    assert machine_names("http://localhost/pypi/" + "simple/")
    assert not machine_names("examples/home/x.py, ~/work/x, https://arxiv.org/home/a and/or")
