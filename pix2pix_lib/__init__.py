"""The library of the pix2pix course; every module but the command line is exported from a notebook."""

__version__ = "0.1.0"


class Pix2PixError(ValueError):
    """Something the reader can put right; the message says what it is and what to do."""
