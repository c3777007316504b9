"""Fusion models for others: formats that load without this package, and folders with a card."""

from keras_fusion.exporting._command import add_command
from keras_fusion.exporting.cards import save_with_card
from keras_fusion.exporting.formats import export, export_saved_model
from keras_fusion.exporting.report import ExportReport

# The other name is for the package's command line.
__all__ = ["ExportReport", "export", "export_saved_model", "save_with_card"]
