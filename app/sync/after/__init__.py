"""What people do about a run that has ended: approve, replay, undo, look at its rejects."""
