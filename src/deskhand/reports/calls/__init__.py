"""What each call of a model cost."""
