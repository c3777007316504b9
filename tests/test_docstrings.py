"""Every example in a docstring runs, every public name has one, and arguments are in Keras' words.

Examples are written for `>>>` (what they print is compared) or as a fenced ```python block (it
has to run). Both start from an empty namespace, as a reader does who copies them.
"""

import ast
import doctest
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import textwrap
import types

import keras
import pytest
from helpers.tiny import without_graphs

import keras_fusion

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FENCED = re.compile(r"^( *)```python\n(.*?)^ *```", re.M | re.S)
ARGS = re.compile(r"^(?:Args|Call arguments|Update arguments):\n((?:    .*\n|\n)+)", re.M)
ENTRY = re.compile(r"^    (\S.*?): ((?:.*\n)(?:(?:     .*)?\n)*)", re.M)
NOT_KERAS = re.compile(
    r"\b(?:Ints?|Bools?|Strs?|Dicts? of|List of ints)\b"  # Integer, Boolean, String, Dictionary
    r"|\bby default\b|\(default\)|, default\b|\b[Dd]efault (?:[`\"\d-]|None)"  # Defaults to
)
BACKENDS = {"TensorFlow": "tensorflow", "JAX": "jax", "PyTorch": "torch"}


def modules():
    """The package and everything in it, by name, unless an optional package is missing."""
    found = {"keras_fusion": keras_fusion}
    for info in pkgutil.walk_packages(keras_fusion.__path__, "keras_fusion."):
        try:
            found[info.name] = importlib.import_module(info.name)
        except ModuleNotFoundError as error:
            if not missing(error):
                raise
    return dict(sorted(found.items()))


def missing(error):
    """The optional package that is not installed and therefore raised `error`, or None."""
    while error is not None:
        name = (getattr(error, "name", None) or "").partition(".")[0]
        if isinstance(error, ImportError) and name and importlib.util.find_spec(name) is None:
            return name
        error = error.__cause__ or error.__context__
    return None


def docstrings():
    """One doctest (it may have no examples) for every docstring of the package."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = [test for module in MODULES.values() for test in finder.find(module, globs={})]
    return sorted(tests, key=lambda test: test.name)


def only_on(docstring):
    """The backends the docstring's first paragraph restricts it to ("TensorFlow only"), or all."""
    summary = docstring.strip().split("\n\n")[0]
    if re.search(r"\bonly\b", summary):
        named = {backend for word, backend in BACKENDS.items() if word in summary}
        return named or set(BACKENDS.values())
    return set(BACKENDS.values())


def fenced(docstring):
    """The source of every fenced block of Python in a docstring."""
    return [textwrap.dedent(match[2]) for match in FENCED.finditer(docstring)]


def run(test):
    """Runs the examples of a docstring; the first that fails raises."""
    name = f"<{test.name}>"
    for source in fenced(test.docstring):
        exec(compile(source, name, "exec"), {"__name__": "__main__"})
    try:
        doctest.DebugRunner(optionflags=FLAGS).run(test, clear_globs=False)
    except doctest.DocTestFailure as failure:
        pytest.fail(
            f"{name}: {failure.example.source}expected:\n{failure.example.want}"
            f"received:\n{failure.got}",
            pytrace=False,
        )
    except doctest.UnexpectedException as error:
        raise error.exc_info[1] from None


def functions():
    """`(name, docstring, function that takes its arguments)` of all that is defined here."""
    for module in MODULES.values():
        for value in vars(module).values():
            if getattr(value, "__module__", None) != module.__name__:
                continue
            name = f"{module.__name__}.{value.__name__}"
            if inspect.isfunction(value):
                yield name, value.__doc__, value
            elif inspect.isclass(value):
                yield name, value.__doc__, value.__init__
                for method in filter(inspect.isfunction, vars(value).values()):
                    yield f"{name}.{method.__name__}", method.__doc__, method


def faults(docstring, function):
    """What is not in Keras' words in the `Args` of a docstring, or is no default of `function`."""
    found, parameters = [], inspect.signature(function).parameters
    for section in ARGS.findall(inspect.cleandoc(docstring) + "\n"):
        for name, text in ENTRY.findall(section):
            text = " ".join(text.split())
            found += [f"{name}: {words!r}" for words in NOT_KERAS.findall(text)]
            default = getattr(parameters.get(name), "default", inspect.Parameter.empty)
            # An entry for several arguments, or one that points elsewhere, says no defaults.
            if default is inspect.Parameter.empty or re.match("See |As (for|in) ", text):
                continue
            said = re.search(r"Defaults to (`[^`]*`)?", text)
            if said and said[1] and literal(said[1]) not in (default, said[1]):
                found.append(f"{name}: says that it defaults to {said[1]}, not to {default!r}")
            elif not said or (default is not None and not said[1]):
                found.append(f'{name}: expected "Defaults to `{default!r}`."')
    return found


def literal(quoted):
    """The value in backticks; what is no literal, such as a formula, as it is."""
    try:
        return ast.literal_eval(quoted.strip("`"))
    except (SyntaxError, ValueError):
        return quoted


def has_example(docstring):
    """Whether a section `Example` holds code that is run."""
    _, found, section = re.sub(r"(?m)^\s*Examples?:\s*$", "\0", docstring, count=1).partition("\0")
    examples = doctest.DocTestParser().get_examples(section)
    runs = [example for example in examples if not example.options.get(doctest.SKIP)]
    return bool(found and (runs or fenced(section)))


MODULES = modules()
WITH_EXAMPLES = [test for test in docstrings() if test.examples or fenced(test.docstring)]
PUBLIC = sorted(
    f"{module}.{name}"
    for module, loaded in MODULES.items()
    if not any(part.startswith("_") for part in module.split("."))
    for name in getattr(loaded, "__all__", ())
    if name != "__version__"
)


@pytest.mark.parametrize("test", WITH_EXAMPLES, ids=lambda test: test.name)
def test_example(test, tmp_path, monkeypatch):
    if keras.backend.backend() not in only_on(test.docstring):
        pytest.skip(f"only on {', '.join(sorted(only_on(test.docstring)))}, says its docstring")
    if "KERAS_FUSION_DATA" in test.docstring and not os.environ.get("KERAS_FUSION_DATA"):
        pytest.skip("KERAS_FUSION_DATA is not set, and tests do not download")
    monkeypatch.chdir(tmp_path)
    without_graphs(monkeypatch)
    try:
        run(test)
    except FileNotFoundError as error:
        if not test.name.startswith("keras_fusion.datasets."):
            raise
        pytest.skip(f"not among the data sets here: {error}")
    except ImportError as error:
        if not missing(error):
            raise
        pytest.skip(f"{missing(error)} is not installed")


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_has_an_example(name):
    module, _, attribute = name.rpartition(".")
    value = getattr(MODULES[module], attribute)
    if isinstance(value, types.ModuleType):
        assert value.__doc__
    elif inspect.isroutine(value) or inspect.isclass(value):
        assert value.__doc__ and has_example(inspect.cleandoc(value.__doc__))
        # An example is run where the object is defined.
        assert value.__module__ in MODULES


@pytest.mark.parametrize("module", sorted({name.split(".")[1] for name in MODULES if "." in name}))
def test_arguments_are_described_in_the_words_of_keras(module):
    described = [x for x in functions() if x[0].split(".")[1] == module and x[1]]
    found = {name: faults(doc, function) for name, doc, function in described}
    assert not {name: lines for name, lines in found.items() if lines}


def test_the_package_lists_its_public_names():
    assert keras_fusion.__all__
    for module in MODULES.values():
        if hasattr(module, "__path__"):
            assert module.__all__, f"{module.__name__} has no __all__"


def make_test(docstring):
    return doctest.DocTestParser().get_doctest(docstring, {}, "made_up", None, 0)


def test_good_example_passes():
    run(make_test(">>> import math\n>>> math.pi\n3.14...\n\n```python\nassert True\n```\n"))


@pytest.mark.parametrize(
    ("docstring", "error"),
    [
        (">>> 1 + 1\n3\n", pytest.fail.Exception),
        (">>> keras_fusion\n", NameError),
        ("    ```python\n    assert 1 == 2\n    ```\n", AssertionError),
    ],
)
def test_bad_example_is_seen(docstring, error):
    with pytest.raises(error):
        run(make_test(docstring))


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Does.\n\nExample:\n\n>>> 1\n1\n", True),
        ("Does.\n\nExamples:\n\n```python\n1\n```\n", True),
        ("Does.\n\n>>> 1\n1\n", False),
        ("Does.\n\nExample:\n\nSee the README.\n", False),
        ("Does.\n\nExample:\n\n>>> f()  # doctest: +SKIP\n", False),
    ],
)
def test_missing_example_is_seen(docstring, expected):
    assert has_example(docstring) is expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("units: Positive integer. Defaults to `32`.", []),
        ("rate: Float. Defaults\n            to `0.5`, the paper's.", []),
        ("name: Optional string. Defaults to that of the model.", []),
        ("units, rate: See `Dense`.", []),
        ("units: See `Dense`.", []),
        ("count: Positive integer.", []),
        ("units: Int >= 1. Defaults to `32`.", ["units: 'Int'"]),
        ("units: Integer, 32 by default. Defaults to `32`.", ["units: 'by default'"]),
        ("units: Integer.", ['units: expected "Defaults to `32`."']),
        ("units: Integer. Defaults to many.", ['units: expected "Defaults to `32`."']),
        ("units: Integer. Defaults to `3`.", ["units: says that it defaults to `3`, not to 32"]),
    ],
)
def test_words_and_defaults_of_an_argument(entry, expected):
    def function(count, units=32, rate=0.5, name=None):
        pass

    assert (
        faults(f"Does.\n\n    Args:\n        {entry}\n\n    Returns:\n        It.\n", function)
        == expected
    )


def test_backend_in_the_first_paragraph():
    assert only_on("Makes a\nSavedModel (TensorFlow only).\n\nJAX.") == {"tensorflow"}
    assert only_on("TensorFlow and JAX only.") == {"tensorflow", "jax"}
    assert only_on("The only gate.") == set(BACKENDS.values())
    assert only_on("Makes a gate.\n\nTensorFlow only.") == set(BACKENDS.values())
