"""The one command line, which leads to the service's and to the profiler's."""
