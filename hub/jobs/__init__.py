"""Work in the background: dramatiq actors that wake stages, on a broker in the process or on
Redis, from the same code.
"""
