"""Sound: from a file to a spectrogram, with NumPy or inside tf.data.

Needs `pip install keras_fusion[audio]` (soundfile, SciPy) where files are read or resampled and
for spectrograms. With the extra `tfio`, `spectrogram_dataset` decodes, resamples and transforms
through tensorflow-io.
"""

from keras_fusion.datasets.audio.reading import read
from keras_fusion.datasets.audio.signals import centered, mix, resample, trim
from keras_fusion.datasets.audio.spectrograms import spectrogram
from keras_fusion.datasets.audio.tensors import spectrogram_dataset

__all__ = [
    "centered",
    "mix",
    "read",
    "resample",
    "spectrogram",
    "spectrogram_dataset",
    "trim",
]
