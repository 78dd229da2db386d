"""One run of a source, stage by stage."""
