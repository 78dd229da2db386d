"""Objects that runs without a key made are held for deletion, approved and brought back."""

from __future__ import annotations

from app.sources import manage
from app.sync.after import held, undo
from tests.integration.bench import Bench, figures

ROWS = [{"code": f"{n:03}", "name": f"Place {n}"} for n in range(20)]


def test_duplicates_of_a_time_without_a_key_are_removed_by_approval(bench: Bench) -> None:
    bench.define(mapping={"key": []})
    bench.write(ROWS)
    bench.sync()
    bench.sync(full=True)
    source = bench.app.read(manage.get, "places")
    assert bench.app.read(held.keyless, source) == 0  # there is no key to prefer yet

    bench.define()
    bench.sync()
    source = bench.app.read(manage.get, "places")
    assert bench.app.read(held.keyless, source) == 40
    bench.app.write(held.hold_keyless, "places")
    bench.app.write(held.hold_keyless, "places")
    assert bench.app.read(held.keyless, source) == 0
    assert len(held.held(bench.app, "places")) == 40

    run = held.approve(bench.app, "places", ceiling=40, actor="cli:ada")
    assert figures(run) == {"deleted": 40}
    assert len(bench.objects()) == 20
    assert None not in bench.objects()
    assert undo.undo(bench.app, run.id, actor="cli:ada").restored == 40
    assert bench.app.read(held.keyless, source) == 40
