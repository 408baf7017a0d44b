"""From bytes to a translated picture, each stage in its thread, and not a second too long."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image
from starlette.requests import ClientDisconnect, Request

from service.engine import Engine
from service.models import Model
from service.pictures import decode, encode
from service.problems import Busy, Problem


class Workshop:
    """Decodes, has the engine translate, encodes; nothing of it on the event loop."""

    def __init__(self, engine: Engine, max_pixels: int):
        self.engine, self.max_pixels = engine, max_pixels
        # One thread, to leave the network its cores.
        self.executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")

    async def run(self, function: Callable, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.executor, function, *arguments)

    async def translate(
        self, content: bytes, media_type: str, model: Model, seed: int | None
    ) -> tuple[Image.Image, bytes]:
        """A picture file's translation, and that as a file; a `Problem` where it is no picture."""
        picture = await self.run(decode, content, self.max_pixels, media_type)
        translation = await asyncio.wrap_future(self.engine.submit(model, picture, seed))
        return translation, await self.run(encode, translation, media_type)


async def within(
    seconds: float, request: Request, upload: Awaitable, answer: Callable[[Any], Awaitable]
) -> Any:
    """The answer to an upload, both in time, and only for as long as the client is there.

    What is given up is cancelled, all the way into the queue: it costs nothing any more.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        async with asyncio.timeout_at(deadline):
            content = await upload
    except TimeoutError:
        detail = f"The request did not arrive within {seconds:g} s; try a faster connection."
        raise Problem(408, detail, {"Connection": "close"}) from None
    work = asyncio.ensure_future(answer(content))
    gone = asyncio.ensure_future(wait_until_gone(request))
    try:
        async with asyncio.timeout_at(deadline):
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        detail = f"The translation took more than {seconds:g} s; try later, or a smaller picture."
        raise Busy(detail, seconds=10) from None
    else:
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        work.cancel()
        gone.cancel()


async def wait_until_gone(request: Request) -> None:
    """Return when the client has closed the connection. Only after the whole body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
