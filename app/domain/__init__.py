"""Pure rules: no IO, no clock but the one handed in, no import of anything above."""
