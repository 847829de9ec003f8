"""`hub demo`: the product in one minute. Real vendor sandboxes, a real hub as a process of its
own, and people who act.
"""
