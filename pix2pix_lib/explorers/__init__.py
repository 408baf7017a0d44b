"""The explorers of the lessons: sliders and buttons above a figure that is drawn anew."""
