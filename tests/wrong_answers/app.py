"""Typical wrong answers of lesson 12: name, what stands in the solution, what else, the words."""

WRONG = {
    "client": [
        ("JPEG", 'picture.save(file, "PNG")', 'picture.save(file, "JPEG")', "JPEG loses some"),
        ("no media type", ", headers=headers", "", "a good picture was refused"),
        ("bytes", "Image.open(io.BytesIO(answer.content))", "answer.content", "is a bytes"),
        ("a picture whatever comes", "answer.status_code != 200", "False", "look at its status"),
        ("only the number", 'answer.json()["detail"]', "str(answer.status_code)", "says only: 413"),
        (
            "nothing said",
            'raise RuntimeError(answer.json()["detail"])',
            "return picture",
            "kept it to itself",
        ),
    ],
    "own_service": [
        ("RGB forgotten", "to_rgb(Image.open(", "(Image.open(", "use `to_rgb`"),
        (
            "no 415",
            "except UnidentifiedImageError:",
            "except ZeroDivisionError:",
            "refused with 415",
        ),
        (
            "no 422",
            "(OSError, SyntaxError)",
            "ZeroDivisionError",
            "half a PNG is answered with 500",
        ),
        ("empty", "if not content:", "if False:", "an empty body"),
        ("no media type", ', media_type="image/png"', "", "media type is None"),
        (
            "on the loop",
            "await asyncio.to_thread(translated, await request.body())",
            "translated(await request.body())",
            "use a thread",
        ),
        ("not translated", "translate(read(content))", "read(content)", "what `translate` made"),
        ("JPEG", 'save(file, "PNG")', 'save(file, "JPEG")', "what `translate` made"),
    ],
    "patience": [
        (
            "at once",
            '        sleep(int(answer.headers["Retry-After"]))\n',
            "",
            "wait [3, 1] seconds, not []",
        ),
        ("its own idea", 'int(answer.headers["Retry-After"])', "1", "not [1, 1]"),
        ("one too many", "range(attempts - 1)", "range(attempts)", "not [3, 1, 3, 1]"),
        ("any refusal", "!= 503", "< 300", "seconds, not"),
    ],
    "crowd": [
        ("all are late", "seconds <= PATIENCE", "seconds <= 9", "requests were counted"),
        ("refused last", "status == 503", "status == 200", "requests were counted"),
        ("a thousand", "int(PATIENCE / SECONDS)", "1000", "clients leave"),
        ("six", "int(PATIENCE / SECONDS)", "6", "could be served in time"),
    ],
    "readiness": [
        ("no thread", "Thread(target=work, daemon=True).start()", "work()", "give it a thread"),
        (
            "never ready",
            "def ready() -> dict:\n        check_ready()",
            "def ready() -> dict:\n        pass",
            "says 200",
        ),
        (
            "not alive",
            "def health() -> dict:\n",
            "def health() -> dict:\n        check_ready()\n",
            "is alive while it loads",
        ),
        (
            "too early",
            "-> Response:\n        check_ready()",
            "-> Response:\n        pass",
            "hears 500",
        ),
        ("in words alone", "raise HTTPException(503, ", "raise HTTPException(200, ", "says 200"),
        (
            "not the cause",
            'state["cause"] = f"The model could not be loaded: {error}"',
            "pass",
            "not the cause",
        ),
    ],
    "kept_apart": [
        (
            "the last part",
            "handle, path = tempfile.mkstemp(dir=folder)\n    os.close(handle)",
            "path = folder / (Path(name).name[-40:] or 'x')",
            "wrote over another",
        ),
        (
            "nothing",
            "handle, path = tempfile.mkstemp(dir=folder)\n    os.close(handle)",
            "path = folder / name",
            "led out of the folder",
        ),
        ("not there", "dir=folder", "", "led out"),
        ("empty", "write_bytes(content)", "touch()", "not what was uploaded"),
    ],
}
