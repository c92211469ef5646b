"""What came of decisions and plans, held against what was predicted."""
