"""Dead letters over the API: found, read, put through again."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from millstream.cli.inspect import jobs_of
from millstream.serve.hub import Hub
from millstream.serve.routes.letters import _text_of
from tests.unit.serve_api.conftest import client_of, until

LETTERS = "/v1/jobs/shop/letters"


@pytest.mark.parametrize(
    ("raw", "text"),
    [("aü".encode(), "a"), (b"aaa", "aa"), (b"a", "a"), (b"\xff", None), ("ü".encode()[:1], None)],
)
def test_long_bytes_are_cut_between_characters(raw: bytes, text: str | None) -> None:
    """A page of letters is no gigabyte, and a text that was cut is a text still."""
    found = _text_of(raw, 2)
    assert found == text


def test_letters_are_found_by_what_they_are(client: TestClient) -> None:
    """The one row that divides by zero, with its columns and where it is from."""
    (group,) = [g for g in client.get(f"{LETTERS}/groups").json()["items"] if "zero" in g["reason"]]
    assert (group["kind"], group["letters"]) == ("rejected", 1)
    (letter,) = client.get(LETTERS, params={"reason": "ZERO"}).json()["letters"]
    assert letter["row"]["n"] == 3
    assert client.get(f"{LETTERS}/{letter['id']}").json() == letter
    assert client.get(LETTERS, params={"kind": "late"}).json() == {"letters": [], "next": None}
    assert client.get(LETTERS, params={"kind": "odd"}).status_code == 422
    for wrong in ("999:0", "x", "1:x", ":", "1:99999999999999999999"):
        assert client.get(f"{LETTERS}/{wrong}").status_code == 404, wrong


def test_pages_of_letters_are_all_letters(client: TestClient) -> None:
    """Rejected events make letters; each is on one page, in the order in which they came."""
    wrong = [{"page": "x", "cost": f"no number {i}"} for i in range(7)]
    assert client.post("/v1/events/clicks", json=wrong).json()["accepted"] == 7

    def undecodable() -> list[str]:
        params = {"kind": "undecodable", "limit": 1000}
        return [one["id"] for one in client.get(LETTERS, params=params).json()["letters"]]

    until(lambda: len(undecodable()) >= 7)
    whole, paged, cursor = undecodable(), [], None
    while True:
        params = {"kind": "undecodable", "limit": 2}
        page = client.get(
            LETTERS, params=params | ({} if cursor is None else {"cursor": cursor})
        ).json()
        assert len(page["letters"]) <= 2
        paged += [one["id"] for one in page["letters"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert paged == whole
    assert client.get(LETTERS, params={"cursor": "bm8"}).status_code == 422


def test_a_letter_is_put_through_again(client: TestClient) -> None:
    """By its id alone; the running job takes it up, and it fails again as a new letter."""
    (letter,) = client.get(LETTERS, params={"reason": "zero", "state": "new"}).json()["letters"]
    asked = client.post(f"{LETTERS}/replay", json={"ids": [letter["id"]]})
    assert (asked.status_code, asked.json()["letters"]) == (202, 1)
    until(lambda: client.get(f"{LETTERS}/{letter['id']}").json()["state"] == "replayed")
    again = until(lambda: client.get(LETTERS, params={"state": "failed again"}).json()["letters"])
    assert again[0]["attempt"] == 1
    twice = client.post(f"{LETTERS}/replay", json={"ids": [letter["id"]]})
    assert twice.status_code == 409
    assert client.post(f"{LETTERS}/replay", json={"ids": ["7:7"]}).status_code == 409


def test_a_job_without_a_place_for_letters_says_so(tmp_path) -> None:
    """An empty list would say that no row was ever lost."""
    program = tmp_path / "plain.sql"
    program.write_text(
        "CREATE TABLE t (n INT) WITH ('connector'='datagen', 'number-of-rows'='1');"
        "CREATE TABLE o (n INT) WITH ('connector'='blackhole'); INSERT INTO o SELECT n FROM t;"
    )
    (job,) = jobs_of(program, ["pipeline.name=plain"])
    hub = Hub()
    running = job.start()
    hub.add(job, running)
    running.wait()
    told = client_of(hub).get("/v1/jobs/plain/letters/groups")
    assert told.status_code == 409
    assert "dead-letters.dir" in told.json()["hint"]
    ended = client_of(hub).post("/v1/jobs/plain/pause")
    assert ended.status_code == 409
