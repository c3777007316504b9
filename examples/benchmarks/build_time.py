"""How much does wiring VGG16 and ResNet50 into a CentralNet add to building the two?

By turns, in one process: the two networks alone, and the two and their CentralNet. Reported are
the medians, the median of the rounds' ratios and its interval. A second pair of lines leaves out
the values of the weights, which says what the wiring itself costs: finding the fusion points,
opening the networks, and the layers of the central network.

Command:  python examples/benchmarks/build_time.py --rounds 10
Time:     2 min on 2 CPU cores
Expected: a ratio of at most 1.2
"""

import argparse
import contextlib
import time

import keras
import numpy as np
from _report import interval

import keras_fusion as kf


def networks(top):
    """As in keras.applications, for images of 224x224, weights at random."""
    arguments = {"weights": None, "classes": 10} if top else {"weights": None, "include_top": False}
    shape = (224, 224, 3)
    return {
        "rgb": keras.applications.VGG16(input_shape=shape, **arguments),
        "depth": keras.applications.ResNet50(input_shape=shape, **arguments),
    }


def seconds(top, fused, values):
    """How long it takes to build the two networks, and with `fused` their CentralNet."""
    keras.backend.clear_session()
    scope = contextlib.nullcontext() if values else keras.StatelessScope(initialize_variables=False)
    with scope:
        start = time.perf_counter()
        backbones = networks(top)
        if fused:
            kf.build_centralnet(backbones, **({} if top else {"num_classes": 10}))
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds

    print(f"backend {keras.backend.backend()}, {rounds} rounds")
    for label, top, values in (
        ("with their predictions, all weights filled", True, True),
        ("without top, all weights filled", False, True),
        ("without top, no weights filled", False, False),
    ):
        seconds(top, True, values)  # imports and caches
        times = np.array(
            [[seconds(top, fused, values) for fused in (False, True)] for _ in range(rounds)]
        )
        alone, ours = np.median(times, axis=0)
        ratios = times[:, 1] / times[:, 0]
        ratio, (low, high) = np.median(ratios), interval(ratios)
        print(
            f"{label}: the two {alone:.2f} s, with CentralNet {ours:.2f} s, "
            f"ratio {ratio:.3f} (95 % interval {low:.3f} to {high:.3f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
