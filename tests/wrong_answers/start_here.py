"""Typical wrong answers of lesson 0: name, what stands in the solution, what instead, the words."""

FIRST = 'np.asarray(Image.open("../data/samples/greenland.jpg").crop((15, 15, 271, 271)), float)'
WRONG = {
    "round_trip": [
        ("the map, not the way back", "to_satellite.translate(", "(", "the one that came back"),
        ("wrong conclusion", 'conclusion = "greenland"', 'conclusion = "japan"', "the largest"),
    ],
    "second_lap": [
        ("always the first picture", "picture = back", "pass", "all laps are alike"),
        ("signs cancel out", "np.abs(", "(", "Take absolute values"),
        ("against the very first", "np.asarray(picture, float)", FIRST, "not with the very first"),
    ],
}
