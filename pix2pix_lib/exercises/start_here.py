"""Checks of lesson 0: what two networks, there and back, do to a picture."""

from .frame import check, expect, expect_filled_in

ROUND_TRIPS = {"greenland": 84, "indus": 36, "japan": 13, "scandinavia": 21}  # levels of 255
LAPS = {1: 84, 2: 8, 3: 5}


def expect_levels(measured: dict, expected: dict[object, int]) -> None:
    """Turn down changes that are no mean of absolute differences in levels of 255."""
    expect_filled_in(measured, expected)
    for key in expected:
        told = (
            f"a mean change of {measured[key]:.2f}, for {key!r}, is too small. Take absolute "
            "values, or plus and minus cancel out, and leave the levels from 0 to 255 as they are."
        )
        expect(measured[key] > 2, told)


@check
def round_trip(measured, conclusion):
    expect_levels(measured, ROUND_TRIPS)
    for place, levels in ROUND_TRIPS.items():
        told = (
            f"{place} changes by about {levels} levels, and yours by {measured[place]:.0f}. Do you "
            "compare the first picture with the one that came back, both as `float`?"
        )
        expect(abs(measured[place] - levels) < 3, told)
    most = max(ROUND_TRIPS, key=measured.get)
    told = f"your own numbers say otherwise than {conclusion!r}: which of them is the largest?"
    expect(conclusion == most, told)
    return f"{most} comes back {measured[most]:.0f} levels off, japan {measured['japan']:.0f}."


@check
def second_lap(measured, conclusion):
    expect_levels(measured, LAPS)
    told = f"the first lap changes Greenland by about 84 levels, and yours by {measured[1]:.0f}."
    expect(abs(measured[1] - LAPS[1]) < 3, told)
    told = "all laps are alike: does each begin with what the lap before it brought back?"
    expect(abs(measured[2] - measured[1]) > 0.01, told)
    told = (
        f"lap 2 changes the picture by about 8 levels, and yours by {measured[2]:.0f}. Compare the "
        "end of a lap with the start of the same lap, not with the very first picture."
    )
    expect(abs(measured[2] - LAPS[2]) < 3, told)
    told = f"lap 3 changes the picture by about 5 levels, and yours by {measured[3]:.0f}."
    expect(abs(measured[3] - LAPS[3]) < 3, told)
    told = f"your own numbers say otherwise than {conclusion!r}: which lap has the largest?"
    expect(conclusion == 1, told)
    return f"lap 1 changes {measured[1]:.0f} levels, lap 2 only {measured[2]:.0f}."
