"""A small network for texts, and the layer that turns texts into the numbers it takes."""

import keras
from keras import layers

from keras_fusion._checks import check_int, check_widths, plain_arguments
from keras_fusion.backbones._blocks import check_network, dense_block
from keras_fusion.layers import MaskedAverage


@plain_arguments
def text_vectorizer(texts, max_tokens=10000, length=None):
    """Turns texts into token ids; Keras runs it with TensorFlow only, whatever the backend.

    Use it before `text_encoder`, where TensorFlow is installed. There are two ways:

    - Any backend: call it on the texts, outside the model, and train on the ids, as fusion
      models do too. Keep the vocabulary beside the model (`get_vocabulary()`).
    - TensorFlow: put it in front of the encoder,
      `keras.Sequential([keras.Input((), dtype="string"), vectorizer, encoder])`; the .keras file
      and the SavedModel of that take strings and hold the vocabulary.

    Id 0 is padding, id 1 a word that is not in the vocabulary. An empty text is all padding.

    Args:
        texts: List or array of strings; the training texts only, or the test leaks.
        max_tokens: Integer from 3 up, size of the vocabulary with those two: the most frequent
            words. Defaults to `10000`.
        length: Optional positive integer, to which texts are cut or padded. Defaults to `None`, the
            longest of each call.

    Returns:
        An adapted `keras.layers.TextVectorization`, `(batch,)` to `(batch, length)`; its
        `vocabulary_size()` is the one to give to `text_encoder`.

    Raises:
        ValueError: no texts, or an argument out of its range.

    Example:

    >>> import keras_fusion as kf
    >>> vectorizer = kf.backbones.text_vectorizer(["Soft and warm.", "soft"], length=3)
    >>> vectorizer.vocabulary_size()  # padding, unknown, "soft", "warm", "and"
    5
    >>> vectorizer(["soft shirt", ""]).numpy().tolist()
    [[2, 1, 0], [0, 0, 0]]

    Reference:
        https://keras.io/api/layers/preprocessing_layers/text/text_vectorization
    """
    check_int("max_tokens", max_tokens, minimum=3)
    if length is not None:
        check_int("length", length)
    texts = list(texts)
    if not texts or not all(isinstance(text, str) for text in texts):
        kinds = sorted({type(text).__name__ for text in texts})
        raise ValueError(f"texts: expected one or more strings. Received: {kinds or 'none'}")
    vectorizer = layers.TextVectorization(
        max_tokens, output_sequence_length=length, name="text_vectorizer"
    )
    vectorizer.adapt(texts)
    return vectorizer


@plain_arguments
def text_encoder(
    vocabulary_size,
    length=None,
    embedding_units=64,
    hidden_units=(64,),
    num_classes=10,
    dropout=0.5,
    activation="softmax",
    name="text_encoder",
):
    """The mean of a text's word vectors, dense layers, the prediction.

    Use it for short texts such as reviews or titles; it takes token ids, as `text_vectorizer`
    or any tokenizer makes them, with 0 for padding, which counts for nothing. A text without any
    word has the mean 0, not NaN. Word order is ignored; for attention over the words tap the
    layer "embedding".

    Args:
        vocabulary_size: Integer from 2 up, number of ids, that of padding included.
        length: Optional positive integer, number of ids a text. Defaults to `None`, any number.
        embedding_units: Positive integer, size of a word vector. Defaults to `64`.
        hidden_units: Sequence of positive integers, one dense layer each (with batch normalization,
            ReLU and dropout). Defaults to `(64,)`.
        num_classes: Positive integer, units of the prediction, or `None` for a network without one.
            Defaults to `10`.
        dropout: Float between 0 and 1, the rate after every hidden layer. Defaults to `0.5`.
        activation: Activation of the prediction: "softmax", "sigmoid" or `None`. Defaults to
            `"softmax"`.
        name: String, name of the model. Defaults to `"text_encoder"`.

    Returns:
        A functional `keras.Model`, `(batch, length)` int32 to `(batch, num_classes)`.

    Raises:
        TypeError, ValueError: an argument out of its range.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> model = kf.backbones.text_encoder(1000, num_classes=3)
    >>> [point.shape for point in kf.fusion_points(model)]
    [(None,), (None, 64), (64,), (3,)]
    >>> model.predict(np.array([[4, 7, 0], [0, 0, 0]]), verbose=0).shape
    (2, 3)

    Reference:
        Iyyer et al. (2015), Deep Unordered Composition Rivals Syntactic Methods for Text
        Classification.
    """
    check_int("vocabulary_size", vocabulary_size, minimum=2)
    if length is not None:
        check_int("length", length)
    check_int("embedding_units", embedding_units)
    check_widths("hidden_units", hidden_units)
    check_network((), num_classes, dropout, activation)
    inputs = keras.Input((length,), dtype="int32", name="input")
    embedding = layers.Embedding(vocabulary_size, embedding_units, mask_zero=True, name="embedding")
    x = MaskedAverage(name="pooled")(embedding(inputs))
    for i, units in enumerate(hidden_units, start=1):
        x = dense_block(x, units, dropout, name=f"dense{i}")
    if num_classes is not None:
        x = layers.Dense(num_classes, activation=activation, name="prediction")(x)
    return keras.Model(inputs, x, name=name)
