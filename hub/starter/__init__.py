"""The workspace that `hub init` writes: commented files that pass `hub check`."""
