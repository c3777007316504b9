"""What an export tells of what it wrote."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportReport:
    """What `export` wrote; printed it is a line.

    Attributes:
        path: Of the file or folder.
        format: Of `FORMATS`.
        signatures: Tuple of names; of ONNX and LiteRT "serving_default" alone.
        max_difference: The largest difference from Keras' predictions; where these are above 1,
            divided by the largest of them.
        tolerance: What it was compared with.
        size: In bytes.

    Example:

    >>> from keras_fusion.exporting import ExportReport
    >>> print(ExportReport("m.onnx", "onnx", ("serving_default",), 6e-8, 1e-4, 20480))
    onnx: m.onnx, 20 kB, differs from Keras by at most 6.0e-08 (allowed: 1e-04)
    """

    path: str
    format: str
    signatures: tuple
    max_difference: float
    tolerance: float
    size: int

    def __str__(self):
        return (
            f"{self.format}: {self.path}, {self.size / 1024:,.0f} kB, differs from Keras by at "
            f"most {self.max_difference:.1e} (allowed: {self.tolerance:.0e})"
        )
