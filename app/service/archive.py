"""Many pictures in, one zip out, and a manifest that says per file what happened."""

import json
import zipfile
from io import BytesIO

from service.models import Model
from service.problems import Problem
from service.uploads import Upload
from service.work import Workshop


async def translate_files(
    workshop: Workshop, files: list[Upload], model: Model, seed: int | None
) -> bytes:
    """One after the other, so that a batch takes no more of the line than a single picture."""
    manifest, archive = [], BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:  # stored: PNG is compressed already
        for number, upload in enumerate(files, start=1):
            entry = {"number": number, "filename": upload.name}
            try:
                picture, content = await workshop.translate(
                    upload.content, "image/png", model, seed
                )
            except Problem as problem:
                manifest.append(entry | {"status": problem.status, "problem": problem.document()})
                continue
            name = f"{number:02}.png"  # never the name that was sent
            zipped.writestr(name, content)
            size = {"width": picture.width, "height": picture.height}
            manifest.append(entry | {"status": 200, "output": name} | size)
        told = {"model": model.id, "files": manifest}
        zipped.writestr("manifest.json", json.dumps(told, indent=2, ensure_ascii=False))
    return archive.getvalue()
