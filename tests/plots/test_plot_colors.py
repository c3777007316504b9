"""The colors of the figures stay apart for readers who see fewer of them."""

import itertools

import numpy as np
import pytest

from keras_fusion.plots._style import CENTRAL_COLOR, COLORS, luminance

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "full": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
]


def lab(color, matrix):
    """CIE L*a*b* (D65) of a `#RRGGBB` color, as seen through `matrix`."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(matrix) @ linear, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_every_pair_of_colors_differs(vision):
    for a, b in itertools.combinations((*COLORS, CENTRAL_COLOR), 2):
        # A difference of 2.3 is just noticeable; 15 is clear at a glance.
        difference = np.linalg.norm(lab(a, VISION[vision]) - lab(b, VISION[vision]))
        assert difference > 15, (a, b)


def test_the_central_color_is_grey():
    assert len({CENTRAL_COLOR[i : i + 2] for i in (1, 3, 5)}) == 1


def test_labels_have_contrast_in_every_color():
    for color in (*COLORS, CENTRAL_COLOR):
        text = 0 if luminance(color) > 0.18 else 1
        light, dark = sorted([luminance(color), text], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, color  # WCAG 2, level AA
