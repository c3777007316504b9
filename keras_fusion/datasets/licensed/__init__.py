"""Data on request, or to be collected; each module is loaded when it is asked for."""

__all__ = [
    "afew",
    "audioset",
    "avletters",
    "bu_3dfe",
    "cuave",
    "montalbano",
    "washington_rgbd",
    "xflow_digits",
]
