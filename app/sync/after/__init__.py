"""Actions of users after a run: approve, replay, undo, review rejected rows."""
