"""Fusion models for serving: formats that other programs load without this package."""

from keras_fusion.export.saved_model import export_saved_model

__all__ = ["export_saved_model"]
