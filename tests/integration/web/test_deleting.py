"""Jobs and sources go only when their name was typed."""

from __future__ import annotations

import pytest

from app.errors import NotFoundError
from app.operations import jobs
from app.sources import manage
from app.users.roles import Role
from tests.integration.served import Server

SOURCE = {
    "name": "towns",
    "type": "files",
    "connection": {"path": "/nowhere/towns.csv"},
    "target": {"register": "geo", "schema": "town"},
    "schedule": "hourly",
}


def test_a_source_and_a_job_are_deleted_by_their_names(server: Server) -> None:
    manage.save(server.app, SOURCE, test=False, on_host=True)
    client = server.signed_in(Role.ADMIN)
    found = server.app.read(jobs.listing)
    job = next(job for job in found.jobs if "towns" in found.title(job))
    for typed in ("", "town", "TOWNS"):
        form = {"confirm": typed}
        assert client("POST", f"/jobs/{job.id}/delete", data=form).status_code == 400
        assert client("POST", "/sources/towns/delete", data=form).status_code == 400
    assert job.id in {one.id for one in server.app.read(jobs.listing).jobs}

    form = {"confirm": found.title(job)}
    assert form["confirm"] in client.get("/jobs").text
    assert client("POST", f"/jobs/{job.id}/delete", data=form).status_code == 303
    assert job.id not in {one.id for one in server.app.read(jobs.listing).jobs}
    assert client("POST", "/sources/towns/delete", data={"confirm": "towns"}).status_code == 303
    with pytest.raises(NotFoundError):
        server.app.read(manage.get, "towns")
    assert client("POST", "/sources/towns/delete", data={"confirm": "towns"}).status_code == 404
