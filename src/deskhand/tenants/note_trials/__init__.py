"""A trial before the first note: what a desk does with one note, before agents write a thousand."""
