"""Planning: from requests, pools and limits to a plan with its proof. Pure: no I/O, no globals.

`planner.planning.plan` is the way in, `planner.problem.PlacementProblem.build` makes the problem.
Nothing is imported here: who reports progress or names an error needs no solver.
"""
