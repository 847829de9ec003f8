"""The canonical process model and the mapping language. Pure: no I/O, no clock, no network."""
