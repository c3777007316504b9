"""Transformers by hand, in NumPy: the blocks' equations, of one sample, over tokens that count."""

import itertools

import keras
import numpy as np

SHAPES = ((4, 5), (2, 3, 2), (3,))  # a sequence, a map and a vector, without the batch


def made(layer_class, n=3, batch=3, **arguments):
    """A built layer with weights drawn anew, its arrays by name, and inputs."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(batch, *shape)).astype("float32") for shape in SHAPES[:n]]
    layer = layer_class(**arguments)
    layer(x)
    values = {}
    for weight in layer.trainable_weights:
        name = weight.path.split("/", 1)[1]
        values[name] = rng.normal(size=tuple(weight.shape)) * 0.7
        weight.assign(values[name])
    return layer, values, x


def flat(array):
    """Its tokens: `(batch, tokens, features)`."""
    return array.reshape(len(array), -1, array.shape[-1])


def subsets(x):
    """Every subset of three modalities: `(present, steps, x with NaN elsewhere, which count)`."""
    present = np.array(list(itertools.product([0, 1], repeat=3)))
    steps = np.arange(4) < np.array([4, 3, 2, 1, 4, 3, 2, 0])[:, None]
    counts = [steps & present[:, :1].astype(bool)]
    counts += [np.repeat(present[:, [k]], places, 1).astype(bool) for k, places in ((1, 6), (2, 1))]
    holes = [
        np.where(c[:, :, None], flat(array), np.nan).reshape(array.shape)
        for c, array in zip(counts, x, strict=True)
    ]
    return present, steps, holes, counts


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def relu(x):
    return np.maximum(x, 0)


def dense(values, name, x):
    return x @ values[f"{name}/kernel"] + values.get(f"{name}/bias", 0)


def norm(values, name, x):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * values[f"{name}/gamma"] + values[f"{name}/beta"]


def attention(values, name, x, y, heads):
    """What the rows of x read in those of y, and the shares of every head; y may have no rows."""
    q, k, v = (
        dense(values, f"{name}/{part}", a) for part, a in (("query", x), ("key", y), ("value", y))
    )
    size = q.shape[1] // heads
    read, shares = np.zeros_like(q), np.zeros((heads, len(x), len(y)))
    for h in range(heads if len(y) else 0):
        own = slice(h * size, (h + 1) * size)
        powers = np.exp(q[:, own] @ k[:, own].T / np.sqrt(size))
        shares[h] = powers / powers.sum(1, keepdims=True)
        read[:, own] = shares[h] @ v[:, own]
    return dense(values, f"{name}/read", read), shares


def block(values, name, x, heads, order="pre", y=None, activation=gelu):
    """One block; `y` are keys with a norm of their own."""

    def feedforward(a):
        hidden = dense(values, f"{name}/inner", a)
        hidden = activation(hidden)
        return dense(values, f"{name}/outer", hidden)

    if order == "post":
        read, shares = attention(values, name, x, x, heads)
        x = norm(values, f"{name}/attention_norm", x + read)
        return norm(values, f"{name}/feedforward_norm", x + feedforward(x)), shares
    queries = norm(values, f"{name}/attention_norm", x)
    keys = queries if y is None else norm(values, f"{name}/keys_norm", y)
    read, shares = attention(values, name, queries, keys, heads)
    x = x + read
    return x + feedforward(norm(values, f"{name}/feedforward_norm", x)), shares


def sinusoids(length, units):
    table = np.zeros((length, units))
    for place in range(length):
        for pair in range(0, units, 2):
            angle = place / 10000 ** (pair / units)
            table[place, pair : pair + 2] = [np.sin(angle), np.cos(angle)][: units - pair]
    return table


def embedded(values, x, counts=None, positions=True):
    """Of one sample: the tokens that count of every modality, `(tokens, units)`."""
    found = []
    for k, array in enumerate(x):
        tokens = dense(values, f"projection_{k}", np.nan_to_num(array.reshape(-1, array.shape[-1])))
        if positions and array.ndim > 1:
            tokens = tokens + sinusoids(*tokens.shape)
        found.append(tokens if counts is None else tokens[counts[k]])
    return found


def gradient_by_inputs(function, x):
    """Gradients of a number by the arrays of a list."""
    x = [keras.ops.convert_to_tensor(array) for array in x]
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        found = jax.grad(function)(x)
    elif backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        found = tape.gradient(value, x)
    else:
        import torch

        x = [tensor.requires_grad_() for tensor in x]
        found = torch.autograd.grad(function(x), x, allow_unused=True)
    return [
        np.zeros(tuple(tensor.shape)) if g is None else keras.ops.convert_to_numpy(g)
        for g, tensor in zip(found, x, strict=True)
    ]
