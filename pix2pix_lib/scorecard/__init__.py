"""Scores of a generator: what each pixel of a map, or of a picture, says."""
