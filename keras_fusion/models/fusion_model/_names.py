"""Names that work everywhere: layers, losses and exported functions are named after them."""

import re

# TensorFlow's rule for scopes, without the backslash, which it then refuses in a node's name.
_CHARACTERS = r"[A-Za-z0-9_.>/-]+"
_WORDS = "letters from A to Z, digits and the signs _ . - >"


def check_names(label, names):
    """An error for names that TensorFlow refuses as scopes; some only in the midst of `fit`."""
    for name in names:
        if not re.fullmatch(_CHARACTERS, str(name)):
            raise ValueError(
                f"{label}: expected names of {_WORDS}, the others are no scopes of TensorFlow. "
                f"Received: {name!r}"
            )


def check_first_names(label, names):
    """`check_names` for what stands in front, where TensorFlow wants a letter, a digit or a dot."""
    check_names(label, names)
    for name in names:
        if name[0] in "_->/":
            raise ValueError(
                f"{label}: expected names that begin with a letter, a digit or a dot. "
                f"Received: {name!r}"
            )
