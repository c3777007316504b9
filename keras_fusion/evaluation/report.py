"""A comparison as a page of Markdown."""

import os

from keras_fusion._files import whole_file
from keras_fusion.evaluation.comparison import Comparison


def markdown_report(comparison, path=None, title="Comparison", published=None):
    """A comparison as Markdown: what was measured, how sure the differences are, and on what.

    Args:
        comparison: `Comparison`.
        path: Optional path of a file to write, replaced as a whole. Defaults to `None`.
        title: String, the heading. Defaults to `"Comparison"`.
        published: Optional dictionary `{method: string}`: what a paper reports, for a column beside
            ours. Defaults to `None`.

    Returns:
        The text.

    Raises:
        ValueError: published values of methods that were not compared.

    Example:

    >>> import keras_fusion as kf
    >>> found = kf.evaluation.Comparison({"concat": [0.90, 0.91], "gmu": [0.95, 0.96]})
    >>> text = kf.evaluation.markdown_report(found, published={"gmu": "0.96"})
    >>> print(text.splitlines()[0])
    # Comparison
    """
    if not isinstance(comparison, Comparison):
        raise TypeError(f"comparison: expected a Comparison. Received: {comparison!r}")
    if path is not None and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise FileNotFoundError(f"path: expected a file in an existing folder. Received: {path!r}")
    published = published or {}
    unknown = [name for name in published if name not in comparison.scores]
    if unknown:
        raise ValueError(
            f"published: expected methods of {list(comparison.scores)}. Received: {unknown}"
        )
    head, *rows = comparison.table()
    if published:
        head = [*head, "published"]
        rows = [[*row, published.get(row[0], "")] for row in rows]
    lines = [f"# {title}", "", _about(comparison), "", *_table([head, *rows])]
    if comparison.environment:
        lines += ["", "Measured with " + _surroundings(comparison.environment) + "."]
    text = "\n".join(lines) + "\n"
    if path is not None:
        with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
    return text


def _about(comparison):
    tests = "differences and tests are"
    unit = "folds" if comparison.paired else "runs"
    text = (
        f"Scores: {comparison.metric}, mean over {unit} with Student interval "
        f"({100 * comparison.level:g} %)"
    )
    if len(comparison.scores) > 1:
        text += (
            f"; {tests} against `{comparison.reference}`, two-sided, probabilities corrected "
            "after Holm for the number of methods"
        )
    return text + "."


def _table(rows):
    head, *rest = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    marks = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(row)} |" for row in (head, marks, *rest)]


def _surroundings(environment):
    return ", ".join(f"{name} {value}" for name, value in environment.items() if value)
