"""The analyst's console as a browser loads it: static files, and around them the sign-in routes.

The files hold no secrets, so they need no session; everything they show comes from `/v1`, which does. What
people type into an address (`/console/alerts/ID`) answers the page itself, which finds its way.

The page names its files below `/console/r/RELEASE/`, where RELEASE is a digest of all of them: a browser
keeps those for good and asks for nothing but the page itself until one of them is another. Its style sheets
come as one.
"""

from __future__ import annotations

import asyncio
import gzip
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
ALL_SHEETS = "css/all.css"
_SHEET = re.compile(rb' *<link rel="stylesheet" href="/console/(css/[a-z]+\.css)">\n')
_ALL_SHEETS = f'    <link rel="stylesheet" href="/console/{ALL_SHEETS}">\n'.encode()
RELEASE = re.compile(r"r/([0-9a-f]{16})/(.+)")
FOR_GOOD = "public, max-age=31536000, immutable"
SMALL = 256
"""Bytes that are not worth packing."""
_PACKED = (".css", ".html", ".js", ".json", ".mjs", ".svg", ".txt")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_NOT_BUILT_IN = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>habitus</title></head><body>'
    b'<p>The console is not part of this installation; the API is described at <a href="/docs">/docs</a>.</p>'
    b"</body></html>"
)


class _File(NamedTuple):
    """packed: in gzip's format, None where that gains nothing."""

    stamp: tuple[int, int]
    tag: str
    content: bytes
    packed: bytes | None


class _Page(NamedTuple):
    """The page with the release that it names, and that release's files by name."""

    release: str
    file: _File
    files: dict[str, _File]


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
        self._page: _Page | None = None

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
                known = self._known[name] = _made(name, stamp, content)
        except OSError:
            return None
        return known

    def page(self) -> _File | None:
        """The page, which names the files of the present release; None if there is none. O(files) looks."""
        written = self.find("index.html")
        if written is None:
            return None
        names = [
            path.relative_to(self._folder).as_posix()
            for prefix in ASSETS
            for path in sorted((self._folder / prefix).rglob("*"))
            if path.suffix in TYPES
        ]
        files = {name: file for name in names if (file := self.find(name)) is not None}
        state = "".join(f"{name} {file.tag}\n" for name, file in files.items())
        release = hashlib.sha256(f"{written.tag}\n{state}".encode()).hexdigest()[:16]
        if self._page is None or self._page.release != release:
            content, sheets = written.content, []
            for link in _SHEET.finditer(content):
                sheets.append(files[link[1].decode()].content)
                content = content.replace(link[0], _ALL_SHEETS if len(sheets) == 1 else b"")
            # a browser waits for each of them before it shows anything
            files[ALL_SHEETS] = _made(ALL_SHEETS, written.stamp, b"\n".join(sheets))
            for prefix in ASSETS:
                content = content.replace(
                    f'"/console/{prefix}'.encode(), f'"/console/r/{release}/{prefix}'.encode()
                )
            self._page = _Page(release, _made("index.html", written.stamp, content), files)
        return self._page.file

    def released(self, release: str, name: str) -> _File | None:
        """A file of the present release, "" for whichever that is, without a look at the disk; None if it is
        another one.
        """
        page = self._page
        return page.files.get(name) if page is not None and release in (page.release, "") else None


def _made(name: str, stamp: tuple[int, int], content: bytes) -> _File:
    packed = None
    if len(content) >= SMALL and Path(name).suffix in _PACKED:
        packed = gzip.compress(content, 9, mtime=0)
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return _File(stamp, tag, content, packed if packed and len(packed) < len(content) else None)


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
    if found := RELEASE.fullmatch(name):
        release, name = found.groups()
        if (file := files.released(release, name)) is None:
            await asyncio.to_thread(files.page)
            file = files.released(release, name)
        if file is not None:
            return _sent(request, name, file, FOR_GOOD)
        # of a page that another version sent: what there is now, and not for good
        if file := files.released("", name):
            return _sent(request, name, file, HEADERS["cache-control"])
    file = None if name == "index.html" else await asyncio.to_thread(files.find, name)
    if file is None:
        if name.startswith(ASSETS):
            raise Refusal(404, "the console has no such file")
        # an address inside of the console; names of users and hosts may look like files
        name = "index.html"
        file = await asyncio.to_thread(files.page)
    if file is None:
        return Response(_NOT_BUILT_IN, headers=HEADERS, media_type=TYPES[".html"])
    return _sent(request, name, file, HEADERS["cache-control"])


def _sent(request: Request, name: str, file: _File, keep: str) -> Response:
    packs = file.packed is not None and "gzip" in request.headers.get("accept-encoding", "")
    # the two are not the same bytes: each has a tag of its own
    tag = f'{file.tag[:-1]}-gzip"' if packs else file.tag
    headers = {**HEADERS, "cache-control": keep, "etag": tag, "vary": "accept-encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = file.content
    if packs and file.packed is not None:
        headers["content-encoding"] = "gzip"
        content = file.packed
    return Response(content, headers=headers, media_type=TYPES[Path(name).suffix])
