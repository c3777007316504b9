"""Numeric arrays of MATLAB files, versions 4 and 5 (up to 7), read without trusting the bytes.

SciPy's reader is not used: on damaged files it can end the process. Only what data sets need is
read: real numeric arrays by name. Both formats are described in MathWorks, "MAT-File Format".
"""

import struct
import zlib

import numpy as np

_MATRIX, _COMPRESSED = 14, 15
# Types of stored numbers in version 5; they may be smaller than the type of the array.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8"}
_STORED[13] = "u8"
# Classes of arrays in version 5: doubles, singles and integers.
_NUMERIC = range(6, 16)
_OLD = ("f8", "f4", "i4", "i2", "u2", "u1")
_LARGEST = 2**28  # bytes of a compressed array


def read(content, names):
    """Arrays by name.

    Args:
        content: Bytes of the file.
        names: The names wanted.

    Returns:
        Dict of arrays, for the names that are there; in version 5 also those of arrays that are
        not numeric, as None.

    Raises:
        ValueError: If the bytes are no such file.
        struct.error, zlib.error: If they end too early, or the compressed ones are damaged.
    """
    if len(content) < 20:
        raise ValueError("it ends before its header")
    if content[126:128] in (b"IM", b"MI") and content[:4].isascii() and 0 not in content[:4]:
        order = "<" if content[126:128] == b"IM" else ">"
        return dict(_new_arrays(content[128:], order, names))
    return dict(_old_arrays(content, names))


def _new_arrays(content, order, names):
    """Pairs `(name, array)` of the elements of a file of version 5."""
    place = 0
    while place < len(content):
        kind, size = struct.unpack_from(f"{order}II", content, place)
        element = _cut(content, place + 8, size)
        place += 8 + size
        if kind == _COMPRESSED:
            inflate = zlib.decompressobj()
            element = inflate.decompress(element, _LARGEST)
            if not inflate.eof:
                raise ValueError("a compressed array ends too early")
            kind, size = struct.unpack_from(f"{order}II", element)
            element = _cut(element, 8, size)
        else:
            place += -size % 8
        if kind == _MATRIX:
            name, array = _matrix(element, order)
            if name in names:
                yield name, array


def _matrix(content, order):
    """Name and values of one array: flags, lengths, name, values, each an element."""
    (_, flags), place = _element(content, 0, order)
    (_, lengths), place = _element(content, place, order)
    (_, name), place = _element(content, place, order)
    flags = np.frombuffer(flags, f"{order}u4")[0]
    name = name.decode("ascii")
    # Bit 11: complex numbers.
    if flags & 0xFF not in _NUMERIC or flags & 0x0800:
        return name, None
    (kind, values), _ = _element(content, place, order)
    values = np.frombuffer(values, order + _STORED[kind])
    return name, _shaped(values, np.frombuffer(lengths, f"{order}i4"))


def _element(content, place, order):
    """`((type, bytes), place of the next one)`; up to four bytes stand in the header itself."""
    kind, size = struct.unpack_from(f"{order}II", content, place)
    if kind >> 16:
        kind, size = kind & 0xFFFF, kind >> 16
        if size > 4:
            raise ValueError(f"{size} bytes do not fit into a small element")
        return (kind, _cut(content, place + 4, size)), place + 8
    return (kind, _cut(content, place + 8, size)), place + 8 + size + -size % 8


def _old_arrays(content, names):
    """Pairs `(name, array)` of a file of version 4: headers of five integers, names, values."""
    # The first integer is below 10,000; read in the wrong order it is not.
    order = "<" if struct.unpack_from("<I", content)[0] < 10_000 else ">"
    place = 0
    while place < len(content):
        kind, rows, columns, imaginary, length = struct.unpack_from(f"{order}5i", content, place)
        # Thousands: byte order; tens: type of the numbers; ones: numbers, text or sparse.
        stored = kind // 10 % 10
        if kind // 1000 not in (0, 1) or kind // 100 % 10 or stored >= len(_OLD):
            raise ValueError(f"{kind} is no type of an array")
        if min(rows, columns, length) < 0 or imaginary not in (0, 1) or length < 1:
            raise ValueError("lengths of an array are negative")
        name = _cut(content, place + 20, length)[:-1].decode("ascii")
        place += 20 + length
        dtype = np.dtype(order + _OLD[stored])
        size = rows * columns * dtype.itemsize
        values = _cut(content, place, size)
        place += size * (1 + imaginary)
        if name in names and kind % 10 == 0 and not imaginary:
            yield name, _shaped(np.frombuffer(values, dtype), (rows, columns))


def _shaped(values, lengths):
    """Values in MATLAB's order, columns first, as an array."""
    lengths = [int(length) for length in lengths]
    if min(lengths, default=-1) < 0 or len(lengths) > 32:
        raise ValueError(f"an array cannot have the lengths {lengths}")
    return values.reshape(lengths, order="F")


def _cut(content, first, size):
    piece = content[first : first + size]
    if len(piece) < size:
        raise ValueError(f"expected {size} more bytes, received {len(piece)}")
    return piece
