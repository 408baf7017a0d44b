"""Schemathesis over the OpenAPI document: all of its checks, more than a thousand cases."""

import pytest
import schemathesis
from api_server import encoded, noise
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

POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
CASES = {  # as the document describes it, and otherwise
    ("POST", "/v1/translate", POSITIVE): 350,
    ("POST", "/v1/translate", NEGATIVE): 350,
    ("POST", "/v1/translate/batch", POSITIVE): 200,
    ("POST", "/v1/translate/batch", NEGATIVE): 200,
    ("GET", "/v1/models/{model_id}", POSITIVE): 200,
    ("GET", "/v1/models", POSITIVE): 5,
    ("GET", "/health", POSITIVE): 5,
    ("GET", "/ready", POSITIVE): 5,
    ("GET", "/metrics", POSITIVE): 5,
}
TRIED = []


@pytest.fixture(scope="module")
def schema(server):
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")


@pytest.mark.parametrize("operation", CASES, ids=str)
def test_every_operation(schema, operation):
    method, path, mode = operation

    @settings(max_examples=CASES[operation], deadline=None, suppress_health_check=list(HealthCheck))
    @given(schema[path][method].as_strategy(generation_mode=mode))
    def attempt(case):
        TRIED.append(operation)
        case.call_and_validate()

    attempt()


def test_that_were_a_thousand_cases():
    assert len(TRIED) >= 1000 and set(TRIED) == set(CASES)
