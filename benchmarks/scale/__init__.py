"""Planning at scale: instances that bind, other methods beside the plan, and the bars.

``python -m benchmarks.scale --help`` lists what it can do.
"""
