"""Fusion models for serving: formats that other programs load without this package."""

from keras_fusion.exporting.formats import ExportReport, export
from keras_fusion.exporting.saved_model import export_saved_model

__all__ = ["ExportReport", "export", "export_saved_model"]
