"""What the data sets read their files with; not public."""

__all__ = [
    "array_cache",
    "checks",
    "files",
    "matlab",
    "npy_folder",
    "pictures",
    "rows",
    "singular_vectors",
    "splits",
]
