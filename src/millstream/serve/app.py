"""The application that serves a hub: the API under ``/v1``, metrics, health, the dashboard.

in      a hub; a token where others than this machine may ask; the server's own health
out     a FastAPI application; its description (OpenAPI 3.1) is true: every answer is in it
rights  every route names its action (``permit.py``), limits and origins are kept by ``guard.py``
bad     problem+json (``problems.py``); a parameter that no route has is a mistake, not a wish
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.openapi.utils import get_openapi
from fastapi.params import Query
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection  # noqa: TC002 (FastAPI reads it)

from millstream import __version__
from millstream.errors import UnknownName
from millstream.serve import feed_routes
from millstream.serve.alike import Alike
from millstream.serve.guard import LIMITS, Guard, Limits
from millstream.serve.hub import Hub
from millstream.serve.models import Problem
from millstream.serve.permit import Action, Rights, action_of, permits
from millstream.serve.problems import PAGES, allowed, handled, problems
from millstream.serve.routes import Served, alerts, events, jobs, letters, probes, views

if TYPE_CHECKING:
    from millstream.serve.health import Health

STATIC = Path(__file__).parent / "static"
NAME_MAX = 100
_DESCRIPTION = (
    "Jobs, live views, alerts and dead letters of one process. Times are milliseconds since 1970, "
    "shares 0 to 1; null means unknown or not there, never zero. Errors are problems (RFC 9457) "
    "that say what to do next."
)
TAGS = {
    "jobs": "How jobs stand, what they did, and telling them what to do.",
    "letters": "Rows that could not be used, and putting them through again.",
    "views": "Live views and their rows.",
    "query": "SQL over live views.",
    "alerts": "Alerts, what is watched, silences.",
    "events": "Sending events to a job.",
    "health": "For probes and Prometheus.",
}


def app_of(
    hub: Hub,
    *,
    token: str | None = None,
    health: Health | None = None,
    local: bool = True,
    limits: Limits = LIMITS,
) -> FastAPI:
    """Return the application of a hub; ``local``: it answers to names of this machine only."""
    app = FastAPI(
        title="Millstream",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_tags=[{"name": name, "description": said} for name, said in TAGS.items()],
        dependencies=[Depends(_known_parameters)],
    )
    app.state.rights = Rights(token)
    app.state.served = Served(hub, health, limits)
    app.state.query_names = {}
    app.add_middleware(Alike, hub=hub)  # inside the guard: who is added last is met first
    app.add_middleware(Guard, local=local, limits=limits)
    handled(app)
    _include(app)
    app.openapi = partial(_description, app)  # type: ignore[method-assign]
    return app


def _include(app: FastAPI) -> None:
    """Put the routes in, the pages last: they take whatever address is left."""
    for part in (jobs, letters, views, alerts, events, probes):
        app.include_router(part.router)
    served: Served = app.state.served
    app.include_router(feed_routes.router(served.hub))
    pages = StaticFiles(directory=STATIC, html=True)

    @app.get("/openapi.json", dependencies=[permits(Action.OPEN)], include_in_schema=False)
    async def describe(request: Request) -> JSONResponse:
        return JSONResponse(request.app.openapi())

    @app.api_route(
        PAGES,
        methods=["GET", "HEAD"],
        dependencies=[permits(Action.OPEN)],
        include_in_schema=False,
    )
    async def page(path: str, request: Request) -> Response:
        if path.partition("/")[0] == "v1":
            methods = allowed(app, request)
            raise HTTPException(405 if methods else 404)
        answer = await pages.get_response(path or "index.html", request.scope)
        answer.headers["Cache-Control"] = "no-cache"  # it is asked each time whether it is new
        return answer


async def _known_parameters(connection: HTTPConnection) -> None:
    """Refuse a query parameter that the route does not have: a typing error must not pass."""
    if not connection.scope["path"].startswith("/v1/"):
        return
    route = connection.scope["route"]
    if route.path == PAGES:
        return  # there is nothing at this address, whatever is asked of it
    names: dict[int, frozenset[str]] = connection.app.state.query_names
    if id(route) not in names:  # routes live as long as the application
        names[id(route)] = _query_names(route)
    known = names[id(route)]
    for name in connection.query_params:
        if name not in known:
            raise UnknownName("query parameter", name[:NAME_MAX], available=known)


def _query_names(route: Any) -> frozenset[str]:
    parameters = get_flat_params(route.dependant)
    return frozenset(p.alias for p in parameters if isinstance(p.field_info, Query))


def _description(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _described(app)
    return app.openapi_schema


def _described(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas: dict[str, Any] = made.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    has_token = app.state.rights.token is not None
    if has_token:
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for context in iter_route_contexts(app.routes):
        path = made["paths"].get(context.path_format)
        for method in (m.lower() for m in context.methods or ()):
            if path is not None and method in path:
                _complete(path[method], action_of(context), has_token=has_token)
    return made


def _complete(operation: dict[str, Any], action: Action | None, *, has_token: bool) -> None:
    """Add what every route may answer to what it says of itself."""
    common = [400, 403, 421, 503]
    if operation.get("parameters") or operation.get("requestBody"):
        common.append(422)
        operation["responses"].pop("422", None)
    if operation.get("requestBody"):
        common.append(413)
    if has_token and action is not Action.OPEN:
        common.append(401)
        operation["security"] = [{"token": []}]
    for status, said in problems(*common).items():
        operation["responses"].setdefault(str(status), said)
