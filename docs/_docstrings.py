"""Keras' dialect of docstrings, where Sphinx reads it otherwise."""

import re

_SECTION = re.compile(
    r"^(Args|Attributes|Call arguments|Update arguments|Input shape|Output shape|Returns|Raises|"
    r"Examples?|Reference):$"
)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)(?=(\w?))")
_MARKUP = re.compile(r"(\|(?=\S)|\*(?=[\w*])|(?<=\w)_(?!\w))")


def process(app, what, name, value, options, lines):
    """Makes reStructuredText of a docstring: a handler of autodoc, before napoleon's."""
    made, section, is_block = [], None, False
    iterator = iter(_joined(lines))
    for line in iterator:
        indent = len(line) - len(line.lstrip())
        if _SECTION.match(line):
            section = line
        if line.strip().startswith("```"):
            made += _fence(line, indent, iterator)
            continue
        if line.strip():
            if section is None and indent >= 4 and not is_block:  # an equation
                made += ["::", ""] if not made or not made[-1].strip() else []
                is_block = True
            elif indent < 4:
                is_block = False
        is_code = is_block or (section or "").startswith("Example") or ">>>" in line
        made.append(line if is_code else _text(line))
    lines[:] = made


def _joined(lines):
    """Names of arguments that go on in the next line, in one."""
    joined = []
    for line in lines:
        if joined and re.match(r" {4}[\w, ]+,$", joined[-1]) and line.startswith("     "):
            joined[-1] += " " + line.lstrip()
        else:
            joined.append(line)
    return joined


def _text(line):
    """Backquotes mean code, and other marks nothing."""
    parts, last = [], 0
    for match in _CODE.finditer(line):
        ends = "\\ " if match[2] else ""
        parts += [_MARKUP.sub(r"\\\1", line[last : match.start()]), f"``{match[1]}``{ends}"]
        last = match.end()
    return "".join([*parts, _MARKUP.sub(r"\\\1", line[last:])])


def _fence(line, indent, iterator):
    language = line.strip().strip("`") or "text"
    body = []
    for inner in iterator:
        if inner.strip() == "```":
            break
        body.append("    " + inner if inner.strip() else "")
    return [f"{' ' * indent}.. code-block:: {language}", "", *body, ""]
