"""A SQLite file that survives full disks, lost locks, deletion and damage."""
