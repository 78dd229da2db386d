"""The parts of the pipeline that `app.sync` puts together."""
