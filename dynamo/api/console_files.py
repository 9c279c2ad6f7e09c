"""The console's page and what it is made of, from this package: nothing comes from anywhere else.

The policy lets the page run its own scripts and ask its own listener, and nothing more: no inline script or style, no
other host, no frame around it. It shows names that nodes were given; they are laid out as text, never as markup.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dynamo.api import parameters
from dynamo.api.answer import Answer
from dynamo.api.call import Call
from dynamo.errors import RouteNotFound
from dynamo.protocol.http_fields import REQUEST_ID

FOLDER = Path(__file__).parent / "console"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


async def page(call: Call) -> Answer:
    """GET /console."""
    parameters.parse(call.query, parameters.NOTHING)
    return _answer(call, "page.html")


async def file(call: Call) -> Answer:
    """GET /console/{file}. Raises RouteNotFound."""
    parameters.parse(call.query, parameters.NOTHING)
    return _answer(call, call.path.rpartition("/")[2])


def _answer(call: Call, name: str) -> Answer:
    content = contents().get(name)
    if content is None:
        raise RouteNotFound("the console has no such file")
    fields = {
        "Content-Type": f"{TYPES[Path(name).suffix]}; charset=utf-8",
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
        REQUEST_ID: call.trace,
    }
    return Answer(200, fields, content)


@cache
def contents() -> dict[str, bytes]:
    """Every file by its name; those of others lie in a folder of their own, with their licence."""
    files = [*FOLDER.iterdir(), *(FOLDER / "vendor").iterdir()]
    return {path.name: path.read_bytes() for path in files if path.suffix in TYPES}
