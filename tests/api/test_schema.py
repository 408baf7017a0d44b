"""Schemathesis over the OpenAPI document: all of its checks, as it says and otherwise."""

import pytest
import schemathesis
from calls import encoded, noise
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

PICTURES = {
    "image/png": encoded(noise(24, 16)),
    "image/jpeg": encoded(noise(24, 16), "JPEG"),
    "image/webp": encoded(noise(24, 16), "WEBP"),
}
for media_type, content in PICTURES.items():
    schemathesis.openapi.media_type(media_type, st.just(content))
# a part of a form may be any of the three
schemathesis.openapi.media_type(", ".join(PICTURES), st.sampled_from([*PICTURES.values()]))


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_operation(service, mode):
    for result in schemathesis.openapi.from_url(f"{service.url}/openapi.json").get_all_operations():
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and not operation.body:
            continue  # there is nothing to get wrong

        # The same examples in every run: strangers' runs do not fail by chance.
        @settings(
            max_examples=100,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def attempt(case):
            case.call_and_validate()

        attempt()
