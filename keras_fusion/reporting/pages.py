"""`report`: what a model or a comparison has to show, as one file of HTML."""

import os
import shlex
import sys

import keras

from keras_fusion._checks import check_int
from keras_fusion._files import whole_file
from keras_fusion.evaluation import Comparison, environment
from keras_fusion.models import FusionModel
from keras_fusion.models.fusion_model import check_inputs
from keras_fusion.reporting._comparison import comparison_sections
from keras_fusion.reporting._model import model_sections
from keras_fusion.reporting._sections import Section, table


def report(
    model, data=None, path="report.html", *, callbacks=(), classes=None, title=None, batch_size=32
):
    """Writes a page of HTML that shows what a trained model does, or what a comparison found.

    Use it to look at a model instead of reading numbers: the fusion graph, the scores of every head
    and of each modality alone, the fusion weights, all subsets of the modalities (of models built
    with `missing_modalities`), growing noise, balance, confusion, calibration, the samples on which
    the modalities disagree, and what it was made with. What a model or its data cannot show, the
    page says. It is one file without scripts that asks for nothing else, in light and in dark.

    Args:
        model: Compiled `FusionModel`; or a `Comparison`, which needs no data.
        data: Tuple `(x, y)` of arrays that were not trained on, as for `evaluate`; or a dictionary
            with such a tuple under "test", as `keras_fusion.datasets` return it. Defaults to
            `None`, for a `Comparison`.
        path: Path of the file to write, replaced as a whole. Defaults to `"report.html"`.
        callbacks: Sequence of the `FusionWeightsHistory` and `ModalityBalance` that `fit` was
            given, which are drawn as well. Defaults to `()`.
        classes: Optional sequence of strings, the names of the classes. Defaults to `None`, their
            numbers.
        title: Optional string, the heading. Defaults to the model's name.
        batch_size: Positive integer, as for `evaluate`. Defaults to `32`.

    Returns:
        The path, a string.

    Raises:
        TypeError: what is neither a model nor a comparison, or data that are no arrays.
        ValueError: a model that is not compiled, or inputs that are missing.
        OSError: if `path` cannot be written.
        ImportError: if Jinja2, matplotlib, or SciPy for a comparison, is not installed.

    Example:

    >>> import keras_fusion as kf
    >>> found = kf.evaluation.Comparison({"concat": [0.90, 0.91], "gmu": [0.95, 0.96]})
    >>> kf.report(found, path="found.html")
    'found.html'

    Of a model: `kf.report(model, (x_test, y_test), "report.html")`.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path: expected the path of a file. Received: {path!r}")
    path = os.fspath(path)
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise FileNotFoundError(f"path: expected a file in an existing folder. Received: {path!r}")
    if title is not None and not isinstance(title, str):
        raise TypeError(f"title: expected a string. Received: {title!r}")
    if isinstance(model, Comparison):
        if data is not None:
            raise TypeError(
                f"data: expected None with a Comparison. Received: {type(data).__name__}"
            )
        about, sections = comparison_sections(model)
        used = model.environment or environment()
        title = "Comparison" if title is None else title
    else:
        x, y = _checked(model, data)
        callbacks, classes = _checked_callbacks(callbacks), _checked_classes(classes)
        check_int("batch_size", batch_size)
        _jinja()  # before minutes of scoring
        about, sections = model_sections(model, x, y, callbacks, classes, batch_size)
        used = environment()
        title = model.name if title is None else title
    rows = [[name, str(value)] for name, value in used.items() if value]
    made = Section("Made with", [_command()], tables=[table(["", ""], rows)], code=True)
    page = _jinja().get_template("page.html")
    text = page.render(title=title, about=about, sections=[*sections, made])
    with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _jinja():
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            'report needs Jinja2, which is not installed: pip install "keras_fusion[report]"'
        ) from error
    # Names of modalities and classes may be anything, `<digits>` too.
    return jinja2.Environment(
        loader=jinja2.PackageLoader("keras_fusion.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _command():
    """How Python was started, without the folders of this machine."""
    start, *rest = sys.orig_argv
    names = [os.path.basename(word) if os.path.isabs(word) else word for word in (start, *rest)]
    return shlex.join(names)


def _checked(model, data):
    if not isinstance(model, FusionModel):
        raise TypeError(
            f"model: expected a FusionModel or a Comparison. Received: {type(model).__name__}"
        )
    if not model.compiled:
        raise ValueError(f'model: expected a compiled model. Received: "{model.name}"')
    if isinstance(data, dict) and "test" in data:
        data = data["test"]
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(
            f"data: expected (x, y) of arrays, or a dict with it under 'test'. Received: "
            f"{type(data).__name__}"
        )
    x, y = data
    if not isinstance(x, dict):
        raise TypeError(f"data: expected x as a dict of arrays. Received: {type(x).__name__}")
    check_inputs(x, model.input)
    return keras.tree.map_structure(_as_array, (x, y))


def _as_array(value):
    return keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value


def _checked_callbacks(callbacks):
    known = ("epochs", "gradient_norms"), ("epochs", "weights", "logs")
    if not isinstance(callbacks, (list, tuple)) or not all(
        any(all(hasattr(callback, name) for name in names) for names in known)
        for callback in callbacks
    ):
        raise TypeError(
            "callbacks: expected a list of FusionWeightsHistory and ModalityBalance. "
            f"Received: {callbacks!r}"
        )
    return callbacks


def _checked_classes(classes):
    if classes is None:
        return None
    is_sequence = hasattr(classes, "__len__") and not isinstance(classes, str)
    if not is_sequence or not all(isinstance(name, str) for name in classes):
        raise TypeError(f"classes: expected a sequence of strings. Received: {classes!r}")
    return list(classes)
