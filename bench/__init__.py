"""Benchmarks against peers and limits, run by hand, with their figures printed as ratios."""
