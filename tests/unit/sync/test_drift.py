"""Drift compares the fields of a source over time."""

from __future__ import annotations

from app.sync.drift import Profile, compare, profile
from connectors.sdk import canonical


def test_drift_names_new_gone_and_retyped_fields() -> None:
    before = profile(
        [{"id": 1, "name": "a", "old": 1, "sometimes": 1}, {"id": 2, "name": None, "old": 2}]
    )
    now = profile([{"id": "1", "name": "b", "fresh": None}])
    drift = compare(before, now)
    assert drift.new == ("fresh",)
    assert drift.vanished == ("old",)
    assert list(drift.retyped) == ["id"]
    assert drift.message() == (
        "The fields of the source changed: new: fresh; gone: old; id was number, now string"
    )
    assert drift.as_json()["retyped"] == {"id": {"before": ["number"], "now": ["string"]}}


def test_equal_rows_do_not_drift_and_null_is_no_type() -> None:
    before = profile([{"id": 1, "name": "a"}])
    assert not compare(before, profile([{"id": 2.5, "name": None}]))
    assert not compare(before, Profile())
    assert not compare(Profile(), before)


def test_profiles_add_up_and_are_stored_as_json() -> None:
    one, two = profile([{"a": 1}]), profile([{"a": "x", "b": []}])
    one.merge(two)
    assert one == profile([{"a": 1}, {"a": "x", "b": []}])
    assert Profile.from_json(canonical.loads(canonical.dumps(one.as_json()))) == one
