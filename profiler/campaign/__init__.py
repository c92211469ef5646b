"""A measuring campaign: what to measure next, the windows, the file that they are kept in."""
