"""Functions of a Dirichlet distribution that Keras has not, for arguments from 1 up, in float32."""

import math

from keras import ops

# Below it an argument is raised by as much, where the series have an error below 1e-9.
_SHIFT = 8
_HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


def digamma_and_excess(x):
    """The derivative of log Gamma(x), and (x - 1) (digamma(x) - 1) - log Gamma(x).

    In float32 the difference of log Gammas of 1e8 is off by hundreds. In the divergence of two
    Dirichlet distributions everything large cancels; the excess, which grows as log(x) / 2 only, is
    what is left. Both at once, as they have most in common.
    """
    # log Gamma(x) = log Gamma(x + 8) - sum log(x + i), i from 0 to 7, the large terms put together.
    small = x < _SHIFT
    y = ops.where(small, x + _SHIFT, x)
    steps = x[..., None] + ops.arange(_SHIFT, dtype="float32")
    inverse, log = 1 / y, ops.log(y)
    square = inverse * inverse
    # digamma(y) = log(y) - 1 / (2 y) - phi, log Gamma(y) = (y - 1/2) log(y) - y + ... + rest
    phi = square * (1 / 12 - square * (1 / 120 - square / 252))
    rest = inverse * (1 / 12 - square * (1 / 360 - square / 1260)) + _HALF_LOG_2_PI
    far = log - 0.5 * inverse - phi
    digamma = far - ops.where(small, ops.sum(1 / steps, axis=-1), 0.0)
    products = ops.sum(ops.log(y[..., None] / steps), axis=-1)
    near = (x - 1) * (digamma - 1) - ((x - 0.5) * log - y + products + rest)
    large = 0.5 * (1 - log + inverse) - (y - 1) * phi - rest
    return digamma, ops.where(small, near, large)
