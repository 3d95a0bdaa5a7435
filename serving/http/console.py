"""The analyst's console as a browser loads it: static files, and around them the sign-in routes.

The files hold no secrets, so they need no session; everything they show comes from `/v1`, which does. What
people type into an address (`/console/alerts/ID`) answers the page itself, which finds its way.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from features.errors import HabitusError
from serving.http import federation, live, sessions
from serving.http.dialects import Refusal
from serving.http.reading import answered

if TYPE_CHECKING:
    from starlette.requests import Request

FOLDER = Path(__file__).resolve().parent.parent / "console" / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-cache",
}
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""What is served; a file of another kind in the folder is not."""
ASSETS = ("js/", "css/", "img/")
"""What begins so is a file or nothing."""
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_NOT_BUILT_IN = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>habitus</title></head><body>'
    b'<p>The console is not part of this installation; the API is described at <a href="/docs">/docs</a>.</p>'
    b"</body></html>"
)


class _File(NamedTuple):
    stamp: tuple[int, int]
    tag: str
    content: bytes


class Files:
    """Files of a folder, read again when they change. Thread-safe: a race reads a file twice.

    Parameters
    ----------
    folder
        Nothing outside of it is ever read, whatever links there are.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._known: dict[str, _File] = {}

    def find(self, name: str) -> _File | None:
        """A file by its path inside of the folder; None if there is no such."""
        parts = name.split("/")
        if not all(_NAME.fullmatch(part) for part in parts) or Path(parts[-1]).suffix not in TYPES:
            return None
        try:
            path = self._folder.joinpath(*parts).resolve(strict=True)
            if not path.is_relative_to(self._folder.resolve()) or not path.is_file():
                return None
            about = path.stat()
            stamp = (about.st_mtime_ns, about.st_size)
            known = self._known.get(name)
            if known is None or known.stamp != stamp:
                content = path.read_bytes()
                known = _File(stamp, f'"{hashlib.sha256(content).hexdigest()[:32]}"', content)
                self._known[name] = known
        except OSError:
            return None
        return known


def application(streams: live.Live, folder: Path = FOLDER) -> Starlette:
    """The application below /console, and /v1/live, whose streams no other application may cut off."""
    files = Files(folder)
    routes = [
        Route("/console", _moved, methods=["GET"]),
        *sessions.routes(),
        *federation.routes(),
        Route("/v1/live", partial(live.answer, streams), methods=["GET"]),
        Route("/console/{path:path}", partial(_file, files), methods=["GET"]),
        Route("/{path:path}", _nothing, methods=["POST", "PUT", "PATCH", "DELETE"]),
    ]
    return Starlette(routes=routes, exception_handlers={HabitusError: _refused})


async def _moved(request: Request) -> Response:
    return Response(status_code=308, headers={"location": "/console/"})


async def _nothing(request: Request) -> Response:
    raise Refusal(404, "no such route; see /docs")


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HabitusError):
        raise error
    return sessions.answered(error) or answered(error)


async def _file(files: Files, request: Request) -> Response:
    name = request.path_params["path"] or "index.html"
    found = await asyncio.to_thread(files.find, name)
    if found is None and name != "index.html":
        if name.startswith(ASSETS):
            raise Refusal(404, "the console has no such file")
        # an address inside of the console; names of users and hosts may look like files
        name = "index.html"
        found = await asyncio.to_thread(files.find, name)
    if found is None:
        return Response(_NOT_BUILT_IN, headers=HEADERS, media_type=TYPES[".html"])
    headers = {**HEADERS, "etag": found.tag}
    if found.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=TYPES[Path(name).suffix])
