"""Worker processes: started, watched, fed with calls and replaced when one is lost."""
