"""What a month was worth: what became of the tickets that agents had to do with, and what can be told from it."""
