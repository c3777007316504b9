"""Data that anyone may download and use; each module is loaded when it is asked for."""

__all__ = [
    "av_mnist",
    "av_mnist_npy",
    "grid_digits",
    "mfeat",
    "mm_digits",
    "mm_imdb",
    "mm_mnist",
    "tcga_breast",
    "womens_clothing",
]
