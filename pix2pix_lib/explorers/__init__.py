"""The explorers of the lessons: sliders and buttons above a figure that is drawn anew."""

from ..runtime.extras import needs

with needs("course", "pix2pix_lib.explorers"):
    import ipywidgets  # noqa: F401 (all of them stand on these two)
    import matplotlib  # noqa: F401
