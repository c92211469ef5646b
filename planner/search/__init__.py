"""The search for good schedules: candidates, CP-SAT, repair, moves, and going through all."""
