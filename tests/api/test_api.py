"""What the service promises to those who use it well."""

import json
import re
import zipfile
from io import BytesIO

import numpy as np
import pytest
from calls import TITLES, assert_problem, decoded, encoded, noise, translate
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from PIL import Image
from servers import REPOSITORY, Service, until

from pix2pix_lib.generator import UNetGenerator, save_generator
from pix2pix_lib.inference import Translator


@pytest.fixture(scope="module")
def translator():
    return Translator.load("earth_sat2map")


def same(picture, other) -> bool:
    return np.array_equal(np.asarray(picture), np.asarray(other))


# Translations


@pytest.mark.parametrize("size", [(1, 1), (60, 40), (256, 256), (300, 257)])
def test_the_picture_is_the_library_s_own(service, translator, size):
    picture = noise(*size)
    translation = decoded(translate(service, encoded(picture)))
    assert translation.format == "PNG" and translation.size == size
    assert same(translation, translator.translate(picture))


def test_a_form_gives_the_same_as_a_raw_body(service):
    content = encoded(noise())
    form = service.client.post("/v1/translate", files={"file": ("a.png", content, "image/png")})
    assert form.content == translate(service, content).content


def test_the_other_direction(service):
    content = encoded(noise())
    response = translate(service, content, params={"model": "earth_map2sat"})
    assert same(decoded(response), Translator.load("earth_map2sat").translate(noise()))
    assert response.content != translate(service, content).content


def test_a_seed_repeats_a_draw(service):
    content = encoded(noise())
    draws = [translate(service, content, params={"seed": seed}).content for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    calm = translate(service, content).content
    assert calm == translate(service, content).content and calm not in draws


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "PNG"),
        ("*/*", "PNG"),
        ("image/*", "PNG"),
        ("image/jpeg", "JPEG"),
        ("image/webp", "WEBP"),
        ("image/jpeg;q=0.5, image/webp;q=0.9", "WEBP"),
        ("image/avif, image/webp, image/png;q=0.5, */*;q=0.1", "WEBP"),
        ("application/json, image/jpeg;q=0.1", "JPEG"),
        ("image/png;q=0, image/*", "JPEG"),
    ],
)
def test_accept_picks_the_format(service, accept, expected):
    request = service.client.build_request(
        "POST", "/v1/translate", content=encoded(noise()), headers={"Content-Type": "image/png"}
    )
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    response = service.client.send(request)
    assert decoded(response).format == expected
    assert response.headers["content-type"] == f"image/{expected.lower()}"


def test_no_format_that_we_have(service):
    headers = {"Accept": "image/gif, text/html"}
    assert_problem(translate(service, encoded(noise()), headers=headers), 406)


def test_webp_has_an_end(service):
    response = translate(
        service, encoded(Image.new("L", (1, 16_400))), headers={"Accept": "image/webp"}
    )
    assert "accept image/png" in assert_problem(response, 406)["detail"]


# Batches


def test_a_batch_says_per_file_what_happened(service):
    good = [encoded(noise(seed=1)), encoded(noise(30, 70, seed=2), "JPEG")]
    files = [
        ("files", ("../../etc/passwd", good[0])),
        ("files", ("broken.png", good[0][:200])),
        ("files", ("note.txt", b"hello")),
        ("files", ("straße.jpg", good[1])),
    ]
    response = service.client.post("/v1/translate/batch", files=files)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(BytesIO(response.content)) as archive:
        assert sorted(archive.namelist()) == ["01.png", "04.png", "manifest.json"]
        manifest = json.loads(archive.read("manifest.json"))
        first = archive.read("01.png")
    assert manifest["model"] == "earth_sat2map"
    entries = manifest["files"]
    assert [entry["status"] for entry in entries] == [200, 422, 415, 200]
    assert [entry["filename"] for entry in entries] == [name for _, (name, _) in files]
    assert entries[3]["output"] == "04.png"
    assert (entries[3]["width"], entries[3]["height"]) == (30, 70)
    assert entries[2]["problem"]["status"] == 415 and entries[2]["problem"]["detail"]
    assert first == translate(service, good[0]).content


def test_a_batch_has_an_end(service):
    def send(count):
        files = [("files", (f"{number}.png", encoded(noise(8, 8)))) for number in range(count)]
        return service.client.post("/v1/translate/batch", files=files)

    assert send(20).status_code == 200
    assert "20" in assert_problem(send(21), 422)["detail"]
    assert_problem(service.client.post("/v1/translate/batch", files={"file": b"x"}), 422)


# What is there


def test_models(service):
    models = service.client.get("/v1/models").json()
    ids = ["earth_colorize", "earth_edges", "earth_map2sat", "earth_sat2map"]
    assert [model["id"] for model in models] == ids
    one = service.client.get("/v1/models/earth_sat2map").json()
    assert one == models[ids.index("earth_sat2map")]
    assert one["direction"] == "AtoB" and one["size"] == 256 and one["parameters"] > 7_000_000
    assert re.fullmatch("[0-9a-f]{64}", one["sha256"]) and one["licence"] == "MIT"
    assert one["training_data"] == "earth" and 0 < one["metrics"]["l1"] < 0.5


@pytest.mark.parametrize(
    "identifier", ["mars", "..%2f..%2fetc%2fpasswd", "%2e%2e", "a.safetensors"]
)
def test_models_have_ids_and_no_paths(service, identifier):
    assert_problem(service.client.get(f"/v1/models/{identifier}"), 404)
    url = f"/v1/translate?model={identifier}"
    response = service.client.post(
        url, content=encoded(noise()), headers={"Content-Type": "image/png"}
    )
    assert_problem(response, 404)


def test_alive_and_ready(service):
    assert service.client.get("/health").json() == {"status": "alive"}
    assert service.client.get("/ready").json()["status"] == "ready"


def test_problems_of_the_framework_are_problem_documents(service):
    assert_problem(service.client.get("/nowhere"), 404)
    assert_problem(service.client.get("/health/"), 404)
    response = service.client.get("/v1/translate")
    assert_problem(response, 405)
    assert response.headers["allow"] == "POST"
    for seed in ("-1", "x", str(2**63), "1.5", ""):
        response = translate(service, encoded(noise()), params={"seed": seed})
        assert "seed" in assert_problem(response, 422)["detail"]
    twice = [("seed", "1"), ("seed", "2")]
    assert (
        "twice" in assert_problem(translate(service, encoded(noise()), params=twice), 422)["detail"]
    )


def test_a_status_that_the_service_never_gives_has_a_title_too(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "app")
    from service import problems

    app = FastAPI()
    problems.install(app)

    @app.get("/{status}")
    async def refuse(status: int):
        raise HTTPException(status)

    def titled(status: int) -> str:
        return TestClient(app).get(f"/{status}").json()["title"]

    assert {status: titled(status) for status in TITLES} == TITLES
    assert (titled(418), titled(499)) == ("Status 418", "Status 499")


def test_the_documentation_asks_no_other_host(service):
    document = service.client.get("/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids) == 7 and "pictures-translate" in ids
    for operation in operations:
        assert operation["summary"] and operation["description"]
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"]
                assert response["content"]["application/problem+json"]["example"]["detail"]
                assert response["description"] == TITLES[int(status)]
    for page in ("/docs", "/redoc"):
        text = service.client.get(page).text
        links = re.findall(r"""(?:src|href)=["']([^"']+)""", text)
        assert links and not [link for link in links if "//" in link]
        for link in links:
            assert service.client.get(link).status_code == 200
    assert '"validatorUrl": null' in service.client.get("/docs").text


# What is known about a request


def test_a_request_keeps_its_id(service):
    response = service.client.get("/health", headers={"X-Request-ID": "mine-1.2_3"})
    assert response.headers["x-request-id"] == "mine-1.2_3"
    strange = service.client.get("/health", headers={"X-Request-ID": 'a"b {}' * 30})
    assert re.fullmatch("[0-9a-f]{32}", strange.headers["x-request-id"])


def test_the_log_is_json_and_holds_no_picture_and_no_name(service):
    content = encoded(noise())
    files = {"file": ("secret-holiday.png", content)}
    headers = {"X-Request-ID": "look-for-me"}
    service.client.post("/v1/translate", files=files, headers=headers)
    until(lambda: "look-for-me" in service.log_text())  # written after the answer has gone out
    text = service.log_text()
    assert "secret-holiday" not in text and "IHDR" not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("request_id") == "look-for-me"]
    assert line["path"] == "/v1/translate" and line["status"] == 200
    assert line["model"] == "earth_sat2map" and line["milliseconds"] > 0
    assert len(max(text.splitlines(), key=len)) < 2000


def test_metrics(service):
    labels = {"model": "earth_map2sat"}
    before = service.metric("pix2pix_translation_seconds_count", **labels)
    translate(service, encoded(noise()), params=labels)
    translate(service, b"", params=labels)
    assert service.metric("pix2pix_translation_seconds_count", **labels) == before + 1
    assert service.metric("pix2pix_refusals_total", reason="422", **labels) >= 1
    assert service.metric("pix2pix_request_seconds_count", route="/v1/translate", **labels) >= 2
    assert service.metric("pix2pix_places_taken") == service.metric("pix2pix_queue_depth") == 0
    assert service.metric("process_resident_memory_bytes") > 1e8


# Settings


def test_models_of_one_s_own(tmp_path):
    save_generator(UNetGenerator(ngf=4, size=64), tmp_path / "tiny-1.safetensors", {})
    with Service(models_dir=tmp_path, max_bytes=2000, max_megapixels=0.1, max_files=1) as service:
        model = service.client.get("/v1/models/tiny-1").json()
        assert model["size"] == 64 and model["metrics"] == {} and model["licence"] is None
        response = translate(service, encoded(Image.new("L", (70, 30))), params={"model": "tiny-1"})
        assert decoded(response).size == (70, 30)
        assert (
            "0.1 megapixels"
            in assert_problem(translate(service, encoded(Image.new("L", (400, 300)))), 413)[
                "detail"
            ]
        )
        assert_problem(translate(service, bytes(2001)), 413)
        files = [("files", b"a"), ("files", b"b")]
        assert_problem(service.client.post("/v1/translate/batch", files=files), 422)
