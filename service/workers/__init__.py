"""Worker processes: started, monitored, given calls and replaced when one is lost."""
