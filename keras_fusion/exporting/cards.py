"""A model as a folder to share, as on the Hugging Face Hub: what Keras loads, and a card."""

import os

from keras_fusion.exporting import _card, _files
from keras_fusion.models import FusionModel


def save_with_card(model, folder, data=None):
    """Writes a fusion model as a folder to share: the unpacked form of `.keras`, and a model card.

    Use it for the Hugging Face Hub, from which `keras.saving.load_model("hf://owner/name")` reads
    such folders. The card, `README.md`, says what the model takes and predicts, where the
    modalities meet, the fusion weights, how to load it, and what it was made with. What only its
    author knows, as the licences of the weights and of the data, is marked "[fill in]".

    Nothing is uploaded. When the card is complete, `huggingface_hub.upload_folder` does it, see
    `docs/sharing.md`; Keras' own upload, `model.save("hf://...")`, would write another card.

    Args:
        model: `FusionModel`.
        folder: String or path object, a folder that does not exist yet or is empty. It appears
            when all is written, or not at all.
        data: Optional tuple `(x, y)` or `(x, y, sample_weight)` of arrays as for `evaluate`, best
            those of a test set, for the scores of every head in the card, of every subset of the
            modalities where the model was built with `missing_modalities=True`, and for fusion
            weights that depend on the sample. Defaults to `None`.

    Raises:
        TypeError: not a fusion model, or data of another kind.
        ValueError: a folder that has files or cannot be written, data that do not fit, or a model
            that is not compiled although there are data.

    Example:

    >>> import os, tempfile
    >>> import keras
    >>> import keras_fusion as kf
    >>> model = kf.build_centralnet([kf.backbones.mlp(4), kf.backbones.mlp(6)])
    >>> folder = os.path.join(tempfile.mkdtemp(), "shared")
    >>> kf.save_with_card(model, folder)
    >>> sorted(os.listdir(folder))[:4]
    ['README.md', 'assets', 'config.json', 'metadata.json']
    >>> keras.saving.load_model(folder).name
    'centralnet'
    """
    if not isinstance(model, FusionModel):
        raise TypeError(f"model: expected a FusionModel. Received: {type(model).__name__}")
    is_data = isinstance(data, (tuple, list)) and len(data) in (2, 3) and isinstance(data[0], dict)
    if data is not None and not is_data:
        raise TypeError(
            "data: expected (x, y) or (x, y, sample_weight), where x is a dict, or None. "
            f"Received: {data!r:.80}"
        )
    folder = _files.absolute(folder, "folder")
    if folder.endswith(".keras"):
        raise ValueError(f"folder: expected no file name, as of a .keras. Received: {folder}")
    _files.new_folder(folder, "folder")
    text = _card.text_of(model, data)
    with _files.appears(folder, "folder") as unfinished:  # absolute, or Keras loses the assets
        model.save(unfinished, zipped=False)
        with open(os.path.join(unfinished, "README.md"), "w", encoding="utf-8") as file:
            file.write(text)
