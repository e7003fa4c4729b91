"""Live views, their rows, and SQL over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from fastapi import APIRouter, Query, Response
from fastapi import Path as InPath

from millstream.connect.live_window import ordered_by, oriented
from millstream.errors import JobError
from millstream.serve import rows as json
from millstream.serve.charts import chart_of
from millstream.serve.feed_routes import LookAt
from millstream.serve.models import QueryAnswer, QueryAsk, RowsPage, ViewInfo, ViewList
from millstream.serve.paging import LIMIT, Cursor, Limit, cursor_of, read_cursor
from millstream.serve.permit import Action, permits
from millstream.serve.problems import ProblemError, problems
from millstream.serve.routes import Here

if TYPE_CHECKING:
    import polars as pl

    from millstream.connect.live_rows import LiveRows
    from millstream.connect.live_view import LiveView

router = APIRouter(tags=["views"])
ViewName = Annotated[str, InPath(max_length=255, description="Name of a view.")]
Order = Annotated[
    str | None,
    Query(max_length=255, description="A column; with ``-`` before it the largest come first."),
]


@router.get("/v1/views", dependencies=[permits(Action.READ)], operation_id="list_views")
async def list_views(here: Here) -> ViewList:
    """All live views of all jobs."""
    found = here.hub.views().items()
    return ViewList(items=[view_info(name, job, view) for name, (job, view) in found])


@router.get(
    "/v1/views/{view}",
    dependencies=[permits(Action.READ)],
    operation_id="get_view",
    responses=problems(404),
)
async def get_view(view: ViewName, here: Here) -> ViewInfo:
    """One view: its columns, and how it is drawn."""
    return view_info(view, *here.hub.view(view))


@router.get(
    "/v1/views/{view}/rows",
    dependencies=[permits(Action.READ)],
    operation_id="list_rows",
    responses=problems(400, 404, 409),
    response_model=RowsPage,
)
async def list_rows(
    view: ViewName,
    here: Here,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
    order: Order = None,
    at: LookAt = "newest",
) -> Response:
    """Rows as they stand; a view that changes meanwhile may move rows between pages."""
    found = here.hub.view(view)[1].at(at)
    return Response(
        await here.aside(_page, found, limit, cursor, order), media_type="application/json"
    )


@router.post(
    "/v1/query",
    dependencies=[permits(Action.QUERY)],
    operation_id="query",
    responses=problems(400, 409, 503),
    response_model=QueryAnswer,
    tags=["query"],
)
async def query(ask: QueryAsk, here: Here) -> Response:
    """Ask the views with SQL; the answer is of one version of each."""
    views = {name: view for name, (_, view) in here.hub.views().items()}
    return Response(await here.aside(_answer, views, ask, long=True), media_type="application/json")


def view_info(name: str, job: str, view: LiveView) -> ViewInfo:
    """Return what is said of a view."""
    return ViewInfo(
        name=name,
        job=job,
        columns=json.columns(view.schema),
        key=None if view.key is None else list(view.key),
        rows=len(view),
        rows_max=view.rows_max,
        ttl_ms=view.ttl_ms,
        version=view.version,
        changed_at_ms=view.at_ms or None,
        chart=chart_of(view),
    )


def _page(view: LiveRows, limit: int, cursor: str | None, order: str | None) -> bytes:
    """Return a page: without an order it goes on behind a row's number, with one behind a count."""
    after = 0 if cursor is None else read_cursor(f"rows {order or ''}", cursor, int)[0]
    seen = view.snapshot()
    total = seen.frame.height
    if order is None and view.key is not None:
        first = int(np.searchsorted(seen.rows, after))
    else:
        first = min(after, total)
    by = ordered_by(view.schema, order)
    frame = seen.frame if by is None else _sorted(seen.frame, by, first + limit)
    page = frame.slice(first, limit)
    following = None
    if first + limit < total:
        by_number = order is None and view.key is not None
        place = int(seen.rows[first + limit]) if by_number else first + limit
        following = cursor_of(f"rows {order or ''}", place)
    head = RowsPage(
        columns=json.columns(view.schema), rows=[], version=seen.version, total=total,
        next=following,
    )  # fmt: skip
    return _with_rows(head.model_dump_json(), json.json_rows(page, view.schema))


def _sorted(frame: pl.DataFrame, by: tuple[str, bool], most: int) -> pl.DataFrame:
    """Return the first rows in an order, that of the feed: NULL and NaN come last."""
    column, falls = by
    values = oriented(frame[column], falling=falls)
    if values is not None:
        return frame[np.argsort(values, kind="stable")[:most]]
    whole = frame.sort(column, descending=falls, nulls_last=True, maintain_order=True)
    return whole.head(most)


def _answer(views: dict[str, LiveView], ask: QueryAsk) -> bytes:
    from millstream.job.querying import query as asked

    try:
        found = asked(views, ask.sql, limit=ask.limit, timeout_s=ask.timeout_s, at=ask.at)
    except JobError as error:
        raise ProblemError(503, error.fact, hint=error.hint) from None
    head = QueryAnswer(
        columns=json.columns(found.schema),
        rows=[],
        truncated=found.truncated,
        took_ms=found.took_ms,
        versions=dict(found.versions),
    )
    return _with_rows(head.model_dump_json(), json.json_rows(found.frame, found.schema))


def _with_rows(head: str, rows: bytes) -> bytes:
    """Put rows, which are JSON already, where a value has none."""
    before, found, behind = head.partition('"rows":[]')
    assert found, "the value has no rows"
    return before.encode() + b'"rows":' + rows + behind.encode()
