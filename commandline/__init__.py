"""What every command is made of, in both applications: verbs, arguments, tables, and its end."""
