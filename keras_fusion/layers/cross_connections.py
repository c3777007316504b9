"""XFlow's two connections, which take what one stream knows to a stream of another dimension."""

import keras
from keras import layers

from keras_fusion.layers._pipeline import (
    Pipeline,
    check_bool,
    check_int,
    check_norm_and_dropout,
    pair,
)


@keras.saving.register_keras_serializable(package="keras_fusion")
class CrossConnection2D1D(Pipeline):
    """Takes maps to a vector: from a 2-D stream to a 1-D one.

    Use it between a convolutional network and one of dense layers, its output concatenated with
    the other stream's vector (a cross-connection, which reads a hidden layer), or added to it (a
    residual connection, which reads the raw input). `build_xflow` places both for you.

    With `filters` it is the paper's cross-connection, PReLU(W flatten(PReLU(X * K + b_K)) + b),
    where K is a 1x1 convolution (Fig. 3, upper left); with `pool_size` instead its residual
    connection, PReLU(W flatten(maxpool(X)) + b) (Fig. 3, upper right); with both, pooling is
    first. The paper gives no such formula, and leaves out the PReLU's sharing (here as in the
    networks of its Table III: none, one slope per element, at the start 0 as for ReLU) and the
    batch normalization and dropout that its first model has inside the connections.

    Args:
        units: Positive integer, width of the output. In a residual connection that of the other
            stream.
        filters: Positive integer, of the 1x1 convolution; None: no convolution. The paper uses the
            number of channels that come in. Defaults to `None`.
        pool_size: Positive integer or two of them, windows (rows, columns) of max-pooling without
            padding; None: no pooling. Defaults to `None`.
        strides: The same for its strides; None is `pool_size`. Defaults to `None`.
        batch_norm: Boolean: batch normalization after the convolution's PReLU. Defaults to `False`.
        dropout: Float in [0, 1), before flattening. Defaults to `0.0`.
        momentum: Float in [0, 1), of the batch normalization's moving averages. Defaults to `0.99`.
        seed: Optional integer, of the dropout. Defaults to `None`.
        **kwargs: `name`, `dtype` and the other arguments of every Keras layer.

    Call arguments:
        inputs: Tensor of maps.
        training: Optional boolean, whether dropout drops and batch statistics are used.

    Input shape:
        `(batch, height, width, channels)`, all but the batch fixed: the weights depend on it.

    Output shape:
        `(batch, units)`.

    Raises:
        ValueError: an argument out of its range, or an input that is no map of fixed size or
            smaller than the pooling window.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> maps = np.ones((2, 8, 6, 3), "float32")
    >>> tuple(kf.layers.CrossConnection2D1D(units=5, filters=3)(maps).shape)
    (2, 5)
    >>> residual = kf.layers.CrossConnection2D1D(units=5, pool_size=4, strides=(4, 2))
    >>> tuple(residual(maps).shape)
    (2, 5)

    Reference:
        Cangea et al. (2017), XFlow: Cross-modal Deep Neural Networks for Audiovisual
        Classification, Sect. II-A and II-C, Fig. 3.
    """

    rank = 4
    expected = "maps (batch, height, width, channels)"

    def __init__(
        self,
        units,
        filters=None,
        pool_size=None,
        strides=None,
        batch_norm=False,
        dropout=0.0,
        momentum=0.99,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        units = check_int("units", units)
        if filters is not None:
            filters = check_int("filters", filters)
        if batch_norm and filters is None:
            raise ValueError(
                "batch_norm: expected together with filters, whose convolution it follows. "
                f"Received: batch_norm={batch_norm!r}, filters=None"
            )
        if strides is not None and pool_size is None:
            raise ValueError(
                f"strides: expected together with pool_size. Received: strides={strides!r}, "
                "pool_size=None"
            )
        batch_norm, dropout, momentum, seed = check_norm_and_dropout(
            batch_norm, dropout, momentum, seed
        )
        self.units = units
        self.filters = filters
        self.pool_size = pair("pool_size", pool_size)
        self.strides = pair("strides", strides)
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.momentum = momentum
        self.seed = seed
        self.pipeline = self._make()

    def _make(self):
        own, found = self._own, []
        if self.pool_size is not None:
            sizes = {"pool_size": self.pool_size, "strides": self.strides}
            found.append(own(layers.MaxPooling2D, "pool", **sizes))
        if self.filters is not None:
            sizes = {"filters": self.filters, "kernel_size": 1, "padding": "same"}
            found.append(own(layers.Conv2D, "conv", **sizes))
            found.append(own(layers.PReLU, "conv_prelu"))
        if self.batch_norm:
            found.append(self._norm("conv_bn"))
        if self.dropout:
            found.append(own(layers.Dropout, "dropout", rate=self.dropout, seed=self.seed))
        found.append(own(layers.Flatten, "flatten"))
        found.append(own(layers.Dense, "dense", units=self.units))
        found.append(own(layers.PReLU, "dense_prelu"))
        return found

    def _checked(self, shape):
        shape = super()._checked(shape)
        if self.pool_size is not None and (
            shape[1] < self.pool_size[0] or shape[2] < self.pool_size[1]
        ):
            raise ValueError(
                f"pool_size: expected a window not larger than the maps of {shape[1]}x{shape[2]}. "
                f"Received: {self.pool_size}"
            )
        return shape

    def compute_output_shape(self, input_shape):
        self._checked(input_shape)
        return (input_shape[0], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "filters": self.filters,
            "pool_size": self.pool_size,
            "strides": self.strides,
            "batch_norm": self.batch_norm,
            "dropout": self.dropout,
            "momentum": self.momentum,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="keras_fusion")
class CrossConnection1D2D(Pipeline):
    """Takes a vector to maps: from a 1-D stream to a 2-D one.

    Use it between a network of dense layers and a convolutional one, its output concatenated
    with the other stream's maps (a cross-connection, which reads a hidden layer) or added to them
    (a residual connection, which reads the raw input). `build_xflow` places both for you.

    Both are (Sect. II-A-2, Fig. 3, bottom; PReLU as Sect. II-C says)

        PReLU(reshape(PReLU(W x + b)) * K)

    with the transposed convolution K, k x k, stride 1, without padding, from one channel to all:
    to arrive at height x width, the dense layer has (height - k + 1) (width - k + 1) units. The
    paper leaves out the PReLU's sharing (here as in the networks of its Table III: none, one
    slope per element, at the start 0 as for ReLU) and the batch normalization and dropout that
    its first model has inside the connections.

    Args:
        target_shape: Three ints >= 1, (height, width, channels) of the output.
        kernel_size: Positive integer, the k above, not above height or width; None: half of the
            smaller of them. The paper's networks have 4 to 32, a quarter of the smaller side to
            almost three quarters. Defaults to `None`.
        batch_norm: Boolean: batch normalization after the dense layer's PReLU. Defaults to `False`.
        dropout: Float in [0, 1), before the reshape. Defaults to `0.0`.
        output_batch_norm: Boolean: batch normalization of the output. Defaults to `False`.
        momentum: Float in [0, 1), of the batch normalizations' moving averages. Defaults to `0.99`.
        seed: Optional integer, of the dropout. Defaults to `None`.
        **kwargs: `name`, `dtype` and the other arguments of every Keras layer.

    Call arguments:
        inputs: Tensor of vectors.
        training: Optional boolean, whether dropout drops and batch statistics are used.

    Input shape:
        `(batch, features)`.

    Output shape:
        `(batch, height, width, channels)`.

    Raises:
        ValueError: an argument out of its range, or an input that is no vector.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> connection = kf.layers.CrossConnection1D2D(target_shape=(40, 30, 16), kernel_size=8)
    >>> tuple(connection(np.ones((2, 128), "float32")).shape)
    (2, 40, 30, 16)
    >>> connection.pipeline[0].units  # 33 x 23, as in the paper's Table I
    759

    Reference:
        Cangea et al. (2017), XFlow: Cross-modal Deep Neural Networks for Audiovisual
        Classification, Sect. II-A and II-C, Fig. 3, Tables I and II.
    """

    rank = 2
    expected = "vectors (batch, features)"

    def __init__(
        self,
        target_shape,
        kernel_size=None,
        batch_norm=False,
        dropout=0.0,
        output_batch_norm=False,
        momentum=0.99,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(target_shape, (tuple, list)) or len(target_shape) != 3:
            raise ValueError(
                f"target_shape: expected (height, width, channels). Received: {target_shape!r}"
            )
        target_shape = tuple(check_int("target_shape", size) for size in target_shape)
        smaller = min(target_shape[:2])
        if kernel_size is not None:
            kernel_size = check_int("kernel_size", kernel_size)
            if kernel_size > smaller:
                raise ValueError(
                    f"kernel_size: expected an int not above height and width of the target, "
                    f"{target_shape[:2]}. Received: {kernel_size}"
                )
        batch_norm, dropout, momentum, seed = check_norm_and_dropout(
            batch_norm, dropout, momentum, seed
        )
        output_batch_norm = check_bool("output_batch_norm", output_batch_norm)
        self.target_shape = target_shape
        self.kernel_size = kernel_size
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.output_batch_norm = output_batch_norm
        self.momentum = momentum
        self.seed = seed
        self.pipeline = self._make(kernel_size or max(1, smaller // 2))

    def _make(self, kernel_size):
        own = self._own
        height, width, channels = self.target_shape
        small = (height - kernel_size + 1, width - kernel_size + 1)
        found = [own(layers.Dense, "dense", units=small[0] * small[1])]
        found.append(own(layers.PReLU, "dense_prelu"))
        if self.batch_norm:
            found.append(self._norm("dense_bn"))
        if self.dropout:
            found.append(own(layers.Dropout, "dropout", rate=self.dropout, seed=self.seed))
        found.append(own(layers.Reshape, "reshape", target_shape=(*small, 1)))
        sizes = {"filters": channels, "kernel_size": kernel_size, "dtype": self._deconv_dtype()}
        found.append(layers.Conv2DTranspose(**sizes, name="deconv"))
        found.append(own(layers.PReLU, "deconv_prelu"))
        if self.output_batch_norm:
            found.append(self._norm("output_bn"))
        return found

    def _deconv_dtype(self):
        # PyTorch has no gradient of it in float16 for a single channel.
        half = keras.backend.backend() == "torch" and self.compute_dtype == "float16"
        return "float32" if half else self.dtype_policy

    def compute_output_shape(self, input_shape):
        self._checked(input_shape)
        return (input_shape[0], *self.target_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "target_shape": self.target_shape,
            "kernel_size": self.kernel_size,
            "batch_norm": self.batch_norm,
            "dropout": self.dropout,
            "output_batch_norm": self.output_batch_norm,
            "momentum": self.momentum,
            "seed": self.seed,
        }
