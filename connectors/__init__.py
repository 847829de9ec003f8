"""One folder per vendor, and `sdk`, the contract they all keep. A connector imports nothing of ours
but the sdk.
"""
