"""What people say of notes: a thumb or a rating with a comment, and what follows from it."""
