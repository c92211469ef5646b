"""Speed, memory and case studies. Everything here prints; no absolute time is ever asserted."""
