"""README and the site's pages are true: their code runs, and nothing names a machine."""

import re
import subprocess
from pathlib import Path

import keras
import pytest

import keras_fusion

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
TEXTS = {page.stem: page.read_text(encoding="utf-8") for page in PAGES}
# A comment on the line before a block keeps it to one backend: <!-- tensorflow only -->
BLOCK = re.compile(r"(?:^<!-- (\w+) only -->\n)?^```python\n(.*?)^```", re.M | re.S)
MACHINE = re.compile(r"(?<![\w.~-])/(?:home|root|work|Users|opt|mnt)/\w|\b[A-Z]:\\Users\\")
REGISTRY = re.compile(
    r"--(?:extra-)?index[-]url|--find[-]links|\bPIP_(?:EXTRA_)?INDEX|\bPIP_FIND"
    r"|://[^\s\"')]*/simple\b|://(?:test\.|files\.)?(?:pypi|pythonhosted)\b"
)

BEGINNING, *PARTS = re.split("^## ", TEXTS["works_with"], flags=re.M)
SECTIONS = dict(part.split("\n", 1) for part in PARTS)


def blocks(text):
    """`(backend or None, source)` of every block; tracebacks show the lines of the README."""
    return [(m[1], "\n" * text.count("\n", 0, m.start(2)) + m[2]) for m in BLOCK.finditer(text)]


def machine_names(text):
    """The lines that name a folder of some machine or the address of a registry."""
    return [line for line in text.splitlines() if MACHINE.search(line) or REGISTRY.search(line)]


def execute(name, text, namespace):
    for backend, source in blocks(text):
        if backend in (None, keras.backend.backend()):
            exec(compile(source, f"{name}.md", "exec"), namespace)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("README", "index") else pytest.mark.slow)
        for name, text in TEXTS.items()
        if name != "works_with" and blocks(text)
    ],
)
def test_code_runs(name, tmp_path, monkeypatch):
    if name != "README" and keras.backend.backend() != "tensorflow":
        pytest.skip("the site is built on TensorFlow")
    monkeypatch.chdir(tmp_path)
    execute(name, TEXTS[name], {"__name__": "__main__"})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # others' code
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the site is on TensorFlow")
@pytest.mark.parametrize("title", list(SECTIONS))
def test_works_with(title, tmp_path, monkeypatch):
    for package in re.findall(r"^import (\w+)", SECTIONS[title], re.M):
        if pytest.importorskip(package).__file__ is None:
            pytest.skip(f"{package} is not installed")  # a folder of these tests has its name
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for text in (BEGINNING, SECTIONS[title]):
        execute("works_with", text, namespace)


@pytest.mark.parametrize("name", list(TEXTS))
def test_names_exist(name):
    if "kf.tuning" in TEXTS[name]:
        pytest.importorskip("keras_tuner")
    for path in re.findall(r"(?<![\w/])(?:kf|keras_fusion)((?:\.[A-Za-z_]\w*)+)", TEXTS[name]):
        value = keras_fusion
        for part in path[1:].split("."):
            assert hasattr(value, part), f"keras_fusion{path} does not exist"
            value = getattr(value, part)


def test_commands():
    # .ci/run runs every line with this beginning: they have to stand alone, the tests last.
    lines = TEXTS["README"].splitlines()
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
    for root in ("home", "root", "work"):
        assert machine_names(f'open("/{root}/someone/x.npz")')
    assert machine_names("pip install --" + "index-url x")
    assert machine_names("http://localhost/pypi/" + "simple/")
    assert not machine_names("examples/home/x.py, ~/work/x, https://arxiv.org/home/a and/or")
