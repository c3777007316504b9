"""Pictures in files: whole ones, or an error that names the file."""

from keras_fusion.datasets._io import files


def pillow():
    """Pillow's module of pictures."""
    try:
        import PIL.Image
    except ImportError as error:
        raise ImportError("reading pictures needs Pillow: pip install keras_fusion[data]") from (
            error
        )
    return PIL.Image


def read(path, function):
    """`function` of the opened picture at a path, after all of the file was looked at."""
    image = pillow()
    with files.complete(path, "picture"):
        with image.open(path) as picture:
            picture.verify()  # sums of all parts; pixels alone may be there without the end
        with image.open(path) as picture:
            return function(picture)
