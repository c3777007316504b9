"""One page of HTML to look at: a trained model, or a comparison."""

from keras_fusion.reporting.pages import report

__all__ = ["report"]
