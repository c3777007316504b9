"""Fusion models for serving: formats that other programs load without this package.

`keras_fusion.export` is this room and, called, its main function: `kf.export(model, path)`.
`python -m keras_fusion.export` does the same to a .keras file.
"""

import sys
import types

from keras_fusion.export.formats import ExportReport, export
from keras_fusion.export.saved_model import export_saved_model

__all__ = ["ExportReport", "export", "export_saved_model"]


class _CallableRoom(types.ModuleType):
    # The verb users expect, `kf.export(...)`, has the name of the room: so the room is callable.
    __call__ = staticmethod(export)


sys.modules[__name__].__class__ = _CallableRoom
