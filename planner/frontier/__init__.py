"""The Pareto front of two quantities of a plan, by the epsilon-constraint method.

``trace(problem, front, options)`` walks it and yields its ends, its points and a summary.
"""
